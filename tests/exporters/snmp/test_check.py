"""`check_snqd -H`: against our agent over UDP, against another one, and against what lies or falls silent."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest

from snqd.check.main import main
from snqd.check.snmp import access, wire
from snqd.exporters.snmp.answering import RESPONSE
from snqd.exporters.snmp.settings import User as AgentUser
from snqd.exporters.snmp.usm import HASHES, KEY_SIZES
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY, SNQD, USER, running_agent, running_snmpd
from tests.support.snmp_messages import message, message_v3, pdu
from tests.support.views import alarm, daemon_fact, depth, flow, queue, store, worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.snmp import RunningAgent

OK, WARNING, CRITICAL, UNKNOWN = range(4)
BY_COMMUNITY = ("-C", COMMUNITY)
BY_USER = ("-U", USER.name, "-A", AUTH, "-X", PRIVACY)
ASKING = pytest.mark.parametrize("who", [BY_COMMUNITY, BY_USER], ids=["v2c", "v3"])
SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
STATS = (1, 3, 6, 1, 6, 3, 15, 1, 1)


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in access.ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Exit code and output of a check."""

    def run(*words: object) -> tuple[int, str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert err == ""
        assert out.endswith("\n")
        return code, out[:-1]

    return run


def facts(**changes: Any) -> list[Any]:
    """Two queues of two sites, one of which lags, fails and is given up."""
    found: list[Any] = [
        worker(1, rss_bytes=2048),
        worker(2, state="backoff", pid=0, respawns=4),
        store(round_trip_seconds=0.0125),
        queue("mail", recent_failed=10, recent_handlings=40),
        queue("feed", paused="by anna", recent_failed=19, recent_handlings=19),
        depth("mail", "a.example", ready=7, lag_seconds=75.25, dead=2),
        depth("mail", "b.example", ready=1, lag_seconds=5.0, is_estimate=True),
        depth("feed", "a.example", ready=0, dead=1),
        flow("mail", "a.example", handled=2**40, failed=10),
    ]
    counted = {"recent_deaths": 3, "workers_wanted": 2} | changes
    return [*found, daemon_fact(tuple(found), **counted)]


def show(agent: RunningAgent, *found: Any) -> None:
    """What the daemon says now."""
    agent.stage.now = time.monotonic()
    agent.show(*found)


EXPECTED = {
    "lag -w 60 -c 300": (
        WARNING,
        "lag of 2 queues: mail 75.25 s | lag=75.25s;60;300;0 feed_lag=0s;60;300;0 mail_lag=75.25s;60;300;0",
    ),
    "depth -q mail -c 7": (CRITICAL, "depth of 1 queue: mail 8 | depth=8;;7;0"),
    "failures -w 20": (
        WARNING,
        "failures of 2 queues: mail 25 % | failures=100%;20;;0 feed_failures=100%;20;;0 mail_failures=25%;20;;0",
    ),
    "dead -w @3": (WARNING, "dead of 2 queues: mail 2, feed 1 | dead=3;;;0 feed_dead=1;@3;;0 mail_dead=2;@3;;0"),
    "workers": (WARNING, "1 of 2 workers can take items | workers=1;2:;1:;0;2"),
    "respawns -c 2": (CRITICAL, "3 workers died within five minutes | respawns=3;;2;0"),
    "store -w 0.01": (WARNING, "the store answers in 12.5 ms | store=0.0125s;0.01;;0"),
    "health": (
        OK,
        "daemon main: 1 worker, the store answers, about 8 items ready, the oldest for 1m15s"
        " | workers=1;;;0;2 busy=0;;;0 ready=8;;;0 scheduled=0;;;0 in_flight=0;;;0 lag=75.25s;;;0 dead=3;;;0"
        " handled=1099511627776c;;;0 failed=10c;;;0 dead_lettered=0c;;;0 respawns=4c;;;0 rss=2048B;;;0"
        " store=0.0125s;;;0 alarms=0;;;0",
    ),
    "lag -q mail --site a.example -v": (
        OK,
        "lag of 1 queue, at most a.example/mail 75.25 s | lag=75.25s;;;0\nOK a.example/mail 75.25 s",
    ),
    "depth --site b.example -w 0 -v": (
        WARNING,
        "depth of 2 queues: b.example/mail 1 | depth=1;;;0 b.example/feed_depth=0;0;;0 b.example/mail_depth=1;0;;0\n"
        "OK b.example/feed 0 (paused)\nWARNING b.example/mail 1 (about)",
    ),
}


@ASKING
def test_every_mode_says_what_the_agent_knows(
    who: tuple[str, ...], agent: RunningAgent, check: Callable[..., tuple[int, str]]
) -> None:
    show(agent, *facts())
    for words, (code, said) in EXPECTED.items():
        verdict = ("OK", "WARNING", "CRITICAL")[code]
        assert check(*words.split(), "-H", agent.address, *who) == (code, f"SNQD {verdict} - {said}"), words


def test_an_alarm_and_a_store_that_is_away_are_critical(
    agent: RunningAgent, check: Callable[..., tuple[int, str]]
) -> None:
    away = store(connected=False, problem="refused | now", since=time.monotonic() - 125)
    show(agent, worker(), away, alarm("store", "postgres"))
    code, said = check("store", "-H", agent.address, *BY_COMMUNITY)
    assert code == CRITICAL
    assert re.fullmatch(r"SNQD CRITICAL - the store has not answered for 2m\d\ds \(refused / now\)", said)
    code, said = check("health", "-H", agent.address, *BY_USER)
    assert code == CRITICAL
    assert "critical store: postgres is bad" in said
    assert "store=" not in said


@ASKING
def test_a_walk_over_many_queues_is_whole_and_long_names_are_themselves(
    who: tuple[str, ...], agent: RunningAgent, check: Callable[..., tuple[int, str]]
) -> None:
    long = "long" * 15 + "é"
    names = [*(f"queue{number:03}" for number in range(250)), long]
    show(agent, worker(), store(), *(each for name in names for each in (queue(name), depth(name, ready=1))))

    code, said = check("depth", "-v", "-H", agent.address, *who)

    assert code == OK
    assert [line.split()[1] for line in said.splitlines()[1:]] == sorted(names)
    assert "depth=251;;;0" in said
    assert check("depth", "-q", long, "-H", agent.address, *who)[0] == OK


def test_every_hash_and_cipher(check: Callable[..., tuple[int, str]]) -> None:
    pairs = [(auth, privacy) for auth in HASHES for privacy in (*KEY_SIZES, "none")]
    users = [AgentUser(f"{a} {p}", a, AUTH, p, PRIVACY if p != "none" else "") for a, p in pairs]
    with running_agent(users=tuple(users)) as agent:
        show(agent, *facts())
        for user in users:
            show(agent, *facts())
            more = ("-X", PRIVACY) if user.privacy != "none" else ()
            words = ("-U", user.name, "-a", user.auth, "-A", AUTH, "-x", user.privacy, *more)
            assert check("respawns", "-H", agent.address, *words)[0] == OK, user
        for auth, privacy in (("sha", "aes"), ("SHA1", "AES128")):  # as net-snmp's tools have it
            words = ("-U", "SHA-1 AES-128", "-a", auth, "-A", AUTH, "-x", privacy, "-X", PRIVACY)
            assert check("respawns", "-H", agent.address, *words)[0] == OK


def test_secrets_come_from_files_and_from_the_environment(
    agent: RunningAgent, check: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(agent, *facts())
    files = {"community": COMMUNITY, "auth": AUTH, "privacy": PRIVACY}
    for name, secret in files.items():
        (tmp_path / name).write_text(f"{secret}\na second line\n")
        (tmp_path / name).chmod(0o640)
    phrases = ("--auth-passphrase-file", tmp_path / "auth", "--privacy-passphrase-file", tmp_path / "privacy")
    assert check("respawns", "-H", agent.address, "--community-file", tmp_path / "community")[0] == OK
    assert check("respawns", "-H", agent.address, "-U", USER.name, *phrases)[0] == OK
    (tmp_path / "community").chmod(0o644)
    code, said = check("respawns", "-H", agent.address, "--community-file", tmp_path / "community")
    assert (code, COMMUNITY in said) == (UNKNOWN, False)
    assert said.endswith(f"everybody can read or write it: chmod o= {tmp_path / 'community'}")
    said = check("respawns", "-H", agent.address, "--community-file", tmp_path / "gone")[1]
    assert said == f"SNQD UNKNOWN - --community-file {tmp_path / 'gone'}: there is no such file"

    monkeypatch.setenv("CHECK_SNQD_COMMUNITY", COMMUNITY)
    monkeypatch.setenv("CHECK_SNQD_AUTH_PASSPHRASE", AUTH)
    monkeypatch.setenv("CHECK_SNQD_PRIVACY_PASSPHRASE", PRIVACY)
    assert check("respawns", "-H", agent.address)[0] == OK
    assert check("respawns", "-H", agent.address, "-U", USER.name)[0] == OK


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-H", "h"), "who asks? --community-file, --community or CHECK_SNQD_COMMUNITY, or --user for version 3"),
        (("-C", "x"), "who asks over SNMP says whom: --host HOST[:PORT]"),
        (("-x", "aes"), "who asks over SNMP says whom: --host HOST[:PORT]"),
        (
            ("-H", "h", "-C", "x", "--socket", "y"),
            "--host asks an SNMP agent; --socket, --config and --daemon are of this host",
        ),
        (("-H", "h", "-C", "x", "-U", "u"), "--community is of version 2c, --user of version 3: which of them?"),
        (("-H", "h", "-C", "x", "-A", "12345678"), "--auth-passphrase is of version 3: whose is it? --user NAME"),
        (("-H", "h", "-C", "x" * 256), "a community has at most 255 octets"),
        (("-H", "h", "-C", "x", "--community-file", "y"), "--community and --community-file: which of them?"),
        (
            ("-H", "h", "-U", "u"),
            "user 'u' has a pass phrase: --auth-passphrase-file, --auth-passphrase or CHECK_SNQD_AUTH_PASSPHRASE",
        ),
        (("-H", "h", "-U", "u", "-A", "short", "-x", "none"), "--auth-passphrase: a pass phrase has at least 8 octets"),
        (
            ("-H", "h", "-U", "u", "-A", "12345678", "-x", "none", "-X", "12345678"),
            "--privacy none needs no pass phrase",
        ),
        (
            ("-H", "h", "-U", "u", "-a", "md5"),
            "--auth 'md5' is none of SHA-1, SHA-224, SHA-256, SHA-384, SHA-512",
        ),
        (("-H", "h", "-U", "u", "-x", "des"), "--privacy 'des' is none of AES-128, AES-192, AES-256, none"),
        (("-H", "h:0", "-C", "x"), "argument -H/--host: 'h:0': the port must be 1 to 65535 (see check_snqd --help)"),
    ],
)  # fmt: skip
def test_wrong_usage_is_unknown_in_one_line(
    words: tuple[str, ...], said: str, check: Callable[..., tuple[int, str]]
) -> None:
    assert check("lag", *words) == (UNKNOWN, f"SNQD UNKNOWN - usage: {said}")


