"""Birds and insects."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, harmonics, mix, phase_of, rolloff, shape, tapered, unit
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, scattered, wander
from elsa_lightning.foley.voice import voice

_CROW = (((1100, 350, 1), (1700, 400, 0.9), (3000, 600, 0.5)),)
_ROOSTER = (((900, 300, 1), (1900, 400, 0.8), (3200, 600, 0.5)), ((1200, 300, 1), (2400, 400, 0.8), (3600, 600, 0.4)))
_HEN = (((800, 300, 1), (1500, 300, 0.8), (2900, 600, 0.4)), ((1100, 300, 1), (1900, 400, 0.9)))


def songbird(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("pitch", 2200, 5000, ("mellow|low-pitched", "clear|sweet", "thin|high-pitched"), log=True)
    pace = draw.amount("pace", 4, 13, ("slow|unhurried", "lively|steady", "rapid|quick"), log=True)
    sweep = draw.amount("sweep", 0.05, 0.45, ("level|simple", "bending|sliding", "swooping|warbling"), log=True)
    notes = [(draw.rng.uniform(0.8, 1.3), draw.rng.uniform(-1, 1), draw.rng.uniform(-1, 1)) for _ in range(3)]
    length = 0.75 / pace
    grains = []
    for height, tilt, curve in notes:
        n = studio.samples(length)
        freq = pitch * height * (1 + sweep * shape(n, (0, tilt), (0.5, curve), (1, -tilt)))
        grains.append(np.sin(phase_of(np.minimum(freq, 0.46 * studio.rate), studio.rate)) * np.sin(np.linspace(0, np.pi, n)))
    events = []
    for start in groups(draw, studio.seconds, 1.1, 0.45):
        order = np.repeat(draw.rng.permutation(3), draw.rng.integers(1, 5, 3))[: int(1.1 * pace)]
        events += [(start + i / pace, grains[k]) for i, k in enumerate(order)]
    return mix(studio, events)


def owl(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 4)
    pitch = draw.amount("pitch", 260, 560, ("deep|low-pitched", "hollow|mellow", "high|clear"), log=True)
    pace = draw.amount("pace", 0.32, 0.56, ("brisk|quick", "calm|steady", "slow|spaced-out"))
    waver = draw.amount("waver", 0.002, 0.05, ("steady-voiced|plain", "wavering|soft", "quivering|trembling"), log=True)
    events = []
    for start in groups(draw, studio.seconds, count * pace, 0.7):
        for i in range(count):
            n = studio.samples(pace * 0.72)
            freq = pitch * shape(n, (0, 0.92), (0.2, 1), (1, 0.93)) * (1 + waver * np.sin(phase_of(11, studio.rate, n)))
            hoot = harmonics(freq, studio.rate, (1, 0.12, 0.05)) + 0.03 * studio.white(n / studio.rate)[:n]
            events.append((start + i * pace, hoot * np.sin(np.linspace(0, np.pi, n)) ** 0.7))
    return mix(studio, events)


def crow(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 4)
    pitch = draw.amount("voice", 300, 620, ("deep|raven-like", "harsh|ordinary", "high|shrill"), log=True)
    rough = draw.amount("rasp", 0.25, 1.2, ("smooth|clean", "rasping|hoarse", "grating|very rough"), log=True)
    pace = draw.amount("pace", 0.36, 0.6, ("quick|urgent", "steady|regular", "slow|lazy"))
    events = []
    for start in groups(draw, studio.seconds, count * pace, 0.6):
        for i in range(count):
            n = studio.samples(0.3)
            freq = pitch * shape(n, (0, 0.9), (0.3, 1.1), (1, 0.8))
            events.append((start + i * pace, voice(studio, freq, shape(n, (0, 0), (0.12, 1), (0.7, 0.8), (1, 0)), _CROW, 0.5, rough, 2)))
    return mix(studio, events)


def rooster(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("voice", 430, 900, ("deep|husky", "full|proud", "shrill|high-pitched"), log=True)
    length = draw.amount("length", 1.2, 2.0, ("short|brisk", "full-length|regular", "long|drawn-out"))
    rough = draw.amount("rasp", 0.04, 0.5, ("clear|clean", "throaty|hoarse", "rasping|croaky"), log=True)
    events = []
    for start in groups(draw, studio.seconds, length, 0.6):
        parts = ((0.0, 0.13, (0.8, 1.0)), (0.17, 0.1, (0.9, 1.05)), (0.31, 0.16, (1.0, 1.35)), (0.51, 0.49, (1.3, 0.75)))
        for begin, part, (low, high) in parts:
            n = studio.samples(part * length)
            freq = pitch * shape(n, (0, low), (0.4, max(low, high)), (1, high))
            events.append(
                (start + begin * length, voice(studio, freq, shape(n, (0, 0), (0.1, 1), (0.8, 0.9), (1, 0)), _ROOSTER, 0.08, rough, 3))
            )
    return mix(studio, events)


def hen(draw: Draw, studio: Studio) -> np.ndarray:
    pace = draw.amount("pace", 2.2, 6.0, ("slow|sleepy", "steady|busy", "excited|rapid"), log=True)
    pitch = draw.amount("voice", 260, 560, ("deep|gruff", "plain|homely", "high|squeaky"), log=True)
    squawk = draw.amount("squawk", 0.2, 0.5, ("short|modest", "clear|medium", "long|indignant"))
    events = []
    for k, start in enumerate(scattered(draw, studio.seconds, pace)):
        length = squawk if k % 5 == 4 else 0.085
        n = studio.samples(length)
        lift = shape(n, (0, 1), (0.3, 1.9), (1, 1.5)) if k % 5 == 4 else shape(n, (0, 1.1), (1, 0.85))
        events.append(
            (start, voice(studio, pitch * lift, shape(n, (0, 0), (0.15, 1), (1, 0)), _HEN, 0.15, 0.25, 3) * draw.rng.uniform(0.7, 1))
        )
    return mix(studio, events)


def crickets(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("pitch", 3300, 6300, ("mellow|low-pitched", "clear|silvery", "piercing|high-pitched"), log=True)
    chirps = draw.amount("pace", 1.2, 4.5, ("slow|drowsy", "steady|regular", "rapid|lively"), log=True)
    pulses = draw.amount("pulse", 24, 60, ("distinctly pulsed|ticking", "trilling|rippling", "buzzing|finely pulsed"), log=True)
    out, time = np.zeros(studio.length), studio.time()
    for gain, detune in ((1.0, 1.0), (0.45, 1.06), (0.3, 0.95)):
        cycle = (chirps * detune * time + draw.rng.random()) % 1
        beat = np.sin(phase_of(pulses * detune, studio.rate, studio.length)).clip(0) ** 1.5
        out += gain * (cycle < 0.45) * beat * np.sin(phase_of(pitch * detune, studio.rate, studio.length))
    return out


def bee(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("pitch", 130, 420, ("deep|bumblebee-like", "humming|honeybee-like", "whining|mosquito-like"), log=True)
    turns = draw.amount("flight", 0.4, 2.6, ("calm|hovering", "meandering|wandering", "frantic|darting"), log=True)
    buzz = draw.amount("buzz", 2.5, 9.0, ("harsh|rasping", "even|plain", "soft|velvety"))
    freq = pitch * wander(draw, studio, turns, 0.85, 1.15)
    wing = harmonics(freq, studio.rate, rolloff(30, buzz)) * (1 + 0.25 * np.sin(phase_of(23, studio.rate, studio.length)))
    return unit(wing) * wander(draw, studio, turns, 0.2, 1.0) + 0.02 * tapered(studio.white(), studio.rate)


SOUNDS = (
    Sound(
        "songbird",
        songbird,
        (
            "a songbird singing in {pace}, {pitch} notes",
            "{pitch} birdsong at a {pace} pace",
            "a bird [chirping|tweeting] with {sweep} phrases",
            "the {pace} twitter of a {pitch} bird",
            "{sweep} [calls|whistles] of a little bird in {pace} series",
            "a {pitch} bird with a {pace}, {sweep} song",
        ),
    ),
    Sound(
        "owl",
        owl,
        (
            "an owl hooting {count_times}",
            "{count} {pace} hoots of a {pitch} owl",
            "a {pitch} owl calling {count_times} at night",
            "{count} {waver} owl calls",
            "the {pitch} hooting of a {waver} owl, {count} hoots in a row",
            "an owl giving {count} {pitch} hoots at a {pace} pace",
        ),
    ),
    Sound(
        "crow",
        crow,
        (
            "a crow cawing {count_times}",
            "{count} {rasp} caws of a {voice} crow",
            "a {voice} crow calling {count_times} at a {pace} pace",
            "{pace} cawing with a {rasp} sound",
            "a [black bird|crow] giving {count} {voice} caws",
            "the {rasp} croak of a crow, {count_times} in {pace} sequence",
        ),
    ),
    Sound(
        "rooster",
        rooster,
        (
            "a rooster crowing in a {voice} voice",
            "{length} crows of a {rasp} rooster",
            "a {voice} cockerel with a {length} cock-a-doodle-doo",
            "the {rasp} [call|crow] of a {voice} rooster",
            "a {rasp} rooster greeting the morning with a {length} call",
            "a [farmyard|village] cock crowing with a {voice}, {rasp} sound",
        ),
    ),
    Sound(
        "hen",
        hen,
        (
            "a hen clucking at a {pace} pace",
            "{pace} clucks of a {voice} chicken",
            "a {voice} hen with {squawk} squawks",
            "{pace} clucking of a [chicken|hen] with a {voice} voice",
            "a [brooding|farmyard] hen giving {pace} clucks and {squawk} cackles",
            "the {voice} cluck of a hen, {squawk} squawks in between",
        ),
    ),
    Sound(
        "crickets",
        crickets,
        (
            "crickets chirping at a {pace} pace",
            "{pitch} crickets with a {pace} chirp",
            "{pulse} chirps of {pitch} crickets",
            "the {pace} song of crickets on a [summer|warm] night",
            "a {pitch} cricket with a {pulse} chirp",
            "{pace}, {pulse} chirring of night insects",
        ),
    ),
    Sound(
        "buzzing insect",
        bee,
        (
            "a {pitch} insect buzzing in {flight} flight",
            "the {buzz} buzz of a {pitch} insect",
            "a [bee|fly] with a {buzz} hum and {flight} wings",
            "{flight} buzzing of a {pitch} insect",
            "an insect on {flight} wings making a {buzz} buzz",
            "a {buzz}, {pitch} buzzing of wings",
        ),
    ),
)
