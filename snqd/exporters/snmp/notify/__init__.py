"""Notifications: traps and informs to the receivers of `[snmp.target.NAME]`.

`occasions` says what is worth one, from the events and alarms that the agent is fed; `limit` how many there may be;
`definitions` makes the bytes of it; a `target` sends them, again if need be, in one of the three `ways` (community,
trap of version 3, inform of version 3); `kept` outlives the process; and `notifier` brings all of it onto the loop.
Pure but for the last two.
"""
