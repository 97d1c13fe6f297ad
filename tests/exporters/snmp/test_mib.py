"""SNQD-MIB: what the linter and net-snmp say of it, and that the agent's columns are the module's."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from snqd.exporters.snmp import ber, columns
from snqd.exporters.snmp.indices import NAME_OCTETS, name_index
from snqd.exporters.snmp.mib import Mib
from snqd.exporters.snmp.reference import MIB_FILE
from snqd.telemetry.facts import DepthFact, FlowFact, StoreFact, WorkerFact
from tests.support.postgres import missing_server
from tests.support.snmp import SNQD, mibs

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {
    "SnqdText": ber.OCTETS, "TruthValue": ber.INTEGER, "SnqdHealthState": ber.INTEGER, "INTEGER": ber.INTEGER,
    "Integer32": ber.INTEGER, "Gauge32": ber.GAUGE32, "Unsigned32": ber.GAUGE32, "Milliseconds": ber.GAUGE32,
    "Microseconds": ber.GAUGE32, "KibiBytes": ber.GAUGE32, "Thousandths": ber.GAUGE32, "TimeTicks": ber.TIMETICKS,
    "TimeStamp": ber.TIMETICKS, "Counter32": ber.COUNTER32, "Counter64": ber.COUNTER64,
}  # fmt: skip


def the_mib() -> Mib:
    return Mib(MIB_FILE.read_text())


def test_every_column_stands_in_the_module_with_its_name_number_and_syntax() -> None:
    mib = the_mib()
    ours = {
        (*group.oid[len(columns.BASE) :], column.number): (group.object_name(column), column.kind.syntax)
        for group in columns.GROUPS
        for column in group.columns
    }
    theirs = {
        mib.path(found.name): (found.name, found.syntax.split(" ")[0])
        for found in mib.objects.values()
        if found.access == "read-only"
    }
    assert ours == theirs


def test_kinds_are_encoded_as_their_syntax_says() -> None:
    for group in columns.GROUPS:
        for column in group.columns:
            assert column.kind.tag == TAGS[column.kind.syntax], group.object_name(column)


def test_enumerations_have_the_numbers_of_the_module() -> None:
    mib = the_mib()
    for group, name, kind in (
        (columns.WORKERS, "state", columns.SLOT_STATES),
        (columns.WORKERS, "phase", columns.PHASES),
    ):
        (column,) = [each for each in group.columns if each.name == name]
        words = mib.objects[group.object_name(column)].syntax.removeprefix("INTEGER { ").removesuffix(" }")
        for word in words.split(", "):
            label, _, number = word.removesuffix(")").partition("(")
            assert kind.of(label) == int(number)
        assert kind.of("a word of another version") == 0


def test_objects_are_called_as_in_telemetry() -> None:
    """The fields of facts, without their unit; `ready` is called depth as in statsd."""
    fields = {field for fact in (FlowFact, DepthFact) for field in fact.__struct_fields__}
    fields -= {"queue", "site", "at", "run", "wait", "run_seconds", "wait_seconds"}
    told = {column.name for column in columns.TOTALS.columns}
    assert {"depth" if each == "ready" else each.removesuffix("_seconds") for each in fields} == told
    for fact, group in ((WorkerFact, columns.WORKERS), (StoreFact, columns.STORES)):
        known = {field.removesuffix("_seconds").removesuffix("_bytes") for field in fact.__struct_fields__}
        known |= {
            "name",
            "age",
            "item_age",
            "exit_age",
            "kind",
            "since_age",
            "table_size",
            "index_size",
            "autovacuum_age",
        }
        assert {column.name for column in group.columns} <= known


def test_an_object_identifier_with_two_long_names_is_not_too_long() -> None:
    longest = (*columns.QUEUE_SITES.oid, 99, *name_index("q" * 63), *name_index("s" * 63))
    assert len(name_index("q" * 63)) == NAME_OCTETS + 1
    assert len(longest) == ber.OID_LIMIT


def test_the_linter_finds_nothing_at_its_strictest(tmp_path: Path) -> None:
    found = shutil.which("smilint")
    if found is None:
        missing_server("smitools")
    settings = tmp_path / "smi.conf"
    settings.write_text(f"path {mibs()}\n")
    done = subprocess.run(
        ["smilint", "-c", settings, "-l", "6", "SNQD-MIB"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_net_snmp_loads_the_module_without_a_word_and_knows_the_names() -> None:
    if shutil.which("snmptranslate") is None:
        missing_server("snmp")
    done = subprocess.run(
        ["snmptranslate", "-Pw", "-m", "SNQD-MIB", "-On", 'SNQD-MIB::snqdQueueLag."mail"'],
        env=os.environ | {"MIBDIRS": str(mibs())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == f".{SNQD}.1.3.1.13.4.109.97.105.108"
    assert [line for line in done.stderr.splitlines() if "MACRO" not in line] == []  # of SMI's own text
