"""Figures of a daemon elsewhere, read from its SNMP agent.

`access` says who asks, `manager` asks and waits, in messages of a `session` (`community` for version 2c, `user` for
version 3); `objects` gives the answers the names and units that they have in telemetry, `source` makes figures of them.

The codec is the agent's own, which fuzzing and a comparison with pysnmp have gone over, seen from the other side. A
plugin starts for every check. Beside the 30 ms of processor time that it needs anyway, this takes 10 ms to import, and
23 ms with AES. Libraries for managers import asyncio: gufo_snmp takes 43 ms more, puresnmp and pysnmp 90 and more. They
also tell a wrong name, pass phrase and cipher as one error, or as silence, which is what somebody who sets up a check
needs to know apart.
"""
