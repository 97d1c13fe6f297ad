"""Files for pollers that others wrote, made from SNQD-MIB: `python -m snqd.exporters.snmp.pollers FILE`.

Each is what such a poller needs to know of the daemon: `prometheus` for snmp_exporter, `zabbix` for a Zabbix server.
"""
