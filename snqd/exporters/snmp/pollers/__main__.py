"""Writes one of the files of `docs/examples` to standard output; its name there is the argument."""

from __future__ import annotations

import sys

from snqd.exporters.snmp.mib import Mib
from snqd.exporters.snmp.pollers.prometheus import before_023, since_023
from snqd.exporters.snmp.pollers.yaml_text import yaml_text
from snqd.exporters.snmp.pollers.zabbix import template
from snqd.exporters.snmp.reference import MIB_FILE

FILES = {
    "prometheus/snmp.yml": since_023,
    "prometheus/snmp-0.22.yml": before_023,
    "zabbix/snqd.yaml": template,
}

if __name__ == "__main__":
    make = FILES[sys.argv[1]]
    sys.stdout.write("# Written by `make docs` from mibs/SNQD-MIB.txt. Do not edit.\n")
    sys.stdout.write(yaml_text(make(Mib(MIB_FILE.read_text()))))
