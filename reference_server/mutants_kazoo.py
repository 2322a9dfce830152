"""Mutants that are faults of Kazoo releases, as its history and its recorded systems show them."""

from __future__ import annotations

from reference_server.mutant import rule_changed

KAZOO_MUTANTS = (
    rule_changed(
        "check-sync-at-the-end-of-a-registration",
        "sync.on_flush",
        "attempted",
        ("SYNC-19",),
        "4.0 and later (0a3b63a97e): whatever flushes a registration sends one",
        "a new password sends a check-sync that nobody asked for",
    ),
    rule_changed(
        "malformed-body-unexplained",
        "api.malformed",
        "empty",
        ("API-20",),
        "3.x: the web server's own 400",
        "a body that cannot be read is answered 400 without a word",
    ),
    rule_changed(
        "presence-id-of-any-type",
        "devices.presence_id",
        "accepted",
        ("PID-16",),
        "3.x: presence_id is not in the schema (d411f698f9)",
        "a number is stored as presence_id",
    ),
)
