"""Animals on four legs, and frogs."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, mix, resonances, shape, tapered
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups
from elsa_lightning.foley.voice import voice

_BARK = (((600, 250, 1), (1300, 300, 0.9), (2600, 500, 0.4)), ((450, 200, 1), (900, 250, 0.7), (2200, 500, 0.2)))
_MEOW = (
    ((350, 200, 0.6), (2300, 400, 0.7), (3100, 500, 0.4)),
    ((1000, 300, 1), (1700, 350, 0.9), (3200, 500, 0.5)),
    ((500, 200, 0.8), (1000, 300, 0.5)),
)
_MOO = (((260, 120, 1), (600, 200, 0.2)), ((480, 180, 1), (850, 200, 0.8), (2200, 500, 0.2)), ((420, 160, 1), (750, 200, 0.6)))
_BAA = (((750, 250, 1), (1500, 300, 0.9), (2700, 500, 0.6)),)


def dog(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 1, 4)
    pitch = draw.amount("voice", 170, 620, ("deep|gruff", "full|ordinary", "high|yapping"), log=True)
    pace = draw.amount("pace", 0.24, 0.55, ("quick|rapid", "steady|regular", "slow|spaced-out"), log=True)
    rough = draw.amount("growl", 0.05, 0.7, ("clean|clear", "husky|hoarse", "rough|growling"), log=True)
    events = []
    n, scale = studio.samples(0.2), (pitch / 320) ** 0.45
    for start in groups(draw, studio.seconds, (count - 1) * pace + 0.22, 0.75):
        for i in range(count):
            freq = pitch * shape(n, (0, 0.75), (0.25, 1.15), (1, 0.6)) * draw.rng.uniform(0.95, 1.05)
            bark = voice(studio, freq, shape(n, (0, 0), (0.06, 1), (0.4, 0.8), (1, 0)), _BARK, 0.25, rough, 4, scale)
            events.append((start + i * pace, bark))
    return mix(studio, events)


def cat(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("voice", 380, 850, ("low|grown", "clear|ordinary", "high|kittenish"), log=True)
    length = draw.amount("length", 0.4, 1.4, ("short|brief", "plain|unhurried", "long|drawn-out"), log=True)
    bend = draw.amount("bend", 1.05, 1.6, ("flat|level", "bending|questioning", "swooping|plaintive"))
    events = []
    for start in groups(draw, studio.seconds, length, 0.7):
        n = studio.samples(length * draw.rng.uniform(0.9, 1))
        freq = pitch * shape(n, (0, 1), (0.35, bend), (1, 0.85))
        freq *= 1 + 0.012 * np.sin(2 * np.pi * 6.5 * np.arange(n) / studio.rate)
        events.append((start, voice(studio, freq, shape(n, (0, 0), (0.15, 0.8), (0.5, 1), (1, 0)), _MEOW, 0.05, 0.05, 6)))
    return mix(studio, events)


def cow(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("voice", 85, 190, ("deep|bass", "full|round", "bright|calf-like"), log=True)
    length = draw.amount("length", 0.8, 2.0, ("short|brief", "calm|plain", "long|drawn-out"))
    nasal = draw.amount("tone", 3.0, 8.0, ("brassy|nasal", "open|warm", "dark|mellow"))
    events = []
    for start in groups(draw, studio.seconds, length, 0.6):
        n = studio.samples(length)
        freq = pitch * shape(n, (0, 0.85), (0.3, 1.12), (0.7, 1.05), (1, 0.7))
        events.append((start, voice(studio, freq, shape(n, (0, 0), (0.15, 0.7), (0.5, 1), (0.85, 0.7), (1, 0)), _MOO, 0.04, 0.12, nasal)))
    return mix(studio, events)


def sheep(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 1, 3)
    pitch = draw.amount("voice", 170, 420, ("deep|grown", "plain|ordinary", "high|lamb-like"), log=True)
    flutter = draw.amount("quaver", 6, 14, ("slowly wavering|loose", "trembling|quavering", "quickly fluttering|nervous"), log=True)
    length = draw.amount("length", 0.35, 0.7, ("short|clipped", "plain|even", "long|drawn-out"))
    events = []
    for start in groups(draw, studio.seconds, count * (length + 0.12) - 0.12, 0.8):
        for i in range(count):
            n = studio.samples(length)
            wave = np.sin(2 * np.pi * flutter * np.arange(n) / studio.rate)
            freq = pitch * shape(n, (0, 0.95), (0.2, 1.06), (1, 0.88)) * (1 + 0.045 * wave)
            loud = shape(n, (0, 0), (0.1, 1), (0.75, 0.8), (1, 0)) * (0.6 + 0.4 * wave)
            events.append((start + i * (length + 0.12), voice(studio, freq, loud, _BAA, 0.08, 0.15, 4, (pitch / 270) ** 0.3)))
    return mix(studio, events)


def frogs(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 5)
    pitch = draw.amount("voice", 320, 1100, ("deep|bass", "throaty|full", "high|thin"), log=True)
    rattle = draw.amount("rattle", 28, 80, ("slow|rattling", "ratcheting|ridged", "fast|buzzing"), log=True)
    pace = draw.amount("pace", 0.22, 0.42, ("rapid|hasty", "steady|regular", "leisurely|slow"), log=True)
    n = studio.samples(0.17)
    phase = (rattle * np.arange(n) / studio.rate) % 1
    croak = resonances(studio.white(0.17) * 0.15 + (phase < 0.12), studio.rate, ((pitch, pitch / 9, 1), (pitch * 2.3, pitch / 5, 0.6)))
    croak = tapered(croak * shape(n, (0, 0.3), (0.6, 1), (1, 0.5)), studio.rate, 0.01)
    starts = groups(draw, studio.seconds, (count - 1) * pace + 0.17, 0.65)
    return mix(studio, [(s + i * pace, croak * draw.rng.uniform(0.8, 1)) for s in starts for i in range(count)])


SOUNDS = (
    Sound(
        "dog",
        dog,
        (
            "a dog barking {count_times} in a {voice} voice",
            "{voice} barking of a dog with a {growl} throat",
            "a {growl} dog giving barks in a {voice} voice at a {pace} pace",
            "the {voice} bark of a [hound|dog], repeated at a {pace} pace",
            "a [puppy|watchdog] barking {count_times} with a {growl} sound",
            "a {voice} [bark|woof] heard {count_times}",
        ),
    ),
    Sound(
        "cat",
        cat,
        (
            "a cat meowing in a {voice} voice",
            "{length} meows of a {voice} cat",
            "a cat giving {length}, {bend} meows",
            "the {bend} miaow of a cat with a {voice} voice",
            "a hungry cat [crying|calling] with a {length} meow",
            "{bend} mewing of a {voice} cat",
        ),
    ),
    Sound(
        "cow",
        cow,
        (
            "a cow mooing in a {voice} voice",
            "{length} moos of a cow with a {voice} voice",
            "a {tone} cow giving a {length} moo",
            "the {length} lowing of [cattle|a cow] with a {tone} sound",
            "a cow calling with a {voice}, {tone} moo",
            "{voice} mooing in {length} calls",
        ),
    ),
    Sound(
        "sheep",
        sheep,
        (
            "a sheep bleating {count_times} in a {voice} voice",
            "a {voice} sheep with a {quaver} bleat",
            "the {length}, {quaver} baa of a sheep",
            "a [ewe|flock sheep] bleating {count_times} with a {quaver} sound",
            "{quaver} bleating of a {voice} sheep",
            "a {voice} [farm animal|sheep] calling baa {count_times}",
        ),
    ),
    Sound(
        "frogs",
        frogs,
        (
            "a frog croaking {count_times} in a {voice} voice",
            "{count} {pace} croaks of a {voice} frog",
            "{pace} croaking of [frogs|a toad] with a {rattle} sound",
            "a {voice} frog calling {count_times}",
            "{count} {rattle} croaks from a pond frog",
            "the {voice}, {rattle} ribbit of a frog at a {pace} pace",
        ),
    ),
)
