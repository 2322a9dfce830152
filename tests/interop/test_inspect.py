"""`ringproof inspect` beside tshark, which must see the same messages, and its page in a browser."""

from __future__ import annotations

import os
import ssl
import subprocess
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from harness.inspecting.inspection import inspect
from phones.sip.message import request
from reports.packets import End, IpWriter, Stream
from tests.end_to_end.conftest import CommandLine
from tests.harness.inspecting.making import edited, pcap, pcapng, tcp
from tests.harness.inspecting.test_field import DATA, lies, raw
from tests.harness.inspecting.test_headers import fragments4
from tests.interop.conftest import peer

pytest.importorskip("selenium", reason="selenium is not installed (pip install ringproof[browser])")

from tests.interop.browser import browser

pytestmark = pytest.mark.interop


def counted(tshark: str, capture: Path, *options: str) -> tuple[int, int]:
    """Packets and SIP messages, by tshark. Each message has one CSeq."""
    command = [tshark, "-n", "-r", str(capture), *options, "-T", "fields", "-E", "occurrence=a", "-e", "sip.CSeq"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    # a CSeq is a number, a blank, and a method
    return len(done.stdout.splitlines()), sum(len(line.split(",")) for line in done.stdout.splitlines() if line)


@pytest.mark.parametrize("name", ["plain-sipp.pcap", "kazoo-sbc.pcap", "kazoo-5.0.pcapng.xz"])
def test_field_captures(tshark: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "field.pcap"
    path.write_bytes(raw(name))
    reading = inspect(path).reading
    assert counted(tshark, path) == (reading.packets, reading.messages)


def test_a_run_of_ours(tshark: str, cli: CommandLine, tmp_path: Path) -> None:
    assert cli("run", "lamps", "presence", "--time", "virtual", "--pcapng", "run.pcapng").code == 0
    reading = inspect(tmp_path / "run.pcapng").reading
    packets, messages = counted(tshark, tmp_path / "run.pcapng")
    assert (packets, messages) == (reading.packets, reading.messages)
    assert messages > 3000


def message(number: int) -> bytes:
    """An OPTIONS."""
    headers = [("Via", f"SIP/2.0/TCP 192.0.2.7:5060;branch=z9hG4bK{number}"), ("Max-Forwards", "70")]
    headers += [("From", "<sip:a@example.com>;tag=1"), ("To", "<sip:b@example.com>"), ("Call-ID", "c")]
    return request("OPTIONS", "sip:b@example.com", [*headers, ("CSeq", f"{number} OPTIONS")], b"x" * number)


def test_tcp_and_fragments(tshark: str, tmp_path: Path) -> None:
    client, server = ("192.0.2.7", 40_000), ("192.0.2.8", 5060)
    stream = b"".join(message(number) for number in range(1, 20))
    packets = [tcp(client, server, 999, b"", 2), tcp(server, client, 4999, b"", 0x12)]
    packets += [tcp(client, server, 1000 + at, stream[at : at + 70]) for at in range(0, len(stream), 70)]
    packets += fragments4(_datagram(message(900)), 400)
    path = tmp_path / "made.pcapng"
    path.write_bytes(pcapng([(1.7e9 + n / 100, packet) for n, packet in enumerate(packets)]))
    reading = inspect(path).reading
    assert (reading.packets, reading.messages, reading.warnings) == (len(packets), 20, [])
    assert counted(tshark, path) == (len(packets), 20)


def _datagram(data: bytes) -> bytes:
    return IpWriter().udp(End(ip_address("192.0.2.7"), 5060), End(ip_address("192.0.2.8"), 5060), data)


def test_tls_with_a_key_log(tshark: str, cli: CommandLine, tmp_path: Path) -> None:
    packets = encrypted(tmp_path / "keys.log", [message(1) + message(2), message(3)])
    path = tmp_path / "tls.pcap"
    path.write_bytes(pcap([(1.7e9 + n / 100, packet) for n, packet in enumerate(packets)]))
    assert inspect(path).reading.messages == 0
    found = inspect(path, keylog=tmp_path / "keys.log").reading
    assert (found.messages, found.unreadable) == (3, 0)
    assert counted(tshark, path, "-o", f"tls.keylog_file:{tmp_path / 'keys.log'}") == (len(packets), 3)
    done = cli("inspect", path, "--keylog", "keys.log", "--html", "page.html")
    assert done.code == 0
    assert f"{len(packets)} packets, 3 SIP messages" in done.out
    missing = cli("inspect", path, "--keylog", "none.log")
    assert (missing.code, "none.log: no such file" in missing.err) == (4, True)


def encrypted(keys: Path, said: list[bytes]) -> list[bytes]:
    """The packets of a TLS connection in which a client says something; its secrets go to `keys`."""
    authority = trustme.CA()
    servers, clients = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("sip.example.com").configure_cert(servers)
    authority.configure_trust(clients)
    clients.keylog_filename = os.fspath(keys)
    to_client, from_client, to_server, from_server = (ssl.MemoryBIO() for _ in range(4))
    client = clients.wrap_bio(to_client, from_client, server_hostname="sip.example.com")
    server = servers.wrap_bio(to_server, from_server, server_side=True)
    ends = End(ip_address("192.0.2.7"), 40_000), End(ip_address("192.0.2.8"), 5061)
    stream = Stream(IpWriter(), *ends)
    packets = [packet for _, packet in stream.open()]

    def carry() -> None:
        while from_client.pending or from_server.pending:
            for out, into, end in ((from_client, to_server, ends[0]), (from_server, to_client, ends[1])):
                data = out.read()
                into.write(data)
                packets.extend(packet for _, packet in stream.say(end, data))

    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
        carry()
    for data in said:
        client.write(data)
        carry()
    return packets


def test_the_page_in_a_browser(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "desync.pcap").write_bytes(edited((DATA / "plain-sipp.pcap").read_bytes(), {41: lies(b"confirmed")}))
    assert cli("inspect", "desync.pcap", "--html", "page.html").code == 1
    with browser(peer("chromium"), peer("chromedriver"), tmp_path / "profile") as page:
        for width in (360, 1280):
            page.size(width)
            page.open(tmp_path / "page.html")
            assert page.one("h1").text == "1 broken law in 1 subscription"
            # what is too wide scrolls by itself
            assert page.run("return document.documentElement.scrollWidth") <= width
            assert page.all("rect.desync")
            assert [each.text for each in page.all("g.decides .label")] == ["NOTIFY dialog [41]", "200 OK (BYE) [42]"]
        assert page.complaints() == []
        # a new tab of the browser is its own affair
        assert {url for url in page.requests() if not url.startswith("chrome:")} == {(tmp_path / "page.html").as_uri()}
