"""A phone that reboots on a check-sync: gone, away, and back as one that has never been there."""

from __future__ import annotations

from phones.personality import Personality, Reboots
from phones.rebooting import Rebooting


class Registration:
    """What a reboot does to a registration."""

    def __init__(self) -> None:
        self.state: str = "registered"
        self.done: list[str] = []

    def fire(self, wish: str, now: float) -> None:
        self.done.append(wish)
        self.state = "leaving" if wish == "unregister" else "trying"

    def begin_anew(self) -> None:
        self.done.append("anew")


def test_it_goes_and_comes_back() -> None:
    registration, lost = Registration(), list[float]()
    reboot = Rebooting(registration, lost.append, 2.0)
    reboot.begin(10.0)
    reboot.begin(10.0)
    reboot.note(10.0)
    assert (registration.done, reboot.deadline, lost) == (["unregister"], None, [])
    registration.state = "idle"
    reboot.note(10.5)
    reboot.begin(11.0)
    assert (reboot.deadline, lost) == (12.5, [10.5])
    reboot.handle_timer(12.4)
    assert registration.done == ["unregister"]
    reboot.handle_timer(12.5)
    assert (registration.done, reboot.deadline) == (["unregister", "anew", "register"], None)


def test_one_that_is_not_registered_stays() -> None:
    registration = Registration()
    registration.state = "idle"
    reboot = Rebooting(registration, lambda now: None, Personality(reboots=Reboots.ALWAYS).reboot_s)
    reboot.begin(1.0)
    reboot.note(1.0)
    assert (registration.done, reboot.deadline) == ([], None)
