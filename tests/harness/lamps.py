"""A lamp that is watched, told as events."""

from tests.harness.playbook import Play


def watching() -> Play:
    """The watcher watches desk, whose lamp is off, and something happens."""
    return Play().subscribe().mark().stimulus()


def closed(play: Play, *names: str, phone: str = "watcher") -> Play:
    """Fence, lag and the engine's word that it is over."""
    play.fence(phone=phone).wait(0.1)
    for name in names or ("1",):
        play.closed(name)
    return play


def call(play: Play, *states: str) -> Play:
    """The lamp shows this, 0.1 s apart."""
    for state in states:
        play.wait(0.1).shows(state)
    return play


def restarted(shows: str = "busy") -> Play:
    """The watcher has lost its first subscription and has made a second one."""
    play = Play().subscribe("busy").mark()
    return play.subscription("terminated", reason="forgotten").subscribe(shows, call_id="sub-2")
