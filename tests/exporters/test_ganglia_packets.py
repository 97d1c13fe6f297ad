"""Ganglia's datagrams, beside those of its own `gmetric`."""

from __future__ import annotations

import shutil
import socket
import string
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree  # of text that the test has made

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.exporters.ganglia import packets
from snqd.exporters.ganglia.packets import DATAGRAM_BYTES, Definition, Sender, Slope, plain
from tests.support.postgres import missing_server

if TYPE_CHECKING:
    from pathlib import Path

METRIC = Definition("snqd.queue.mail.lag", "double", "s", Slope.BOTH, "snqd_queues", "mail: lag", "Age of something")


@pytest.mark.parametrize("slope", list(Slope))
@pytest.mark.parametrize("sender", [Sender(socket.gethostname()), Sender("10.0.0.7:queues", is_spoofed=True)])
def test_they_are_those_of_gmetric_byte_for_byte(tmp_path: Path, sender: Sender, slope: Slope) -> None:
    if shutil.which("gmetric") is None:
        missing_server("ganglia-monitor")
    metric = METRIC._replace(slope=slope)
    settings = tmp_path / "gmond.conf"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10)
        settings.write_text(f"udp_send_channel {{ host = 127.0.0.1\n port = {heard.getsockname()[1]} }}\n")
        words = {
            "name": metric.name, "value": "12.5", "type": metric.type, "units": metric.units,
            "slope": slope.name.lower(), "tmax": "60", "dmax": "600",
            "group": metric.group, "title": metric.title, "desc": metric.description,
        }  # fmt: skip
        command = ["gmetric", "-c", str(settings), *(f"--{word}={text}" for word, text in words.items())]
        subprocess.run([*command, *([f"--spoof={sender.name}"] if sender.is_spoofed else [])], check=True)

        assert packets.definition(sender, metric, tmax_seconds=60, dmax_seconds=600) == heard.recv(2000)
        assert packets.value(sender, metric.name, "12.5") == heard.recv(2000)


@given(st.text())
def test_text_breaks_no_xml_and_is_ascii(text: str) -> None:
    told = plain(text)

    assert ElementTree.fromstring(f'<X A="{told}"/>').get("A") == told
    assert told.isascii()
    assert len(told) == min(len(text), packets.TEXT_LIMIT)


def test_plain_text_is_left_as_it_is() -> None:
    allowed = "".join(sorted(set(string.printable) - set(string.whitespace) - set("<>&\"'"))) + " "
    assert plain(allowed) == allowed


def test_the_longest_datagram_fits_what_gmond_reads() -> None:
    longest = Definition("n" * 250, "double", "u" * 20, Slope.BOTH, "g" * 500, "t" * 500, "d" * 500)
    sender = Sender("255.255.255.255:" + "h" * 100, is_spoofed=True)

    assert len(packets.definition(sender, longest, tmax_seconds=2**32 - 1, dmax_seconds=2**32 - 1)) <= DATAGRAM_BYTES


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_part_begins_at_a_multiple_of_four(host: str, text: str) -> None:
    assert len(packets.value(Sender(host), "x", text)) % 4 == 0
