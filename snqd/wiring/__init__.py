"""Wiring: the only modules that name concrete classes; they put the processes of a daemon together.

What is imported at the top of each is light; drivers, handlers and asyncio are imported by the functions that need
them, in the process that needs them. The supervisor's process must stay free of all three.
"""
