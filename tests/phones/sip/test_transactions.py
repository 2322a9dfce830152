"""Transactions: the four tables pair by pair, timers at the RFC's times, matching and absorbing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import Message
from phones.sip.machine import Machine, Table
from phones.sip.message import Address, response
from phones.sip.transactions import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    LINGERS_S,
    SERVER,
    AckFor,
    Answer,
    Incoming,
    Output,
    Retransmitted,
    Send,
    Stray,
    TimedOut,
    Timers,
    TransactionLayer,
)
from tests.phones.playbook import EDGE, a_request, message, without

# --- the tables, pair by pair ----------------------------------------------------------------------------------------

# RFC 3261 figures 5 to 8 with RFC 6026, once more and by hand: state, event -> next state: actions [timers running].
# Pairs that are not listed change nothing.
WALKS = {
    CLIENT: """
        trying, timer E -> trying: resend [E F]
        trying, timer F -> terminated: time out []
        trying, 1xx -> proceeding: pass up [E F]
        trying, 2xx -> completed: pass up [K]
        trying, 3xx-6xx -> completed: pass up [K]
        proceeding, timer E -> proceeding: resend [E2 F]
        proceeding, timer E2 -> proceeding: resend [E E2 F]
        proceeding, timer F -> terminated: time out []
        proceeding, 1xx -> proceeding: pass up [E F]
        proceeding, 2xx -> completed: pass up [K]
        proceeding, 3xx-6xx -> completed: pass up [K]
        completed, timer K -> terminated: []
    """,
    INVITE_CLIENT: """
        calling, timer A -> calling: resend [A B]
        calling, timer B -> terminated: time out []
        calling, 1xx -> proceeding: pass up []
        calling, 2xx -> accepted: pass up [M]
        calling, 3xx-6xx -> completed: acknowledge, pass up [D]
        proceeding, 1xx -> proceeding: pass up []
        proceeding, 2xx -> accepted: pass up [M]
        proceeding, 3xx-6xx -> completed: acknowledge, pass up [D]
        completed, 3xx-6xx -> completed: acknowledge [D]
        completed, timer D -> terminated: []
        accepted, 2xx -> accepted: pass up [M]
        accepted, timer M -> terminated: []
    """,
    SERVER: """
        trying, send 1xx -> proceeding: send []
        trying, send 2xx -> completed: send [J]
        trying, send 3xx-6xx -> completed: send [J]
        proceeding, request -> proceeding: resend []
        proceeding, send 1xx -> proceeding: send []
        proceeding, send 2xx -> completed: send [J]
        proceeding, send 3xx-6xx -> completed: send [J]
        completed, request -> completed: resend [J]
        completed, timer J -> terminated: []
    """,
    INVITE_SERVER: """
        proceeding, request -> proceeding: resend []
        proceeding, send 1xx -> proceeding: send []
        proceeding, send 2xx -> accepted: send [G2 L]
        proceeding, send 3xx-6xx -> completed: send [G H]
        completed, request -> completed: resend [G H]
        completed, ACK -> confirmed: acknowledged [I]
        completed, timer G -> completed: resend [G H]
        completed, timer H -> terminated: time out []
        confirmed, timer I -> terminated: []
        accepted, ACK -> confirmed: acknowledged [I]
        accepted, timer G2 -> accepted: resend [G2 L]
        accepted, timer L -> terminated: time out []
    """,
}
WAY = {
    CLIENT: {"trying": [], "proceeding": ["1xx"], "completed": ["2xx"]},
    INVITE_CLIENT: {"calling": [], "proceeding": ["1xx"], "completed": ["3xx-6xx"], "accepted": ["2xx"]},
    SERVER: {"trying": [], "proceeding": ["send 1xx"], "completed": ["send 2xx"]},
    INVITE_SERVER: {
        "proceeding": [],
        "completed": ["send 3xx-6xx"],
        "accepted": ["send 2xx"],
        "confirmed": ["send 2xx", "ACK"],
    },
}


def walk(table: Table) -> dict[tuple[str, str], str]:
    pairs = {}
    for line in WALKS[table].strip().splitlines():
        pair, _, outcome = line.strip().partition(" -> ")
        state, _, event = pair.partition(", ")
        pairs[state, event] = outcome
    return pairs


def outcome(table: Table, state: str, event: str) -> str:
    """What the machine makes of `event` in `state`, in the words of WALKS."""
    machine = Machine(table, Timers().durations(), 0.0)
    for step in WAY[table][state]:
        machine.fire(step, 0.0)
    assert machine.state == state
    if event.startswith("timer "):
        machine.deadlines.pop(event.removeprefix("timer "), None)
    done = machine.fire(event, 1.0)
    said = f"{machine.state}: {', '.join(done)}".rstrip()
    return f"{said} [{' '.join(sorted(machine.deadlines))}]"


@pytest.mark.parametrize("table", WALKS, ids=lambda table: table.name)
def test_every_event_in_every_state(table: Table) -> None:
    expected = walk(table)
    assert set(WAY[table]) == set(table.states) - {table.final}
    assert {pair for pair in expected if pair not in table.rules} == set()
    for state, way in WAY[table].items():
        machine = Machine(table, Timers().durations(), 0.0)
        for step in way:
            machine.fire(step, 0.0)
        for event in table.events:
            if (state, event) in expected:
                assert outcome(table, state, event) == expected[state, event], (state, event)
            else:
                running = sorted(set(machine.deadlines) - {event.removeprefix("timer ")})
                assert outcome(table, state, event) == f"{state}: [{' '.join(running)}]", (state, event)


# --- a bench ---------------------------------------------------------------------------------------------------------


def told(output: Output) -> str:
    """An output in a few words."""
    match output:
        case Send(data, _, retransmission):
            read = Message.parse(data)
            return f"{'resend' if retransmission else 'send'} {read.method if read.is_request else read.status}"
        case Incoming(_, read, _):
            return f"incoming {read.method}"
        case Answer(_, read):
            return f"answer {read.status}"
        case Retransmitted(read, _):
            return f"again {read.method}"
        case Stray(read, _):
            return f"stray {read.method if read.is_request else read.status}"
        case AckFor():
            return "acknowledged"
        case TimedOut():
            return "timed out"


@dataclass
class Bench:
    """A layer, its time, and what came out of it."""

    layer: TransactionLayer = field(default_factory=TransactionLayer)
    now: float = 0.0
    log: list[tuple[float, Output]] = field(default_factory=list)

    def _take(self) -> list[str]:
        outputs = self.layer.take()
        self.log += [(self.now, output) for output in outputs]
        return [told(output) for output in outputs]

    def request(self, data: bytes, remote: Address = EDGE) -> str:
        key = self.layer.request(data, remote, self.now)
        self._take()
        return key

    def receive(self, data: bytes, source: Address = EDGE) -> list[str]:
        self.layer.receive(Message.parse(data), source, self.now)
        return self._take()

    def respond(self, data: bytes, status: int) -> list[str]:
        """Answer the newest request that was passed up with the response to `data`."""
        self.layer.respond(self.keys()[-1], answered(data, status), self.now)
        return self._take()

    def keys(self) -> list[str]:
        return [output.key for _, output in self.log if isinstance(output, Incoming)]

    def until(self, end: float) -> list[tuple[float, str]]:
        """Go from deadline to deadline up to and including `end`, and say what happened when."""
        before = len(self.log)
        while (deadline := self.layer.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.layer.handle_timer(self.now)
            self._take()
        self.now = end
        return [(time, told(output)) for time, output in self.log[before:]]

    def sent(self) -> list[Send]:
        return [output for _, output in self.log if isinstance(output, Send)]


def answered(data: bytes, status: int, tag: str = "t") -> bytes:
    return response(Message.parse(data), status, to_tag=tag)


REGISTER = a_request("REGISTER", branch="r1")
INVITE = a_request("INVITE", "Route: <sip:192.0.2.1;lr>", branch="i1", cseq=7)
NOTIFY = a_request("NOTIFY", branch="n1")
ACK = a_request("ACK", branch="i1", cseq=7)
CAPPED = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
"""When something is repeated that doubles from T1 up to T2, until 64*T1."""


# --- non-INVITE client: E, F, K --------------------------------------------------------------------------------------


def test_a_request_that_nobody_answers() -> None:
    bench = Bench(now=5.0)
    key = bench.request(REGISTER)
    assert bench.until(1000.0) == [*((5.0 + t, "resend REGISTER") for t in CAPPED), (37.0, "timed out")]
    assert {(send.data, send.remote) for send in bench.sent()} == {(REGISTER, EDGE)}
    assert bench.log[-1][1] == TimedOut(key)
    assert bench.layer.next_deadline() is None


def test_in_proceeding_it_is_repeated_every_t2() -> None:
    bench = Bench()
    bench.request(REGISTER)
    bench.now = 0.2
    assert bench.receive(answered(REGISTER, 100)) == ["answer 100"]
    assert bench.until(1000.0) == [*((0.5 + 4 * n, "resend REGISTER") for n in range(8)), (32.0, "timed out")]


@pytest.mark.parametrize("status", [200, 401, 503])
def test_a_final_answer_ends_the_repetitions_and_is_absorbed_for_t4(status: int) -> None:
    bench = Bench()
    key = bench.request(REGISTER)
    bench.until(1.0)
    assert bench.receive(answered(REGISTER, status)) == [f"answer {status}"]
    [(_, passed)] = [(time, output) for time, output in bench.log if isinstance(output, Answer)]
    assert isinstance(passed, Answer)
    assert passed.key == key
    assert bench.until(5.9) == []
    assert bench.receive(answered(REGISTER, status)) == []
    assert bench.until(6.0) == []
    assert bench.receive(answered(REGISTER, status)) == [f"stray {status}"]
    assert bench.layer.next_deadline() is None


def test_nobody_is_woken_for_a_timer_that_was_stopped() -> None:
    bench = Bench()
    bench.request(REGISTER)
    assert bench.layer.next_deadline() == 0.5
    bench.now = 0.1
    bench.receive(answered(REGISTER, 200))
    assert bench.layer.next_deadline() == 5.1
    key = bench.request(NOTIFY)
    assert bench.layer.next_deadline() == 0.6
    bench.layer.abandon(key)
    assert bench.layer.next_deadline() == 5.1


def test_where_a_transaction_only_waits_for_its_end() -> None:
    tables = (CLIENT, INVITE_CLIENT, SERVER, INVITE_SERVER)
    assert [sorted(table.lingering) for table in tables] == [
        ["completed"], ["accepted", "completed"], ["completed"], ["confirmed"],
    ]  # fmt: skip


def test_what_only_waits_for_repetitions_is_forgotten_together() -> None:
    bench = Bench()
    ends = set()
    for number in range(40):
        bench.now = number / 10
        bench.receive(a_request("OPTIONS", branch=f"o{number}"))
        bench.respond(a_request("OPTIONS", branch=f"o{number}"), 200)
    while (deadline := bench.layer.next_deadline()) is not None:
        ends.add(deadline)
        bench.layer.handle_timer(deadline)
    # in time, and never more than LINGERS_S too late
    assert ends == {32.0, 32.0 + LINGERS_S, 32.0 + 2 * LINGERS_S}
    assert max(ends) - (32.0 + 3.9) < LINGERS_S


def test_who_still_repeats_is_not_kept_waiting() -> None:
    bench = Bench()
    bench.request(REGISTER)
    bench.receive(answered(REGISTER, 200))
    bench.now = 0.3
    bench.request(NOTIFY)
    assert [time for time, _ in bench.until(2.0)] == [pytest.approx(0.8), pytest.approx(1.8)]


def test_other_base_values() -> None:
    bench = Bench(TransactionLayer(Timers(t1=0.1, t2=0.2)))
    bench.request(REGISTER)
    times = [round(time, 6) for time, _ in bench.until(2.0)]
    assert times[:5] == [0.1, 0.3, 0.5, 0.7, 0.9]


def test_late_timers_are_caught_up_with() -> None:
    bench = Bench()
    bench.request(REGISTER)
    bench.now = 100.0
    bench.layer.handle_timer(100.0)
    bench._take()
    assert [told(output) for _, output in bench.log] == ["send REGISTER", "resend REGISTER", "timed out"]


@pytest.mark.parametrize("status", [None, 100, 200])
def test_an_abandoned_request_is_repeated_no_more(status: int | None) -> None:
    bench = Bench()
    key = bench.request(REGISTER)
    if status is not None:
        bench.receive(answered(REGISTER, status))
    bench.layer.abandon(key)
    bench.layer.abandon("nothing")
    assert bench.until(100.0) == []
    bench.now = 1.0
    assert bench.receive(answered(REGISTER, 200)) == ["stray 200"]


def test_an_answered_request_cannot_be_abandoned() -> None:
    bench = Bench()
    key = bench.request(REGISTER)
    bench.receive(answered(REGISTER, 200))
    bench.layer.abandon(key)
    assert bench.receive(answered(REGISTER, 200)) == []


# --- INVITE client: A, B, D, M ---------------------------------------------------------------------------------------


def test_an_invite_that_nobody_answers() -> None:
    bench = Bench()
    bench.request(INVITE)
    assert bench.until(1000.0) == [
        *((t, "resend INVITE") for t in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)),
        (32.0, "timed out"),
    ]


def test_a_ringing_invite_waits_without_end() -> None:
    bench = Bench()
    bench.request(INVITE)
    bench.until(1.0)
    assert bench.receive(answered(INVITE, 180)) == ["answer 180"]
    assert bench.until(500.0) == []
    assert bench.receive(answered(INVITE, 180)) == ["answer 180"]


def test_a_refused_invite_is_acknowledged_for_timer_d() -> None:
    bench = Bench()
    bench.request(INVITE)
    assert bench.receive(answered(INVITE, 486)) == ["send ACK", "answer 486"]
    assert bench.sent()[-1] == Send(
        message(
            "ACK sip:desk@192.0.2.10:5062 SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKi1",
            "Max-Forwards: 70",
            "Route: <sip:192.0.2.1;lr>",
            "From: <sip:desk@a.example.com>;tag=f1",
            "To: <sip:desk@a.example.com>;tag=t",
            "Call-ID: c1",
            "CSeq: 7 ACK",
            "Content-Length: 0",
        ),
        EDGE,
        retransmission=False,
    )
    bench.until(31.9)
    assert bench.receive(answered(INVITE, 486)) == ["send ACK"]
    assert bench.until(32.0) == []
    assert bench.receive(answered(INVITE, 486)) == ["stray 486"]


def test_every_2xx_is_passed_up_for_timer_m() -> None:
    bench = Bench()
    bench.request(INVITE)
    bench.until(2.0)
    assert bench.receive(answered(INVITE, 200)) == ["answer 200"]
    bench.until(33.9)
    assert bench.receive(answered(INVITE, 200, tag="fork")) == ["answer 200"]
    assert bench.receive(answered(INVITE, 486)) == []
    bench.until(34.0)
    assert bench.receive(answered(INVITE, 200)) == ["stray 200"]


def test_an_ack_is_sent_once_and_forgotten() -> None:
    bench = Bench()
    bench.request(ACK)
    assert (bench.sent(), bench.layer.next_deadline()) == ([Send(ACK, EDGE, retransmission=False)], None)


# --- non-INVITE server: J --------------------------------------------------------------------------------------------


def test_a_request_is_passed_up_once_and_answered_identically_for_timer_j() -> None:
    bench = Bench(now=3.0)
    assert bench.receive(NOTIFY) == ["incoming NOTIFY"]
    assert bench.receive(NOTIFY) == ["again NOTIFY"]
    assert bench.respond(NOTIFY, 200) == ["send 200"]
    assert bench.respond(NOTIFY, 481) == []
    for _ in range(3):
        assert bench.receive(NOTIFY) == ["again NOTIFY", "resend 200"]
    assert bench.until(34.9) == []
    assert bench.receive(NOTIFY) == ["again NOTIFY", "resend 200"]
    assert {(send.data, send.remote) for send in bench.sent()} == {(answered(NOTIFY, 200), EDGE)}
    assert bench.until(35.0) == []
    assert bench.receive(NOTIFY) == ["incoming NOTIFY"]


def test_a_provisional_answer_is_repeated_until_the_final_one() -> None:
    bench = Bench()
    bench.receive(NOTIFY)
    assert bench.respond(NOTIFY, 100) == ["send 100"]
    assert bench.receive(NOTIFY) == ["again NOTIFY", "resend 100"]
    assert bench.respond(NOTIFY, 489) == ["send 489"]
    assert bench.receive(NOTIFY) == ["again NOTIFY", "resend 489"]


def test_an_unknown_or_ended_transaction_is_not_answered() -> None:
    bench = Bench()
    bench.layer.respond("nothing", answered(NOTIFY, 200), 0.0)
    bench.receive(NOTIFY)
    bench.respond(NOTIFY, 200)
    bench.until(32.0)
    assert bench.respond(NOTIFY, 200) == []


# --- INVITE server: G, H, I, L ---------------------------------------------------------------------------------------


def test_a_refused_invite_without_an_ack() -> None:
    bench = Bench()
    assert bench.receive(INVITE) == ["incoming INVITE"]
    assert bench.receive(INVITE) == ["again INVITE"]
    assert bench.respond(INVITE, 486) == ["send 486"]
    assert bench.until(1000.0) == [*((t, "resend 486") for t in CAPPED), (32.0, "timed out")]
    assert bench.receive(ACK) == ["stray ACK"]


def test_a_refused_invite_with_its_ack() -> None:
    bench = Bench()
    bench.receive(INVITE)
    bench.respond(INVITE, 486)
    bench.until(0.6)
    assert bench.receive(INVITE) == ["again INVITE", "resend 486"]
    assert bench.receive(ACK) == ["acknowledged"]
    assert bench.receive(ACK) == []
    assert bench.receive(INVITE) == ["again INVITE"]
    assert bench.until(5.5) == []
    assert bench.receive(ACK) == []
    assert bench.until(5.6) == []
    assert bench.receive(ACK) == ["stray ACK"]


def test_an_accepted_invite_is_repeated_until_the_ack_of_another_branch() -> None:
    bench = Bench()
    bench.receive(INVITE)
    assert bench.respond(INVITE, 180) == ["send 180"]
    assert bench.respond(INVITE, 200) == ["send 200"]
    assert bench.until(2.0) == [(0.5, "resend 200"), (1.5, "resend 200")]
    assert bench.receive(INVITE) == ["again INVITE"]
    assert bench.receive(a_request("ACK", branch="i2", cseq=8)) == ["stray ACK"]
    assert bench.receive(a_request("ACK", branch="i2", cseq=7)) == ["acknowledged"]
    assert bench.until(6.9) == []
    assert bench.until(7.0) == []
    assert bench.receive(a_request("ACK", branch="i2", cseq=7)) == ["stray ACK"]


def test_an_accepted_invite_without_an_ack() -> None:
    bench = Bench()
    bench.receive(INVITE)
    bench.respond(INVITE, 200)
    assert bench.until(1000.0) == [*((t, "resend 200") for t in CAPPED), (32.0, "timed out")]


# --- matching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        a_request("NOTIFY", branch="n2"),
        a_request("OPTIONS", branch="n1"),
        a_request("CANCEL", branch="n1"),
        a_request("NOTIFY", via="SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKn1"),
        a_request("NOTIFY", via="SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bKn1"),
    ],
)
def test_another_branch_sender_or_method_is_another_request(other: bytes) -> None:
    bench = Bench()
    bench.receive(NOTIFY)
    assert bench.receive(other)[0].startswith("incoming")


@pytest.mark.parametrize(
    "answer",
    [
        answered(REGISTER, 200).replace(b"z9hG4bKr1", b"z9hG4bKr2"),
        answered(REGISTER, 200).replace(b"CSeq: 1 REGISTER", b"CSeq: 1 OPTIONS"),
        answered(REGISTER, 200).replace(b"Call-ID: c1", b"Call-ID: c2"),
        without(answered(REGISTER, 200), "Via"),
    ],
)
def test_a_response_to_nobody_is_stray(answer: bytes) -> None:
    bench = Bench()
    bench.request(REGISTER)
    assert bench.receive(answer) == ["stray 200"]
    assert bench.receive(answered(REGISTER, 200)) == ["answer 200"]


@pytest.mark.parametrize(
    "via", ["SIP/2.0/UDP 192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1;branch=1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"]
)
def test_branches_of_rfc_2543_prove_nothing(via: str) -> None:
    bench = Bench()
    first = a_request("INVITE", via=via, cseq=3)
    assert bench.receive(first) == ["incoming INVITE"]
    assert bench.respond(first, 486) == ["send 486"]
    assert bench.receive(first) == ["again INVITE", "resend 486"]
    assert bench.receive(a_request("ACK", via=via, cseq=3)) == ["acknowledged"]
    for other in (
        a_request("INVITE", via=via, cseq=4),
        a_request("INVITE", via=via, cseq=3, call_id="c2"),
        a_request("INVITE", via=via, cseq=3, uri="sip:other@192.0.2.10"),
        a_request("INVITE", via=via, cseq=3).replace(b"tag=f1", b"tag=f2"),
        a_request("INVITE", via=via.replace("192.0.2.1", "192.0.2.8"), cseq=3),
    ):
        assert bench.receive(other) == ["incoming INVITE"]


def test_responses_go_where_the_via_says_and_else_to_the_source() -> None:
    for via, remote in [
        ("SIP/2.0/UDP h:9;received=192.0.2.7;rport=8;branch=z9hG4bKa", ("192.0.2.7", 8)),
        ("SIP/2.0/UDP 192.0.2.6:9;branch=z9hG4bKb", ("192.0.2.6", 9)),
        ("SIP/2.0/UDP h;rport=0;branch=z9hG4bKc", ("192.0.2.5", 7)),
        ("broken", ("192.0.2.5", 7)),
    ]:
        bench = Bench()
        data = a_request("OPTIONS", via=via)
        bench.receive(data, ("192.0.2.5", 7))
        bench.respond(data, 200)
        assert bench.sent()[-1].remote == remote


# --- any order -------------------------------------------------------------------------------------------------------

MESSAGES = [
    REGISTER, INVITE, NOTIFY, ACK, a_request("ACK", branch="i9", cseq=7), a_request("CANCEL", branch="i1", cseq=7),
    without(NOTIFY, "Via"),
    *(answered(data, status) for data in (REGISTER, INVITE) for status in (100, 180, 200, 302, 486)),
]  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("receive"), st.sampled_from(MESSAGES), st.just(0.0)),
    st.tuples(st.just("request"), st.sampled_from([REGISTER, INVITE, ACK]), st.just(0.0)),
    st.tuples(st.sampled_from(["respond 180", "respond 200", "respond 486"]), st.just(NOTIFY), st.just(0.0)),
    st.tuples(st.just("abandon"), st.just(b""), st.just(0.0)),
    st.tuples(st.just("wait"), st.just(b""), st.sampled_from([0.0, 0.3, 0.5, 5.0, 32.0, 100.0])),
)


@given(steps=st.lists(STEPS, max_size=40))
@settings(deadline=None)
def test_any_order_of_messages_and_times(steps: list[tuple[str, bytes, float]]) -> None:
    bench = Bench()
    ours: list[str] = []
    for what, data, pause in steps:
        if what == "receive":
            said = bench.receive(data)
            assert sum(word.startswith(("incoming", "again", "answer", "stray", "acknowledged")) for word in said) <= 1
        elif what == "request":
            ours.append(bench.request(data))
        elif what == "abandon":
            bench.layer.abandon(ours[-1] if ours else "")
        elif what == "wait":
            bench.until(bench.now + pause)
            following = bench.layer.next_deadline()
            assert following is None or following > bench.now
        elif bench.keys():
            key, status = bench.keys()[-1], int(what.partition(" ")[2])
            [request] = [o.message for _, o in bench.log if isinstance(o, Incoming) and o.key == key][-1:]
            assert len(bench.respond(request.raw, status)) <= 1
    # whatever is left waits for its owner or for a final answer, and for no timer
    bench.until(bench.now + 1000.0)
    assert bench.layer.next_deadline() is None
    assert bench.until(bench.now + 1000.0) == []
