"""How many office events the virtual world lives through in a second of CPU."""

from __future__ import annotations

import time

from harness.hunting.events import OfficeEvent
from harness.hunting.litter import office_by_office
from harness.hunting.machine import LENGTH, make_machine, run_machine
from harness.hunting.office import Office
from reference_server.profiles import PROFILES


def events_per_s(days: int, seed: int) -> float:
    """Live `days` histories, as the hunt would choose them, and return events per second of CPU of this process.

    Opening the office is part of it; choosing the events is not.
    """
    chosen: list[tuple[int, list[OfficeEvent]]] = []

    def close(office: Office) -> None:
        office.settle()
        chosen.append((office.seed, office.events))
        office.close()

    run_machine(make_machine(_open, close, lambda: False), seed, days, LENGTH)
    with office_by_office():
        began = time.process_time()
        lived = 0
        for number, events in chosen:
            office = _open(number)
            office.live(events)
            lived += len(office.events)
            office.close()
        return lived / (time.process_time() - began)


def _open(number: int) -> Office:
    office = Office(PROFILES["documented"], number)
    office.pass_time(1.0)
    return office
