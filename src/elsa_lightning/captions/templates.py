"""Spatial captions from sentence frames: many forms, several wordings of each word, details in any order.

The paper rewrites captions with a language model, which invents details; frames cannot. A frame never changes the caption itself, which
may be a noun phrase ("a dog barking") or a clause ("a man speaks"). The evaluation prompt ("A sound coming from …") is no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from elsa_lightning.captions.attributes import DAMPENED, REVERBERANT, SpatialWords
from elsa_lightning.captions.wordings import AREAS, PLACES, REVERBERATIONS, ROOM_NOUNS

FRAMES: tuple[str, ...] = (
    # {c} caption · {p} place · {h} place as heard · {r} in which room · {s} what the room is
    # {d} place and room in any order · {g} the same as heard
    "{c} {g}",
    "{c}, {d}",
    "{c}, {g}",
    "{d}, {c}",
    "{d}: {c}",
    "{c}, heard {g}",
    "{c}, audible {g}",
    "heard {g}: {c}",
    "audible {d}: {c}",
    "{c}, sounding {g}",
    "{c}, and it is {d}",
    "{c}; this happens {d}",
    "{c}; the source is {d}",
    "{c}, somewhere {d}",
    "there is a sound {d}: {c}",
    "we hear this {g}: {c}",
    "listen {d}: {c}",
    "{c}, captured {g}",
    "a recording of this, {d}: {c}",
    "what happens {d}: {c}",
    "{r}, {c} {h}",
    "{r}, {p}: {c}",
    "{r}, heard {h}: {c}",
    "{c} {h}, {r}",
    "{p}, {c}, {r}",
    "{c} {r}, {p}",
    "heard {h}, {c}, {r}",
    "{c} {h}. The room is {s}",
    "{c}, {p}, and the room is {s}",
    "{p}, {c}. It is a room that is {s}",
    "{c}. It is {p}, {r}",
    "{c}. The sound arrives {h}, {r}",
    "the room is {s}: {c}, {p}",
)
"""Sentence frames. `compose` uses those whose slots say every detail that is given."""

PROMPTS: dict[tuple[str, str], str] = {
    ("direction", "front"): "the front",
    ("direction", "left"): "the left",
    ("direction", "right"): "the right",
    ("direction", "back"): "the back",
    ("elevation", "up"): "up above",
    ("elevation", "down"): "down below",
    ("distance", "near"): "nearby",
    ("distance", "far"): "far away",
    ("area", "small"): "a small room",
    ("area", "medium-sized"): "a medium-sized room",
    ("area", "large"): "a large room",
    ("reverberation", DAMPENED): "an acoustically dampened room",
    ("reverberation", REVERBERANT): "a highly reverberant room",
}
"""What completes "A sound coming from …"."""

PLACE_ATTRIBUTES = ("distance", "direction", "elevation")


class Captioned(Protocol):
    """Anything with captions, such as a `ClipRecord`."""

    captions: Sequence[str]


class Dice:
    """Choices from one block of random numbers: a caption takes about twenty, and a generator's own `choice` is slow."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.numbers = iter(rng.random(64).tolist())

    def chance(self) -> float:
        """A number in [0, 1)."""
        return next(self.numbers)

    def pick(self, options: Sequence[str]) -> str:
        """One of the options."""
        return options[int(self.chance() * len(options))]

    def shuffled(self, options: Sequence[str]) -> list[str]:
        """The options in random order."""
        keys = [self.chance() for _ in options]
        return [option for _, option in sorted(zip(keys, options, strict=True))]


def prompt_phrase(attribute: str, word: str) -> str:
    """The word as it stands in the evaluation prompt: left → "the left"."""
    return PROMPTS[attribute, word]


def plain_caption(caption: str) -> str:
    """The unspatial caption as a sentence."""
    return sentence(bare(caption))


def spatial_caption(caption: str, words: SpatialWords, rng: np.random.Generator, keep: float = 1.0) -> str:
    """One caption that says where the sound is.

    Args:
        caption: of the sound.
        words: of the scene.
        rng: decides the words kept, the frame, the wordings and their order.
        keep: probability of each word being kept; with none left the caption stays plain.
    """
    return draw_caption(caption, words, rng, keep).text


@dataclass(frozen=True)
class Drawn:
    """A caption of training, and what it says.

    Args:
        text: the sentence.
        words: the words kept.
        kind: `plain` (no word was kept), `template` or `rewrite`.
    """

    text: str
    words: SpatialWords
    kind: str


def no_rewrites(caption: str, words: SpatialWords) -> Sequence[str]:
    """No rewrites of any caption."""
    return ()


def draw_caption(
    caption: str,
    words: SpatialWords,
    rng: np.random.Generator,
    keep: float = 1.0,
    rewrites: Callable[[str, SpatialWords], Sequence[str]] = no_rewrites,
) -> Drawn:
    """`spatial_caption` with what it says; where there are rewrites of the caption with the words kept, one of them.

    Args:
        caption: of the sound.
        words: of the scene.
        rng: decides all; which words are kept does not depend on whether there are rewrites.
        keep: probability of each word being kept.
        rewrites: caption and words → sentences that say both.
    """
    dice = Dice(rng)
    kept = kept_words(words, dice, keep)
    if not kept.items():
        return Drawn(plain_caption(caption), kept, "plain")
    if texts := rewrites(caption, kept):
        return Drawn(dice.pick(texts), kept, "rewrite")
    return Drawn(compose(caption, kept, dice, dice.pick(frames_for(kept))), kept, "template")


