"""Bytes that a peer may send: anything, and messages with pieces broken, doubled, cut and stuffed."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = [
    b"", b"\r\n", b"\r", b"\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\0", b"\xff", b"\xc2\xb2", b"\xd9\xa3", b" ", b"\t",
    b":", b";", b",", b"=", b'"', b"\\", b"<", b">", b"[", b"]", b"/", b"SIP/2.0", b"SIP/2.0/UDP", b"SIP/9.9", b"Via:",
    b"v:", b";rport", b";rport=", b";received=", b";branch=", b";tag=", b"z9hG4bK", b"Call-ID: x", b"CSeq: ", b"0",
    b"99999999999", b"9" * 4400, b"-1", b"ACK", b"INVITE", b"REGISTER", b"NOTIFY", b"Content-Length: 3", b"Expires: ",
]  # fmt: skip

HOSTILE = [
    "SIP/2.0/UDP [", "SIP/2.0/UDP h;rport=", "SIP /2.0/", "a", " ", "\t", ";", ";branch", ";branch=", "; branch =", '"',
    '\\"', '"a', ",", '",', ";rport", ";received=", ";rport = ", "; received", "; tag", ";tag=", "\r\n ", "\r\n\t ",
    ":", "\r", "\n", "=", "<", ">", 'a="', 'a="b",', "a=b,", 'a="\\', "9", "[", "\x00",
]  # fmt: skip
"""What, repeated, lets careless patterns go back and forth."""


@st.composite
def broken(draw: st.DrawFn, *messages: bytes) -> bytes:
    """One of `messages` with up to four places replaced by something else."""
    data = draw(st.sampled_from(messages))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 6) | st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=6)) + data[at + gone :]
    return data


def some_bytes(*messages: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes; more often `messages`, broken here and there."""
    return st.binary(max_size=80) | broken(*messages) | broken(*messages)
