"""The life of one subscription as a table (RFC 6665 4.1, RFC 5057 for what a failed refresh ends)."""

from __future__ import annotations

from phones.sip.machine import Rule, Table

_ANSWERS = ("again", "interval", "granted", "granted nothing", "gone", "refused", "failed", "timeout")
_ALIVE = ("NOTIFY active", "NOTIFY shortened")
_OVER = ("NOTIFY terminated", "NOTIFY deactivated", "NOTIFY probation")
_TIMERS = ("timer refresh", "timer expiry", "timer retry", "timer silence")
_UNSETTLED = ("subscribing", "notified", "refreshing", "withdrawing", "leaving")
_RUNNING = ("refresh", "expiry", "silence")

_AGAIN = ("report terminated", "begin")


def _over(state: str) -> dict[tuple[str, str], Rule]:
    """What a NOTIFY that ends a wanted subscription does."""
    return {
        (state, "NOTIFY terminated"): Rule("idle", ("report terminated",), stop=_RUNNING),
        (state, "NOTIFY deactivated"): Rule("subscribing", _AGAIN, stop=_RUNNING),
        (state, "NOTIFY probation"): Rule("waiting", ("report terminated",), start=("retry",), stop=_RUNNING),
    }


SUBSCRIPTION = Table(
    "subscription",
    counts=False,
    initial="idle",
    final="(none)",
    events=("subscribe", "unsubscribe", "gap", "move", "lose", *_ANSWERS, *_ALIVE, *_OVER, *_TIMERS),
    rules={
        ("idle", "subscribe"): Rule("subscribing", ("begin",)),
        # the first SUBSCRIBE is on its way, nothing came yet
        ("subscribing", "again"): Rule("subscribing", ("send",)),
        ("subscribing", "interval"): Rule("subscribing", ("send",)),
        ("subscribing", "granted"): Rule("accepted", ("report active",), start=("refresh", "expiry", "silence")),
        ("subscribing", "granted nothing"): Rule("left", ("report terminated",), start=("silence",)),
        ("subscribing", "gone"): Rule("idle", ("report refused",)),
        ("subscribing", "refused"): Rule("idle", ("report refused",)),
        ("subscribing", "failed"): Rule("idle", ("report refused",)),
        ("subscribing", "timeout"): Rule("idle", ("report unanswered",)),
        ("subscribing", "NOTIFY active"): Rule("notified"),
        ("subscribing", "NOTIFY shortened"): Rule("notified"),
        **_over("subscribing"),
        ("subscribing", "unsubscribe"): Rule("withdrawing"),
        ("subscribing", "move"): Rule("subscribing", ("begin",)),
        ("subscribing", "lose"): Rule("idle", ("report terminated",)),
        # a NOTIFY was faster than the answer, or the answer got lost
        ("notified", "again"): Rule("notified", ("send",)),
        ("notified", "interval"): Rule("notified", ("send",)),
        ("notified", "granted"): Rule("active", ("report active",), start=("refresh", "expiry")),
        ("notified", "granted nothing"): Rule("left", ("report terminated",), start=("silence",)),
        ("notified", "gone"): Rule("idle", ("report refused",)),
        ("notified", "refused"): Rule("idle", ("report refused",)),
        ("notified", "failed"): Rule("idle", ("report refused",)),
        ("notified", "timeout"): Rule("active", ("report active",), start=("refresh", "expiry")),
        **_over("notified"),
        ("notified", "unsubscribe"): Rule("leaving", ("send zero",)),
        ("notified", "move"): Rule("refreshing", ("send",)),
        ("notified", "lose"): Rule("idle", ("report terminated",)),
        # granted, but the first NOTIFY is missing
        ("accepted", "NOTIFY active"): Rule("active", stop=("silence",)),
        ("accepted", "NOTIFY shortened"): Rule("active", start=("refresh", "expiry"), stop=("silence",)),
        **_over("accepted"),
        ("accepted", "timer silence"): Rule("idle", ("report terminated",), stop=_RUNNING),
        ("accepted", "timer refresh"): Rule("refreshing", ("send",), stop=("silence",)),
        ("accepted", "timer expiry"): Rule("left", ("report expired",), start=("silence",), stop=("refresh",)),
        ("accepted", "subscribe"): Rule("refreshing", ("send",), stop=("refresh", "silence")),
        ("accepted", "move"): Rule("refreshing", ("send",), stop=("refresh", "silence")),
        ("accepted", "unsubscribe"): Rule("leaving", ("send zero",), stop=("refresh", "silence")),
        ("accepted", "lose"): Rule("idle", ("report terminated",), stop=_RUNNING),
        ("active", "NOTIFY shortened"): Rule("active", start=("refresh", "expiry")),
        **_over("active"),
        ("active", "timer refresh"): Rule("refreshing", ("send",)),
        ("active", "timer expiry"): Rule("left", ("report expired",), start=("silence",), stop=("refresh",)),
        ("active", "subscribe"): Rule("refreshing", ("send",), stop=("refresh",)),
        ("active", "gap"): Rule("refreshing", ("send",), stop=("refresh",)),
        ("active", "move"): Rule("refreshing", ("send",), stop=("refresh",)),
        ("active", "unsubscribe"): Rule("leaving", ("send zero",), stop=("refresh",)),
        ("active", "lose"): Rule("idle", ("report terminated",), stop=_RUNNING),
        ("refreshing", "again"): Rule("refreshing", ("send",)),
        ("refreshing", "interval"): Rule("refreshing", ("send",)),
        ("refreshing", "granted"): Rule("active", ("report active",), start=("refresh", "expiry")),
        ("refreshing", "granted nothing"): Rule("left", ("report terminated",), start=("silence",), stop=("expiry",)),
        ("refreshing", "gone"): Rule("subscribing", _AGAIN, stop=("expiry",)),
        ("refreshing", "refused"): Rule("idle", ("report refused",), stop=("expiry",)),
        ("refreshing", "failed"): Rule("active", ("report active",), start=("refresh",)),
        ("refreshing", "timeout"): Rule("idle", ("report unanswered",), stop=("expiry",)),
        ("refreshing", "NOTIFY shortened"): Rule("refreshing", start=("expiry",)),
        **_over("refreshing"),
        ("refreshing", "timer expiry"): Rule("refreshing", ("report expired",)),
        ("refreshing", "move"): Rule("refreshing", ("send",)),
        ("refreshing", "unsubscribe"): Rule("leaving", ("send zero",)),
        ("refreshing", "lose"): Rule("idle", ("report terminated",), stop=("expiry",)),
        # not wanted any more before there was a dialog to end
        ("withdrawing", "again"): Rule("idle", ("report terminated",)),
        ("withdrawing", "interval"): Rule("idle", ("report terminated",)),
        ("withdrawing", "granted"): Rule("leaving", ("send zero",)),
        ("withdrawing", "granted nothing"): Rule("left", ("report terminated",), start=("silence",)),
        ("withdrawing", "gone"): Rule("idle", ("report terminated",)),
        ("withdrawing", "refused"): Rule("idle", ("report terminated",)),
        ("withdrawing", "failed"): Rule("idle", ("report terminated",)),
        ("withdrawing", "timeout"): Rule("idle", ("report unanswered",)),
        ("withdrawing", "NOTIFY active"): Rule("leaving", ("send zero",)),
        ("withdrawing", "NOTIFY shortened"): Rule("leaving", ("send zero",)),
        **{("withdrawing", event): Rule("idle", ("report terminated",)) for event in (*_OVER, "move", "lose")},
        # SUBSCRIBE with Expires 0 is on its way
        ("leaving", "again"): Rule("leaving", ("send zero",)),
        ("leaving", "interval"): Rule("idle", ("report terminated",), stop=("expiry",)),
        ("leaving", "granted"): Rule("left", ("report terminated",), start=("silence",), stop=("expiry",)),
        ("leaving", "granted nothing"): Rule("left", ("report terminated",), start=("silence",), stop=("expiry",)),
        ("leaving", "gone"): Rule("idle", ("report terminated",), stop=("expiry",)),
        ("leaving", "refused"): Rule("idle", ("report terminated",), stop=("expiry",)),
        ("leaving", "failed"): Rule("idle", ("report terminated",), stop=("expiry",)),
        ("leaving", "timeout"): Rule("idle", ("report unanswered",), stop=("expiry",)),
        ("leaving", "move"): Rule("leaving", ("send zero",)),
        **{("leaving", event): Rule("idle", ("report terminated",), stop=("expiry",)) for event in (*_OVER, "lose")},
        # over as far as the phone is concerned; the last NOTIFY may still come and is answered
        ("left", "subscribe"): Rule("subscribing", ("begin",), stop=("silence",)),
        **{("left", event): Rule("idle", stop=("silence",)) for event in (*_OVER, "move", "lose")},
        ("left", "timer silence"): Rule("idle"),
        # ended with a wish that we come back later
        ("waiting", "timer retry"): Rule("subscribing", ("begin",)),
        ("waiting", "subscribe"): Rule("subscribing", ("begin",), stop=("retry",)),
        ("waiting", "unsubscribe"): Rule("idle", ("report terminated",), stop=("retry",)),
        ("waiting", "lose"): Rule("idle", stop=("retry",)),
    },
    ignored=[
        *(("idle", event) for event in ("unsubscribe", "gap", "move", "lose", *_ANSWERS, *_ALIVE, *_OVER, *_TIMERS)),
        *((state, "subscribe") for state in _UNSETTLED),
        *((state, "unsubscribe") for state in ("withdrawing", "leaving", "left")),
        *((state, "gap") for state in (*_UNSETTLED, "accepted", "left", "waiting")),
        ("waiting", "move"),
        *((state, answer) for state in ("accepted", "active", "left", "waiting") for answer in _ANSWERS),
        *((state, event) for state in ("notified", "leaving", "left", "waiting") for event in _ALIVE),
        ("active", "NOTIFY active"),
        ("refreshing", "NOTIFY active"),
        *(("waiting", event) for event in _OVER),
        *((state, timer) for state in ("subscribing", "notified", "withdrawing", "leaving") for timer in _TIMERS),
        ("accepted", "timer retry"),
        ("active", "timer retry"),
        ("active", "timer silence"),
        *(("refreshing", timer) for timer in ("timer refresh", "timer retry", "timer silence")),
        *(("left", timer) for timer in ("timer refresh", "timer expiry", "timer retry")),
        *(("waiting", timer) for timer in ("timer refresh", "timer expiry", "timer silence")),
    ],
)
"""Answers: `granted` a 2xx with time in it, `granted nothing` one without; `gone` a 481; `refused` any other that ends
the subscription; `failed` one that leaves an existing subscription as it was; `again` and `interval` as in the
registration. NOTIFYs: `shortened` ends earlier than was granted; `deactivated` is over, and wants us back at once;
`probation` wants us back later. `gap` is a NOTIFY by which the watcher knows that it missed one; `lose` a loss of
power or address. Timer silence is timer N of RFC 6665: how long a NOTIFY may stay away."""
