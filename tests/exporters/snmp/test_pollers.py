"""The files for other pollers: what Prometheus' exporter reads with ours, and what Zabbix will with its template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from snqd.exporters.snmp.columns import BASE
from snqd.exporters.snmp.mib import Mib
from snqd.exporters.snmp.pollers.__main__ import FILES
from snqd.exporters.snmp.pollers.prometheus import since_023
from snqd.exporters.snmp.pollers.yaml_text import yaml_text
from snqd.exporters.snmp.pollers.zabbix import MACROS, NAME, template
from snqd.exporters.snmp.reference import MIB_FILE
from tests.support.documents import PAGES, PROJECT, blocks
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY, V2C, tool
from tests.support.snmp_exporter import Sample, running_exporter
from tests.support.views import alarm, depth, flow, queue, store, worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.snmp import RunningAgent

EXAMPLES = PROJECT / "docs" / "examples"
TEXTS = st.text().filter(str.isprintable) | st.sampled_from(
    ["yes", "No", "null", "1", "0x1f", "1e3", "-", "a: b", "a #b", "{a}", "2026-11-26"]
)
TREES = st.recursive(
    TEXTS | st.integers() | st.booleans(),
    lambda below: st.lists(below, min_size=1) | st.dictionaries(TEXTS, below, min_size=1),
    max_leaves=20,
)


def the_mib() -> Mib:
    return Mib(MIB_FILE.read_text())


def show(agent: RunningAgent) -> None:
    facts: list[Any] = [
        worker(1, rss_bytes=1024 * 1024), worker(2, state="fatal", pid=0, exit_reason="it could not start"), store(),
        alarm("lag", "mail"),
    ]  # fmt: skip
    for name in ("mail", 'od"d \\ näme', "feed"):
        facts += [queue(name, recent_failed=1, recent_handlings=9), depth(name, ready=3), flow(name, handled=2**40)]
    agent.show(*facts)


# ---- Prometheus


@pytest.mark.parametrize("who", ["v2c", "v3"])
def test_the_exporter_reads_our_agent_with_labels_for_names(who: str, agent: RunningAgent, tmp_path: Path) -> None:
    """Debian's is of the older form; the newer file has the same module (see below)."""
    show(agent)
    text = (EXAMPLES / "prometheus" / "snmp-0.22.yml").read_text()
    if who == "v3":
        user = since_023(the_mib())["auths"]["snqd_v3"]
        user.pop("version")
        access = yaml_text({"version": 3, "auth": user | {"password": AUTH, "priv_password": PRIVACY}}, "  ")
        text = text.replace("  version: 2\n  auth:\n    community: CHANGE-ME\n", access)
    text = text.replace("CHANGE-ME", COMMUNITY)
    with running_exporter(text, tmp_path) as exporter:
        found = exporter.scrape(agent.address)

    def value(name: str, **labels: str) -> float:
        return found[Sample(name, frozenset(labels.items()))]

    assert value("snqdQueueDepth", queue="mail") == 3
    assert value("snqdQueueHandled", queue='od\\"d \\\\ näme') == 2**40
    assert value("snqdQueueSiteLag", queue="feed", site="a.example") == 90_000
    assert value("snqdSiteDepth", site="a.example") == 9
    assert value("snqdTotalHandled") == 3 * 2**40
    assert value("snqdWorkersClaiming") == 1
    assert value("snqdWorkerRss", slot="1", worker="main.1") == 1024
    assert value("snqdWorkerState", slot="2", worker="main.2", snqdWorkerState="fatal") == 1
    assert value("snqdWorkerState", slot="1", worker="main.1", snqdWorkerState="fatal") == 0
    assert value("snqdStoreConnected", store="1", snqdStoreConnected="true") == 1
    assert value("snqdAlarmIsRaised", alarm="lag", subject="mail", snqdAlarmIsRaised="true") == 1
    assert value("snqdHealth", snqdHealth="critical") == 1
    assert value("snqdName", snqdName="main") == 1
    assert not [sample for sample in found if "Text" in sample.name or "Message" in sample.name]
    expected = {metric["name"] for metric in since_023(the_mib())["modules"]["snqd"]["metrics"]}
    quiet = {"snqdStoreTableSize", "snqdStoreIndexSize", "snqdStoreDeadRows", "snqdStoreAutovacuumAge"}
    quiet |= {name for name in expected if re.search(r"(Run|Wait)P\d\d$|ExitAge$", name)}  # nothing ended, nobody left
    quiet |= {name for name in expected if name.startswith("snqdTarget")}  # it tells no receiver
    assert expected - {sample.name for sample in found} <= quiet


def test_both_forms_of_the_exporters_file_have_the_same_module() -> None:
    new = yaml.safe_load((EXAMPLES / "prometheus" / "snmp.yml").read_text())
    old = yaml.safe_load((EXAMPLES / "prometheus" / "snmp-0.22.yml").read_text())
    assert {key: old["snqd"][key] for key in ("walk", "metrics")} == new["modules"]["snqd"]


