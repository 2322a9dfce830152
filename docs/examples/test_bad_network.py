"""A lamp behind a bad network: a NOTIFY is lost, then the watcher is away for a while."""

from harness.python_api import Fleet


def test_the_lamp_is_right_all_the_same(fleet: Fleet) -> None:
    """What was lost is sent again, and who comes back asks for what is true."""
    desk = fleet.add("desk", extension="1001", on_call="ring")
    caller = fleet.add("caller")
    secretary = fleet.add("secretary")
    for phone in (desk, caller, secretary):
        phone.register()
    secretary.subscribe(desk)

    secretary.network("lose", what="NOTIFY", event="dialog")
    caller.call(desk)
    secretary.lamp(desk, becomes="ringing", within=4)

    secretary.network("away")
    caller.hang_up()
    fleet.wait(1)
    secretary.network("back")
    secretary.register()
    secretary.subscribe(desk)
    secretary.lamp(desk, becomes="off")
