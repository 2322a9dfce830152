"""A device is saved with `"sync": true`: its phone, and no other, is told to fetch its settings."""

from harness.python_api import Fleet, Target


def test_saving_with_sync_tells_the_phone(target: Target, fleet: Fleet) -> None:
    """Saving a device with "sync": true sends its phone one check-sync, and other phones nothing."""
    desk = fleet.add("desk", device={"name": "Desk"})
    other = fleet.add("other", device={"name": "Other"})
    for phone in (desk, other):
        phone.register()
        phone.control()  # proves that it can be reached: counts rest on it

    reply = target.api.post(desk.url, data={**desk.document, "sync": True})
    assert reply.status == 200
    assert "sync" not in reply.data

    [notify] = desk.expect("NOTIFY", event="check-sync", exactly=1)
    assert notify.body == b""
    other.never("NOTIFY", event="check-sync")


def test_saving_without_sync_leaves_the_phone_alone(target: Target, fleet: Fleet) -> None:
    """Saving a device without "sync" tells its phone nothing."""
    desk = fleet.add("desk")
    desk.register()
    desk.control()
    assert target.api.patch(desk.url, data={"name": "Renamed"}).status == 200
    desk.never("NOTIFY", event="check-sync")
