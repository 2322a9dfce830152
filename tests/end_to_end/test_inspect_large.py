"""A capture of 200 MB: read in memory that does not grow with it."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.support import RINGPROOF, environment
from tests.harness.inspecting.making import BEGUN, Ring, Story, Watcher, pcap, udp

MEGABYTE = 1_000_000
MEDIA = udp(("192.0.2.5", 10_000), ("192.0.2.6", 10_002), b"\x80\x00" + bytes(170))


def one_call(number: int) -> Story:
    """A call of half a minute, and three who watch the phone that takes it."""
    story = Story(t=number / 2)
    watchers = [Watcher(story, f"10{n}", "1002", ("192.0.2.30", 5063 + n), call_id=f"w{n}-{number}") for n in range(3)]
    call = Ring(story, "1002", ("192.0.2.20", 5062), call_id=f"call-{number}")
    for watcher in watchers:
        watcher.subscribe()
        watcher.notify()
    for state, happens in (("early", call.ring), ("confirmed", call.talk), ("terminated", call.end)):
        happens()
        for watcher in watchers:
            watcher.notify(state, call.call_id)
        story.wait(15)
    for watcher in watchers:
        watcher.subscribe(expires=0, number=2)
        watcher.notify(substate="terminated;reason=timeout")
    return story


def write(path: Path, size: int) -> None:
    """A capture of that size, nine tenths of it media."""
    head = struct.pack("<IIII", int(BEGUN), 0, len(MEDIA), len(MEDIA))
    number = 0
    with path.open("wb") as file:
        while file.tell() < size:
            calls = pcap(one_call(number).packets)
            file.write(calls[24:] if number else calls)
            file.write((head + MEDIA) * (9 * len(calls) // len(head + MEDIA)))
            number += 1


def peak_of(path: Path, folder: Path) -> int:
    """The most memory that the inspection takes, in octets."""
    process = subprocess.Popen(
        [*RINGPROOF, "inspect", str(path), "--format", "json"],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss * 1024


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_capture(tmp_path: Path) -> None:
    small, large = tmp_path / "small.pcap", tmp_path / "large.pcap"
    write(small, 20 * MEGABYTE)
    write(large, 200 * MEGABYTE)
    grown = peak_of(large, tmp_path) - peak_of(small, tmp_path)
    # what is found in it has to be held: calls, subscriptions, NOTIFYs
    assert grown / (large.stat().st_size - small.stat().st_size) < 0.4
