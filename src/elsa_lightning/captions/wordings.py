"""What people say for each spatial word, the paper's own word among them."""

from __future__ import annotations

from dataclasses import dataclass

from elsa_lightning.captions.attributes import DAMPENED, REVERBERANT


@dataclass(frozen=True)
class Placing:
    """Wordings of where a source is.

    Args:
        at: of the place itself ("on the left"); they may open a sentence or follow a clause.
        source: of where the sound is heard from ("from the left"); they follow "heard" or the sound itself.
    """

    at: tuple[str, ...]
    source: tuple[str, ...]


PLACES: dict[tuple[str, str], Placing] = {
    ("distance", "near"): Placing(
        ("near", "nearby", "close by", "near the listener", "within arm's reach"), ("from nearby", "from close by", "near at hand")
    ),
    ("distance", "far"): Placing(
        ("far", "far away", "a good way off", "in the distance", "far off"), ("from far away", "from a distance", "from afar")
    ),
    ("direction", "front"): Placing(
        ("in front", "straight ahead", "at the front", "out in front"), ("from the front", "from straight ahead")
    ),
    ("direction", "left"): Placing(
        ("on the left", "to the left", "on the left-hand side", "over on the left"), ("from the left", "from the left side")
    ),
    ("direction", "right"): Placing(
        ("on the right", "to the right", "on the right-hand side", "over on the right"), ("from the right", "from the right side")
    ),
    ("direction", "back"): Placing(
        ("at the back", "behind", "to the rear", "at the back, behind the listener"), ("from behind", "from the back", "from the rear")
    ),
    ("elevation", "up"): Placing(("up", "up high", "overhead", "up above", "high up"), ("from above", "from up high", "from overhead")),
    ("elevation", "down"): Placing(
        ("down", "down low", "down below", "low down", "below ear level"), ("from below", "from down low", "from underneath")
    ),
}
"""Words of place."""

AREAS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "compact"),
    "medium-sized": ("medium-sized", "mid-sized", "moderately sized"),
    "large": ("large", "big", "spacious"),
}
"""Adjectives of a room's floor area."""

ROOM_NOUNS: dict[str | None, tuple[str, ...]] = {
    None: ("room", "space", "room"),
    "small": ("room", "space", "room"),
    "medium-sized": ("room", "space", "room"),
    "large": ("room", "hall", "room"),
}
"""Nouns for a room, by the word of its floor area."""


@dataclass(frozen=True)
class Acoustics:
    """Wordings of a room's reverberation.

    Args:
        adjectives: before the noun or after "is".
        tails: after the noun.
    """

    adjectives: tuple[str, ...]
    tails: tuple[str, ...]


REVERBERATIONS: dict[str, Acoustics] = {
    DAMPENED: Acoustics(
        (DAMPENED, "acoustically dry", "sound-absorbing", "acoustically dead"),
        ("with hardly any echo", "with almost no reverberation", "where nothing echoes"),
    ),
    REVERBERANT: Acoustics(
        (REVERBERANT, "echoing", "very reverberant", "echoey"), ("with a long echo", "full of echoes", "where every sound rings on")
    ),
}
"""Words of reverberation."""


def wordings(attribute: str, word: str) -> tuple[str, ...]:
    """Every wording that a caption may use for a word: what tests and checks look for."""
    if attribute == "area":
        return AREAS[word]
    if attribute == "reverberation":
        return REVERBERATIONS[word].adjectives + REVERBERATIONS[word].tails
    place = PLACES[attribute, word]
    return place.at + place.source