def test_rules_of_the_pages_name_metrics_and_labels_that_there_are() -> None:
    metrics = {metric["name"]: metric for metric in since_023(the_mib())["modules"]["snqd"]["metrics"]}
    rules = [
        rule
        for block in blocks("yaml prometheus")
        for group in yaml.safe_load(block.text).get("groups", ())
        for rule in group["rules"]
    ]
    assert len(rules) > 4
    for rule in rules:
        names = re.findall(r"snqd\w+", rule["expr"])
        assert names, rule
        assert set(names) <= set(metrics), rule
        for name, state in re.findall(r'(\w+)="(\w+)"', rule["expr"]):
            assert state in metrics[name]["enum_values"].values(), rule


# ---- Zabbix


def as_zabbix(agent: RunningAgent, oid: str) -> dict[str, str]:
    """Indices and values below an object, as `discovery[]` finds them."""
    said = tool("snmpbulkwalk", *V2C, agent.address, f".{oid}")
    return dict(re.findall(rf"^\.{re.escape(oid)}\.([\d.]+) = [\w-]+: (.*)$", said, re.MULTILINE))


def test_every_item_that_zabbix_makes_of_the_template_is_answered(agent: RunningAgent) -> None:
    show(agent)
    (found,) = template(the_mib())["zabbix_export"]["templates"]
    oids = [item["snmp_oid"] for item in found["items"]]
    rows = {}
    for rule in found["discovery_rules"]:
        match = re.fullmatch(r"discovery\[(\{#[A-Z]+\}),([\d.]+)\]", rule["snmp_oid"])
        assert match is not None
        rows[match[1]] = as_zabbix(agent, match[2])
        for item in rule["item_prototypes"]:
            oids += [item["snmp_oid"].replace("{#SNMPINDEX}", index) for index in rows[match[1]]]
    assert set(rows["{#WORKER}"].values()) == {'"main.1"', '"main.2"'}
    assert len(rows["{#QUEUE}"]) == 3
    assert len(oids) > 60
    missing = set()
    for begin in range(0, len(oids), 20):
        said = tool("snmpget", *V2C, agent.address, *(f".{oid}" for oid in oids[begin : begin + 20]))
        missing |= {line.split(" = ")[0] for line in said.splitlines() if "No Such" in line}
    percentiles = {f".{'.'.join(map(str, (*BASE, 1, 3, 1, column)))}." for column in (26, 29)}  # nothing has ended yet
    assert {name for name in missing if not name.startswith(tuple(percentiles))} == set()


def test_the_template_is_of_one_piece() -> None:
    export = template(the_mib())["zabbix_export"]
    (found,) = export["templates"]
    triggers = list(export["triggers"])
    keys = {item["key"] for item in found["items"]}
    items = list(found["items"])
    for rule in found["discovery_rules"]:
        items += rule["item_prototypes"]
        keys |= {item["key"] for item in rule["item_prototypes"]}
        triggers += rule.get("trigger_prototypes", ())
    assert len(keys) == len(items)
    known = {(trigger["name"], trigger["expression"]) for trigger in triggers}
    for trigger in triggers:
        named = re.findall(rf"/{NAME}/([\w.]+(?:\[[^\]]*\])?)", trigger["expression"])
        assert named, trigger
        assert set(named) <= keys, trigger
        macros = {f"{{{name}}}" for name in re.findall(r"\{(\$[\w.]+)", trigger["expression"])}
        assert macros <= set(MACROS), trigger
        for other in trigger.get("dependencies", ()):
            assert (other["name"], other["expression"]) in known
    maps = {each["name"] for each in found["valuemaps"]}
    assert {item["valuemap"]["name"] for item in items if "valuemap" in item} == maps
    identifiers = list(_identifiers(export))
    assert len(set(identifiers)) == len(identifiers) == len(items) + len(triggers) + len(maps) + 3 + 2
    for each in identifiers:
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", each)


def _identifiers(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        yield from (value for key, value in found.items() if key == "uuid")
        for value in found.values():
            yield from _identifiers(value)
    elif isinstance(found, list):
        for value in found:
            yield from _identifiers(value)


# ---- the files


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_yaml_of_what_is_made(name: str) -> None:
    """That they are current is for `make docs-check`."""
    made = FILES[name](the_mib())
    assert yaml.safe_load(yaml_text(made)) == made


@settings(max_examples=50)
@given(TREES.filter(lambda tree: isinstance(tree, dict | list)))
def test_whatever_is_written_is_read_as_what_it_was(tree: Any) -> None:
    assert yaml.safe_load(yaml_text(tree)) == tree


@pytest.mark.parametrize("page", ["operations.md", "nagios.md", "snmp-agent.md", "snmp-pollers.md"])
def test_objects_that_a_page_names_exist(page: str) -> None:
    mib = the_mib()
    (path,) = [each for each in PAGES if each.name == page]
    named = set(re.findall(r"\b(snqd[A-Z]\w*)", path.read_text()))
    assert named
    assert named <= {*mib.objects, *(each.name for each in mib.notifications)}
