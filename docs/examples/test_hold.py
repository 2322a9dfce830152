"""A call that is held, and one that is sent on: what watchers see of them."""

from harness.python_api import Fleet


def test_who_holds_a_call_stays_busy(fleet: Fleet) -> None:
    """Whether the phone offers its session anew by INVITE or by UPDATE."""
    desk = fleet.add("desk", extension="1001", on_call="ring")
    caller = fleet.add("caller")
    secretary = fleet.add("secretary")
    for phone in (desk, caller, secretary):
        phone.register()
    secretary.subscribe(desk)

    caller.call(desk)
    desk.becomes("ringing")
    desk.answer()
    desk.hold()
    secretary.lamp(desk, becomes="busy")
    desk.resume(by="UPDATE")
    desk.expect("200", cseq={"ends": "UPDATE"}, body={"contains": "a=sendrecv"})
    desk.hears(caller)
    caller.hang_up()
    secretary.lamp(desk, goes=["off", "ringing", "busy", "off"])


def test_a_phone_that_forwards_is_free_again(fleet: Fleet) -> None:
    """It answers 302, at once or when somebody there says so. Here that leads nowhere."""
    desk = fleet.add("desk", extension="1001", on_call="ring")
    caller = fleet.add("caller")
    secretary = fleet.add("secretary")
    for phone in (desk, caller, secretary):
        phone.register()
    secretary.subscribe(desk)

    caller.call(desk)
    desk.becomes("ringing")
    desk.redirect("1999")
    caller.becomes("idle")
    secretary.lamp(desk, goes=["off", "ringing", "off"])

    desk.on_call("redirect", to="1999")
    caller.call(desk)
    caller.becomes("idle")
    secretary.lamp(desk, becomes="off")