# ---- who is not answered


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (("-U", "stranger", "-A", AUTH, "-X", PRIVACY), "the agent knows no user 'stranger'"),
        (
            ("-U", USER.name, "-A", "another phrase", "-X", PRIVACY),
            "the agent does not believe user 'monitor': is the pass phrase right, and SHA-256?",
        ),
        (
            ("-U", USER.name, "-a", "SHA-512", "-A", AUTH, "-X", PRIVACY),
            "the agent does not believe user 'monitor': is the pass phrase right, and SHA-512?",
        ),
        (
            ("-U", USER.name, "-A", AUTH, "-X", "another phrase"),
            "the agent cannot decrypt: is the privacy pass phrase right, and AES-128?",
        ),
        (
            ("-U", USER.name, "-A", AUTH, "-x", "none"),
            "the agent wants another level of user 'monitor': privacy is none here",
        ),
        (
            ("-C", "wrong", "-t", "0.2"),
            "no answer within 0.2 s: does it run, is the community right, and may this host ask?",
        ),
    ],
)
def test_who_may_not_ask_is_told_why(
    who: tuple[str, ...], said: str, agent: RunningAgent, check: Callable[..., tuple[int, str]]
) -> None:
    show(agent, *facts())
    assert check("lag", "-H", agent.address, *who) == (UNKNOWN, f"SNQD UNKNOWN - {agent.address}: {said}")


