"""Wireshark's dissector reads what our layers and templates put on the wire, and finds the same in it."""

import subprocess
from pathlib import Path

import pytest

from phones.sip.index import Message
from phones.sip.layers import SIPRequest
from phones.sip.message import request, response

pytestmark = pytest.mark.interop

FIELDS = ("sip.Method", "sip.Status-Code", "sip.Call-ID", "sip.CSeq.seq", "sip.Event", "sip.auth.username")
PHONE, SERVER = ("192.0.2.1", 5062), ("192.0.2.2", 5060)
DIALOG = [
    ("Via", "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK-1;rport"),
    ("Max-Forwards", "70"),
    ("From", '"Desk" <sip:desk@example.org>;tag=a1'),
    ("To", "<sip:desk@example.org>"),
    ("Call-ID", "rp-1-2@192.0.2.1"),
]
CREDENTIALS = (
    'Digest username="desk", realm="example.org", nonce="f00", uri="sip:example.org", '
    'response="00000000000000000000000000000000"'
)


def test_tshark_agrees_about_what_we_craft(tshark: str, tmp_path: Path) -> None:
    register = request(
        "REGISTER",
        "sip:example.org",
        [*DIALOG, ("CSeq", "7 REGISTER"), ("Contact", "<sip:desk@192.0.2.1:5062>"), ("Authorization", CREDENTIALS)],
    )
    notify = bytes(
        SIPRequest(
            method="NOTIFY",
            uri="sip:desk@192.0.2.1:5062",
            headers=[
                *DIALOG,
                ("CSeq", "8 NOTIFY"),
                ("Event", "check-sync"),
                ("Subscription-State", "terminated;reason=timeout"),
            ],
        )
    )
    unauthorized = response(Message.parse(register), 401, to_tag="b2")
    messages = [(PHONE, register), (SERVER, unauthorized), (SERVER, notify)]

    seen = dissected(tshark, messages, tmp_path / "three.pcap")

    assert seen == [
        ("REGISTER", "", "rp-1-2@192.0.2.1", "7", "", '"desk"'),
        ("", "401", "rp-1-2@192.0.2.1", "7", "", ""),
        ("NOTIFY", "", "rp-1-2@192.0.2.1", "8", "check-sync", ""),
    ]


def dissected(tshark: str, messages: list[tuple[tuple[str, int], bytes]], file: Path) -> list[tuple[str, ...]]:
    """Write each message, sent by the address before it, to a capture, and return FIELDS as tshark reads them."""
    from scapy.layers.inet import IP, UDP
    from scapy.utils import wrpcap

    packets = []
    for source, data in messages:
        target = SERVER if source == PHONE else PHONE
        packets.append(IP(src=source[0], dst=target[0]) / UDP(sport=source[1], dport=target[1]) / data)
    wrpcap(str(file), packets)
    command = [tshark, "-n", "-r", str(file), "-o", "udp.check_checksum:TRUE", "-T", "fields", "-E", "separator=|"]
    command += ["-Y", "sip && !_ws.malformed && !_ws.expert.severity==error"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [tuple(line.split("|")) for line in done.stdout.splitlines()]
