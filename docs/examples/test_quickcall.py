"""A quickcall: the API rings a phone, and calls the number when it is answered."""

from harness.python_api import Fleet, Phone, Target


def test_the_number_is_called_when_the_phone_has_answered(target: Target, phone: Phone, fleet: Fleet) -> None:
    """A quickcall rings the device first and the number only when that has been answered."""
    lobby = fleet.add("lobby", extension="1002", on_call="answer")
    phone.on_call("ring")
    for each in (phone, lobby):
        each.register()
        each.control()

    fleet.mark()
    reply = target.api.get(f"{phone.url}/quickcall/1002", query={"auto_answer": "false"})
    assert reply.status in (200, 202)
    phone.expect("INVITE", exactly=1)
    lobby.never("INVITE")

    phone.answer()
    lobby.becomes("talking")
    lobby.hears(phone)
    phone.hang_up()
    lobby.becomes("idle")