@ASKING
def test_what_is_not_there_is_unknown(
    who: tuple[str, ...], agent: RunningAgent, check: Callable[..., tuple[int, str]]
) -> None:
    def lag(*words: str) -> str:
        code, said = check("lag", "-H", agent.address, *who, *words)
        assert code == UNKNOWN
        return said.removeprefix("SNQD UNKNOWN - ")

    begins = f"{agent.address}: the agent knows nothing of the daemon yet: one of them has just begun"
    assert lag() == begins
    show(agent, *facts(is_complete=False))
    assert lag() == begins
    show(agent, *facts())
    assert lag("-q", "nonsense", "-q", "mail") == "daemon main knows no queue 'nonsense'"
    assert lag("--site", "c.example") == "daemon main knows no site 'c.example'"
    agent.stage.now -= 120
    agent.show(*facts())
    assert re.fullmatch("nothing new is known of daemon main for 2m..s", lag())


def test_sites_that_the_agent_does_not_show_are_not_taken_for_empty(check: Callable[..., tuple[int, str]]) -> None:
    with running_agent(queue_site_rows=0) as agent:
        show(agent, *facts())
        assert check("lag", "--site", "a.example", "-H", agent.address, *BY_COMMUNITY) == (
            UNKNOWN,
            f"SNQD UNKNOWN - {agent.address}: the agent has no queues by site: set snmp.queue_site_rows",
        )
    with running_agent(queue_site_rows=1) as agent:
        show(agent, *facts())
        code, said = check("lag", "--site", "b.example", "-H", agent.address, *BY_COMMUNITY)
        assert code == UNKNOWN
        assert said.endswith("shows 1 rows of 3, and this site is not among them: raise snmp.queue_site_rows")
        assert check("lag", "--site", "a.example", "-q", "mail", "-H", agent.address, *BY_COMMUNITY)[0] == OK


