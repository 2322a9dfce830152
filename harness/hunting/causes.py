"""Why a server breaks a law: the one rule of its behaviour without which it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reference_server.behaviour import Behaviour
from reference_server.rules import Rules

CHAPTERS = ("presence", "reset", "calls", "subscribe", "registrar", "devices", "sync")
"""Where rules can make a lamp lie."""


def differences(behaviour: Behaviour, sound: Behaviour) -> Iterator[tuple[str, Behaviour]]:
    """Each rule in which `behaviour` differs from `sound`, as text, and `behaviour` with that rule made sound.

    Faults at the send boundary count as one.
    """
    for chapter in CHAPTERS:
        ours: Rules = getattr(behaviour, chapter)
        theirs: Rules = getattr(sound, chapter)
        for rule in type(ours).model_fields:
            value, wanted = getattr(ours, rule), getattr(theirs, rule)
            if value != wanted:
                mended = ours.model_copy(update={rule: wanted})
                yield f"{chapter}.{rule} = {_shown(value)}", behaviour.model_copy(update={chapter: mended})
    if behaviour.faults != sound.faults:
        yield "faults", behaviour.model_copy(update={"faults": sound.faults})


def cause_of(behaviour: Behaviour, sound: Behaviour, breaks: Callable[[Behaviour], bool]) -> str:
    """The first such rule that mends it, '' where it takes several."""
    return next((text for text, mended in differences(behaviour, sound) if not breaks(mended)), "")


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
