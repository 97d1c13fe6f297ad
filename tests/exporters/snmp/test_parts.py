"""Parts of the agent: its identity, its port, its keys, and who may ask how often."""

from __future__ import annotations

import json
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from snqd.errors import ConfigError
from snqd.exporters.snmp import identity, settings
from snqd.exporters.snmp.limits import SOURCES, Pace, Sources
from snqd.exporters.snmp.listening import Ports, bind
from snqd.exporters.snmp.usm import keys_of
from tests.support.snmp import AUTH, PRIVACY
from tests.support.snmp import settings as some_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_an_engine_keeps_its_id_and_counts_its_boots(tmp_path: Path) -> None:
    path = tmp_path / "main.snmp"
    found = [identity.begin(path) for _ in range(3)]
    assert [each.boots for each in found] == [1, 2, 3]
    assert len({each.engine_id for each in found}) == 1
    assert found[0].engine_id[:5] == bytes.fromhex("80001f8805")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["main.snmp"]


@pytest.mark.parametrize(
    "lost",
    ["", "{", "[]", '{"engine_id": "80", "boots": 4}', '{"engine_id": "80001f880501", "boots": 2147483646}', "null"],
)
def test_an_engine_that_does_not_know_its_boots_is_another_engine(lost: str, tmp_path: Path) -> None:
    path = tmp_path / "main.snmp"
    before = identity.begin(path)
    path.write_text(lost)
    after = identity.begin(path)
    assert after.boots == 1
    assert after.engine_id not in (before.engine_id, bytes.fromhex("80001f880501"))


def test_a_boot_is_written_before_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "main.snmp"
    told = identity.begin(path)
    assert json.loads(path.read_text())["boots"] == told.boots
    with pytest.raises(OSError, match="No such file"):
        identity.begin(tmp_path / "missing" / "main.snmp")


def test_keys_are_those_of_the_rfc() -> None:
    """RFC 3414, A.3.2."""
    engine = bytes.fromhex("000000000000000000000002")
    assert (
        keys_of(settings.User("u", "SHA-1", "maplesyrup", "none"), engine).auth.hex()
        == "6695febc9288e36282235fc7151f128497b38f3f"
    )


def test_settings_come_over_the_feed_as_they_were_and_do_not_show_secrets() -> None:
    given = some_settings()
    assert settings.decode(settings.encode(given)) == given
    for secret in (AUTH, PRIVACY, str(given.community)):
        assert secret not in repr(given)
        assert secret not in repr(given.users[0])


def test_sources_are_addresses_and_networks_of_both_kinds() -> None:
    sources = Sources(("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))
    allowed = ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"]
    assert [sources.allows(host) for host in allowed] == [True] * 4
    assert [sources.allows(host) for host in ("11.0.0.1", "192.0.2.8", "::1", "fe80::1%eth0")] == [False] * 4
    assert Sources(()).allows("11.0.0.1")


def test_all_sources_together_have_a_limit_and_no_more_than_some_are_remembered() -> None:
    now = [0.0]
    pace = Pace(10.0, lambda: now[0])
    allowed = sum(pace.allows(f"10.0.{number // 250}.{number % 250}") for number in range(2 * SOURCES))
    assert allowed == 80  # two seconds' worth of four shares
    assert len(pace._sources) <= SOURCES
    now[0] = 1.0
    assert sum(pace.allows("10.9.9.9") for _ in range(100)) == 20


def test_a_port_is_kept_until_it_is_not_wanted_any_more() -> None:
    free = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    free.bind(("127.0.0.1", 0))
    listen = f"127.0.0.1:{free.getsockname()[1]}"
    free.close()
    ports = Ports()
    first = ports.open(listen)
    assert ports.open(listen) == first
    ports.keep_only("")
    again = bind(listen)
    again.close()


def test_a_port_that_is_taken_is_told_in_one_line_with_what_to_do() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        waited: list[float] = []
        clock = iter([0.0, 0.0, 1.0, 4.0])
        with pytest.raises(ConfigError) as refused:
            bind(listen, sleep=waited.append, clock=lambda: next(clock))
    assert str(refused.value) == (
        f"snmp.listen is {listen}: cannot listen there: Address already in use: which program has it says 'ss -ulpn', "
        "another port will do as well"
    )
    assert len(waited) == 2


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    with pytest.raises(ConfigError, match=r"snmp.listen is 192.0.2.1:1161: cannot listen there: Cannot assign"):
        bind("192.0.2.1:1161")


def test_a_source_that_sends_too_much_takes_nothing_from_the_others() -> None:
    pace = Pace(10.0, lambda: 0.0)
    flood = sum(pace.allows("10.0.0.1") for _ in range(1000))
    assert flood == 20
    assert sum(pace.allows("10.0.0.2") for _ in range(20)) == 20
