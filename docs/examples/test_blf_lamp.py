"""A BLF lamp through a call: off, ringing, busy, off."""

from harness.python_api import Fleet


def test_the_lamp_follows_the_call(fleet: Fleet) -> None:
    """The lamp of a watched phone is ringing, then busy, then off again."""
    desk = fleet.add("desk", extension="1001", on_call="ring")
    caller = fleet.add("caller")
    secretary = fleet.add("secretary")
    for phone in (desk, caller, secretary):
        phone.register()
    secretary.subscribe(desk)
    secretary.lamp(desk, becomes="off")

    caller.call(desk)
    desk.becomes("ringing")
    secretary.lamp(desk, becomes="ringing")
    desk.answer()
    secretary.lamp(desk, becomes="busy")
    caller.hears(desk)
    caller.hang_up()
    secretary.lamp(desk, goes=["off", "ringing", "busy", "off"])
    secretary.keeps_laws()
