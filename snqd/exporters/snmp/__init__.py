"""The SNMP agent: a process of its own beside the hub, which feeds it what monitors are fed.

`columns` says what there is to read, `tree` puts it in order, `answering` answers the requests, and two codecs bring
them there: `fast_v2c` and `fast_v3` for what pollers send all day, pysnmp (`engine`) for everything else. `notify`
sends traps and informs. Nothing here is imported before it is wanted: a daemon without `[snmp]` pays nothing.
"""