def test_snmpd_in_front_and_snmpd_alone(
    agent: RunningAgent, check: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    show(agent, *facts())
    lines = [
        "rocommunity host 127.0.0.1",
        "rocommunity bare 127.0.0.1 .1.3.6.1.2.1",
        f"proxy -v 2c -c {COMMUNITY} {agent.address} .{SNQD}",
    ]
    with running_snmpd("\n".join(lines) + "\n", tmp_path) as port:
        assert check("depth", "-q", "mail", "-c", "7", "-H", f"localhost:{port}", "-C", "host")[0] == CRITICAL
        assert check("lag", "-H", f"localhost:{port}", "-C", "host") == check("lag", "-H", agent.address, *BY_USER)
        code, said = check("lag", "-H", f"localhost:{port}", "-C", "bare")
        assert code == UNKNOWN
        assert said.endswith(f"localhost:{port}: no snqdName there: is it an agent of snqd, of this version?")


# ---- what comes back may be anything


class Between:
    """Takes the agent's answers and gives what `change` makes of them."""

    def __init__(self, agent: RunningAgent, change: Callable[[bytes], list[bytes]]) -> None:
        self._agent, self._change = agent, change
        self._here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._here.bind(("127.0.0.1", 0))
        self._there.connect(("127.0.0.1", agent.port))
        self._there.settimeout(5)
        self.address = f"127.0.0.1:{self._here.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            data, place = self._here.recvfrom(65535)
            if not data:
                return
            self._there.send(data)
            for answer in self._change(self._there.recv(65535)):
                self._here.sendto(answer, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._here.getsockname())
        self._thread.join(10)
        self._here.close()
        self._there.close()


@ASKING
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _answer: [], "no answer within 1 s: "),
        (lambda answer: [answer[:-3]], "what came is of no use: an element is longer than what holds it"),
        (lambda answer: [answer + b"\0"], "what came is of no use: not a message of version "),
        (lambda _answer: [b"HTTP/1.1 400"], "what came is of no use: another element was expected"),
        (lambda _answer: [b"\x30\x84\xff\xff\xff\xff"] * 50, "what came is of no use: a length that no datagram needs"),
        (lambda _answer: [message(pdu(RESPONSE, [SYS_NAME]))], "what came is of no use: "),
        (lambda _answer: [message_v3(pdu(RESPONSE, [SYS_NAME]))], "what came is of no use: "),
    ],
    ids=["nothing", "truncated", "more", "HTTP", "no end", "another v2c", "another v3"],
)
def test_answers_of_no_use_are_waited_out(
    who: tuple[str, ...],
    change: Callable[[bytes], list[bytes]],
    said: str,
    agent: RunningAgent,
    check: Callable[..., tuple[int, str]],
) -> None:
    show(agent, *facts())
    with Between(agent, change) as between:
        # The agent has to answer within that time, or nothing comes that could be of no use.
        code, line = check("lag", "-t", "1", "-H", between.address, *who)
    assert code == UNKNOWN
    assert line.startswith(f"SNQD UNKNOWN - {between.address}: no answer within 1 s: ")
    assert said in line


