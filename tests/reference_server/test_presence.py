"""Lamps: what watchers are told of calls, and what a reset repairs."""

from __future__ import annotations

from reference_server.channels import Cause
from tests.reference_server.watching import CONFIRMED, EARLY, TERMINATED, Scene


def test_a_lamp_follows_a_call() -> None:
    scene = Scene()
    watcher = scene.watching()
    call = scene.leg()
    call.go(EARLY).go(CONFIRMED).go(TERMINATED, Cause.HUNG_UP)
    assert watcher.news() == ["early", "confirmed", "terminated"]
    assert scene.server.errors == []


def test_a_reset_repairs_a_stuck_lamp() -> None:
    scene = Scene()
    dialog, presence, messages = (scene.watching(event=event) for event in ("dialog", "presence", "message-summary"))
    call = scene.leg().go(EARLY).go(CONFIRMED)
    scene.server.presence.lose(call.channel.presentity, TERMINATED)
    call.go(TERMINATED)
    assert dialog.news() == presence.news() == ["early", "confirmed"]
    assert scene.reset() == 200
    assert (dialog.news(), presence.news(), messages.news()) == (["terminated"], ["terminated"], ["message-summary"])
    assert scene.server.errors == []
