"""Templates: the packet's own bytes, with holes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.layers import SIPRequest
from phones.sip.template import Template, hole


def packet(uri: str, name: str, value: str) -> SIPRequest:
    packet: SIPRequest = (
        SIPRequest(method="MESSAGE", uri=uri, headers=[("A", "1"), (f"X{name}", f"<{value}>;x"), ("B", value)]) / "body"
    )
    return packet


TEMPLATE = Template(packet(hole("uri"), hole("name"), hole("value")))


@given(uri=st.text(max_size=9), name=st.text(max_size=9), value=st.text(max_size=9) | st.just("\udcff\x00uri\x00"))
@settings(deadline=None)
def test_a_rendered_template_is_the_packet(uri: str, name: str, value: str) -> None:
    expected = bytes(packet(uri, name, value))
    assert TEMPLATE.render(uri=uri, name=name, value=value, unused="x") == expected


def test_a_template_without_holes() -> None:
    assert Template(packet("sip:a", "C", "v")).render() == bytes(packet("sip:a", "C", "v"))


def test_a_hole_needs_a_value() -> None:
    with pytest.raises(KeyError, match="value"):
        TEMPLATE.render(uri="sip:a", name="C")
