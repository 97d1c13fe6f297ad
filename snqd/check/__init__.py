"""`check_snqd`: a plugin for Nagios, Icinga and their kin.

`checks` judges `Figures`, whatever source they come from, by `ranges`; `perfdata` writes; `hub_source` asks the hub.
"""
