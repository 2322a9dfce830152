"""What `send` of a scenario puts on the wire: a message from parts, scapy layers, text or octets."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from harness.model import Strict


class SipMessage(Strict):
    """A SIP request or response to craft from the scapy layers."""

    method: str | None = None
    uri: str | None = None
    status: str | int | None = None
    reason: str = "OK"
    headers: dict[str, str | int] = Field(default_factory=dict)
    body: str = ""
    auto_length: bool = Field(True, description="append a Content-Length where the headers have none")

    @model_validator(mode="after")
    def _kind(self) -> SipMessage:
        if (self.method is None) == (self.status is None):
            raise ValueError("say either `method` (a request) or `status` (a response)")
        return self


class Sending(Strict):
    """`send`: put bytes on the wire, well-formed or not."""

    phone: str = Field(description="the phone that sends")
    to: str | None = Field(None, description="host:port; default the phone's edge")
    sip: SipMessage | None = None
    layers: list[dict[str, dict[str, Any]]] | None = Field(
        None, min_length=1, description="scapy layers from the outside in, each `{Name: {field: value}}`"
    )
    raw: str | None = Field(None, description="text as it is; line ends are sent as written")
    hex: str | None = Field(None, description="octets in hexadecimal")

    @model_validator(mode="after")
    def _one(self) -> Sending:
        if sum(what is not None for what in (self.sip, self.layers, self.raw, self.hex)) != 1:
            raise ValueError("say exactly one of sip, layers, raw, hex")
        return self
