"""message-summary: documents of Kazoo and of the RFC, what is refused, at what cost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.message_summary import MOST_OCTETS, Messages, MessageSummary, parse_message_summary
from phones.sip.xml import DocumentError
from tests.phones.sip.documents import RECORDED, recorded
from tests.phones.sip.strategies import HOSTILE, some_bytes

RFC_3842 = b"""Messages-Waiting: yes
Message-Account: sip:alice@vmail.example.com
Voice-Message: 4/8 (1/2)

To: <alice@atlanta.example.com>
From: <bob@biloxi.example.com>
Message-ID: 13784434989@vmail.example.com
"""


def test_kazoo() -> None:
    account = "sip:desk@a.example.com"
    nothing, three = Messages("voice-message", 0, 0), Messages("voice-message", 3, 1)
    assert parse_message_summary(recorded("kazoo-nothing-waits.txt")) == MessageSummary(False, account, (nothing,))
    assert parse_message_summary(recorded("kazoo-three-wait.txt")) == MessageSummary(True, account, (three,))


def test_the_example_of_the_rfc() -> None:
    read = parse_message_summary(RFC_3842)
    assert read == MessageSummary(True, "sip:alice@vmail.example.com", (Messages("voice-message", 4, 8, 1, 2),))


def test_odd_but_sound() -> None:
    read = parse_message_summary(b"\r\nX-Y: z\r\nFAX-MESSAGE:2/3\r\nmessages-waiting :\tNO")
    assert read == MessageSummary(False, "", (Messages("fax-message", 2, 3),))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n\r\n",
        b"Voice-Message: 1/0\r\n",
        b"Messages-Waiting: maybe\r\n",
        b"Messages-Waiting\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: many\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: -1/0\r\n",
        "Messages-Waiting: yes\r\nVoice-Message: ٣/0\r\n".encode(),
        b"Messages-Waiting: yes\r\nVoice-Message: " + b"9" * 5000 + b"/0\r\n",
        b"Messages-Waiting: yes\r\n\x1b[2J\r\n",
        b"Messages-Waiting: yes\r\nX: " + b"x" * MOST_OCTETS,
    ],
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_message_summary(body)
    assert str(caught.value).isprintable()


@given(body=some_bytes(*RECORDED.values(), RFC_3842))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read = parse_message_summary(body)
    except DocumentError:
        return
    assert all(0 <= count < 10**10 for m in read.messages for count in (m.new, m.old, m.urgent_new, m.urgent_old))


@given(piece=st.sampled_from([*HOSTILE, " ", "1/1", "1", "(", "voice-message:1/1 (", "none: 1/1\n"]))
@settings(deadline=None)
def test_repetition_is_read_in_linear_time(piece: str) -> None:
    # each pattern looks at a bounded number of characters between two marks, or at each once; this would hang otherwise
    for start in (b"", b"voice-message:", b"Messages-Waiting: yes\nvoice-message: 1/1 (1/1"):
        try:
            parse_message_summary((start + piece.encode() * MOST_OCTETS)[:MOST_OCTETS])
        except DocumentError:
            continue
