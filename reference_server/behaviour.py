"""What the reference server decides, as data: one frozen model per chapter, and a list of faults.

A behaviour without anything set is `documented`: it keeps what the Kazoo Devices page promises, on v1 and v2 alike;
where the page is silent it does what Kazoo 3.22 does, and where a 4.3 system was recorded (envelopes, error words,
headers) it looks like that. The other profiles are in `reference_server.profiles`. A behaviour reads and writes JSON,
so a mutant needs no code.
"""

from __future__ import annotations

from reference_server.behaviour_api import ApiRules, RateRules, TokenRules
from reference_server.behaviour_calls import CallRules, QuickcallRules
from reference_server.behaviour_devices import DeviceRules, SyncRules
from reference_server.behaviour_presence import PresenceRules, ResetRules, SubscribeRules
from reference_server.behaviour_registrar import RegistrarRules
from reference_server.faults import Fault
from reference_server.rules import Rules


class Behaviour(Rules):
    """Everything that the reference server decides."""

    api: ApiRules = ApiRules()
    rate: RateRules = RateRules()
    tokens: TokenRules = TokenRules()
    devices: DeviceRules = DeviceRules()
    sync: SyncRules = SyncRules()
    calls: CallRules = CallRules()
    quickcall: QuickcallRules = QuickcallRules()
    registrar: RegistrarRules = RegistrarRules()
    subscribe: SubscribeRules = SubscribeRules()
    presence: PresenceRules = PresenceRules()
    reset: ResetRules = ResetRules()
    faults: tuple[Fault, ...] = ()
