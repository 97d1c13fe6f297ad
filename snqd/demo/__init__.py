"""The demonstration behind `snqd demo`: two small shops, their handlers, a load with faults in it, and a daemon.

Read `snqd/demo/handlers.py` first: it is what an application's handlers look like.
"""
