"""`check_snqd`: a plugin for Nagios, Icinga and their kin.

`checks` judges `Figures`, whatever source they come from, by `ranges`; `perfdata` writes. The sources are `hub_source`,
which asks the hub of a daemon on this host, and `snmp.source`, which asks an SNMP agent.
"""
