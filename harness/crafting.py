"""The `send` step: scapy layers, SIP messages and raw bytes, malformed ones too, made from a scenario."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from harness import templates
from harness.crafted import Sending
from harness.errors import HarnessError
from phones.sip.message import Address

_OWN = ("SIPRequest", "SIPResponse")
_PLAIN = ("Raw", "Padding")


def craft(sending: Sending, variables: Mapping[str, Any]) -> tuple[bytes, Address | None]:
    """The bytes to send and where to, None for the phone's edge. Raises HarnessError for what scapy cannot build."""
    remote = _address(templates.fill(sending.to, variables)) if sending.to else None
    if sending.raw is not None:
        return str(templates.fill(sending.raw, variables)).encode("utf-8", "surrogateescape"), remote
    if sending.hex is not None:
        try:
            return bytes.fromhex(templates.fill(sending.hex, variables)), remote
        except ValueError as error:
            raise HarnessError(f"send: hex: {error}") from error
    if sending.sip is not None:
        sip = templates.fill(sending.sip.model_dump(exclude_none=True), variables)
        body = sip.pop("body")
        name = "SIPResponse" if "status" in sip else "SIPRequest"
        if name == "SIPRequest":
            sip.pop("reason")
        return _build([{name: sip}, {"Raw": {"load": body}}] if body else [{name: sip}]), remote
    return _build(templates.fill(sending.layers, variables)), remote


def _build(layers: list[dict[str, dict[str, Any]]]) -> bytes:
    packet: Any = None
    for layer in layers:
        for name, fields in layer.items():
            try:
                upper = _layer(name)(**fields)
                packet = upper if packet is None else packet / upper
            except (TypeError, ValueError, AttributeError, LookupError) as error:
                raise HarnessError(f"send: scapy cannot build {name}: {error}") from error
    try:
        return bytes(packet)
    except Exception as error:  # scapy's fields raise whatever struct and str do
        raise HarnessError(f"send: scapy cannot build {packet!r}: {error}") from error


def _layer(name: str) -> Any:
    """A layer by name: SIPRequest, SIPResponse, Raw, Padding, or a dotted path inside scapy.layers or scapy.contrib."""
    if name in _OWN:
        return getattr(importlib.import_module("phones.sip.layers"), name)
    packet = importlib.import_module("scapy.packet")
    if name in _PLAIN:
        return getattr(packet, name)
    module, _, attribute = name.rpartition(".")
    if not module.startswith(("scapy.layers.", "scapy.contrib.")):
        known = ", ".join([*_OWN, *_PLAIN])
        raise HarnessError(f"send: no layer {name!r}", f"known: {known}, or a path such as scapy.layers.dns.DNS")
    try:
        layer = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"send: no layer {name!r}: {error}") from error
    if not (isinstance(layer, type) and issubclass(layer, packet.Packet)):
        raise HarnessError(f"send: {name} is no scapy layer")
    return layer


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise HarnessError(f"send: to {text!r}: host:port is wanted")
    return host.strip("[]"), int(port)