def evaluation_captions(record: Captioned, words: SpatialWords, n: int = 5, rng: np.random.Generator | None = None) -> list[str]:
    """`n` captions in `n` different sentence forms with every word kept, over the record's captions in turn.

    With no word to say, they are the record's plain captions, repeated when there are fewer than `n`.

    Args:
        record: the clip.
        words: of the scene.
        n: at most `fewest_frames()`.
        rng: defaults to a fixed generator.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    captions = [record.captions[i % len(record.captions)] for i in range(n)]
    if not words.items():
        return [plain_caption(caption) for caption in captions]
    frames = Dice(rng).shuffled(frames_for(words))[:n]
    return [compose(caption, words, Dice(rng), frame) for caption, frame in zip(captions, frames, strict=True)]


def kept_words(words: SpatialWords, dice: Dice, keep: float) -> SpatialWords:
    """The words with each kept by chance `keep`."""
    return SpatialWords(**{name: word for name, word in words.items() if dice.chance() < keep})


def frames_for(words: SpatialWords) -> tuple[str, ...]:
    """Frames that say every given detail and nothing else."""
    place = any(getattr(words, name) for name in PLACE_ATTRIBUTES)
    room = bool(words.area or words.reverberation)
    return _FRAMES_BY_NEED[place, room]


def fewest_frames() -> int:
    """How many different sentence forms there are for any scene that has a word to say: what `n` in `evaluation_captions` may be."""
    return min(len(frames) for need, frames in _FRAMES_BY_NEED.items() if any(need))


def compose(caption: str, words: SpatialWords, dice: Dice, frame: str) -> str:
    """Fill one frame: a sentence that holds the caption and one wording of every word."""
    given = dict(words.items())
    where = [(name, given[name]) for name in PLACE_ATTRIBUTES if name in given]
    slots = {"c": bare(caption)}
    heard = "{h}" in frame or "{g}" in frame
    place = (
        join(dice.shuffled([dice.pick(PLACES[pair].at + (PLACES[pair].source if heard else ())) for pair in where]), dice) if where else ""
    )
    room = room_phrase(words, dice) if words.area or words.reverberation else ""
    slots |= {"p": place, "h": place, "r": room, "s": room_predicate(words, dice) if "{s}" in frame else ""}
    slots["d"] = slots["g"] = ", ".join(dice.shuffled([part for part in (place, room) if part]))
    return sentence(frame.format(**slots))


def join(parts: list[str], dice: Dice) -> str:
    """ "a", "a and b" or "a, b", "a, b and c" or "a, b, c"."""
    if len(parts) > 1 and dice.chance() < 0.5:
        return ", ".join(parts[:-1]) + " and " + parts[-1]
    return ", ".join(parts)


def room_phrase(words: SpatialWords, dice: Dice) -> str:
    """ "in a large, echoing hall", "inside a small room with hardly any echo"."""
    adjectives = [dice.pick(AREAS[words.area])] if words.area else []
    tail = ""
    if words.reverberation:
        acoustics = REVERBERATIONS[words.reverberation]
        if dice.chance() < 0.6:
            adjectives.append(dice.pick(acoustics.adjectives))
        else:
            tail = " " + dice.pick(acoustics.tails)
    described = " ".join([", ".join(adjectives), dice.pick(ROOM_NOUNS[words.area])]).strip()
    return f"{dice.pick(('in', 'in', 'inside'))} {'an' if described[0] in 'aeio' else 'a'} {described}{tail}"


def room_predicate(words: SpatialWords, dice: Dice) -> str:
    """ "large and echoing": what follows "the room is"."""
    parts = [dice.pick(AREAS[words.area])] if words.area else []
    if words.reverberation:
        parts.append(dice.pick(REVERBERATIONS[words.reverberation].adjectives))
    return " and ".join(dice.shuffled(parts))


def bare(caption: str) -> str:
    """The caption without its full stop and, unless its first word is a name or an acronym, without its capital."""
    text = caption.strip().rstrip(".").rstrip()
    first = text.split(" ", 1)[0]
    return text if first == "I" or (len(first) > 1 and not first[1:].islower()) else text[:1].lower() + text[1:]


def sentence(text: str) -> str:
    """Capital at the start, full stop at the end."""
    return text[:1].upper() + text[1:] + "."


def _needs(frame: str) -> tuple[bool, bool]:
    return any(slot in frame for slot in ("{p}", "{h}")), any(slot in frame for slot in ("{r}", "{s}"))


def _says(frame: str, place: bool, room: bool) -> bool:
    if "{d}" in frame or "{g}" in frame:
        return place or not any(word in frame for word in ("source", "listen", "somewhere"))
    return _needs(frame) == (place, room)


_FRAMES_BY_NEED = {
    (place, room): tuple(frame for frame in FRAMES if _says(frame, place, room)) for place in (False, True) for room in (False, True)
}