def test_a_right_answer_behind_wrong_ones_counts(agent: RunningAgent, check: Callable[..., tuple[int, str]]) -> None:
    show(agent, *facts())
    with Between(agent, lambda answer: [b"", b"\x30", answer[:40], answer, answer]) as between:
        for who in (BY_COMMUNITY, BY_USER):
            assert check("lag", "-H", between.address, *who)[0] == OK


def test_a_reading_that_is_torn_is_done_again_and_not_for_ever(
    agent: RunningAgent, check: Callable[..., tuple[int, str]]
) -> None:
    """An agent that has just begun, or a queue that is new, must not look like queues that are well."""
    show(agent, *facts())
    seen: list[bytes] = []

    def another(answer: bytes) -> list[bytes]:
        """One queue more after each of the first `most` answers."""
        if len(seen) < most:
            seen.append(answer)
            show(agent, *facts(), *(queue(f"new{most}-{number}") for number in range(len(seen))))
        return [answer]

    line = ""
    for most, expected in ((1, OK), (1000, UNKNOWN)):
        seen.clear()
        with Between(agent, another) as between:
            code, line = check("lag", "-H", between.address, *BY_COMMUNITY)
        assert code == expected, (most, line)
    assert line.endswith(": the agent's rows change while they are read: it has just begun")


def test_an_agent_that_is_gone_is_told_at_once_and_the_next_address_is_tried(
    agent: RunningAgent, check: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(agent, *facts())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed, socket.socket(type=socket.SOCK_DGRAM) as silent:
        closed.bind(("127.0.0.1", 0))
        silent.bind(("127.0.0.1", 0))
        gone, still = closed.getsockname(), silent.getsockname()
        closed.close()
        code, said = check("lag", "-H", f"127.0.0.1:{gone[1]}", *BY_COMMUNITY)
        assert (code, said) == (
            UNKNOWN,
            f"SNQD UNKNOWN - 127.0.0.1:{gone[1]}: Connection refused: is there an agent?",
        )
        places = [(socket.AF_INET, place) for place in (gone, still, ("127.0.0.1", agent.port))]
        monkeypatch.setattr(wire, "_look_up", lambda _host, _flags: places)
        monkeypatch.setattr("snqd.check.snmp.manager.RESEND_SECONDS", 0.05)
        assert check("lag", "-H", "queue-host", *BY_COMMUNITY)[0] == OK


def test_a_name_that_is_none_is_told(check: Callable[..., tuple[int, str]]) -> None:
    code, said = check("lag", "-H", "two..dots", *BY_COMMUNITY)
    assert (code, said) == (UNKNOWN, "SNQD UNKNOWN - host 'two..dots': no name of a host")
