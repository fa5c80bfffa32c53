"""People: applause, laughter, a baby, a sneeze, a cough, snoring."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, band_pass, decay, mix, peak, resonances, shape, tapered, unit
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, scattered
from elsa_lightning.foley.voice import voice

_AH = (((750, 120, 1), (1250, 140, 0.7), (2600, 250, 0.4), (3500, 300, 0.2)),)
_HA = (((650, 140, 1), (1150, 160, 0.7), (2500, 250, 0.35)), ((750, 140, 1), (1300, 160, 0.7), (2700, 250, 0.3)))
_CRY = (
    ((900, 200, 0.8), (1600, 250, 0.7), (3600, 400, 0.5)),
    ((1150, 200, 1), (1900, 250, 0.9), (3800, 400, 0.6)),
    ((800, 200, 0.8), (1500, 250, 0.5)),
)


def applause(draw: Draw, studio: Studio) -> np.ndarray:
    people = draw.amount("crowd", 4, 90, ("a few people|a handful of people", "a group|an audience", "a crowd|a packed audience"), log=True)
    tone = draw.amount("tone", 900, 2100, ("dull|cupped", "plain|warm", "crisp|bright"), log=True)
    pace = draw.amount("pace", 2.6, 5.0, ("slow|polite", "steady|friendly", "fast|enthusiastic"))
    times = scattered(draw, studio.seconds, people * pace)
    claps = []
    for ratio in (0.7, 0.85, 1.0, 1.2, 1.45):
        burst = studio.white(0.06) * decay(studio.time(0.06), 0.045, 0.0008)
        claps.append(
            tapered(
                peak(resonances(burst, studio.rate, ((tone * ratio, tone / 2, 1), (tone * ratio * 2.4, tone, 0.5)))), studio.rate, 0.001
            )
        )
    which, gains = draw.rng.integers(0, 5, len(times)), draw.rng.gamma(2, 0.5, len(times)).clip(0.2, 2)
    return mix(studio, ((t, g * claps[i]) for t, i, g in zip(times, which, gains, strict=True)))


def laughter(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("voice", 120, 360, ("deep|low", "warm|natural", "high|giggling"), log=True)
    pace = draw.amount("pace", 3.6, 6.6, ("slow|lazy", "easy|steady", "quick|breathless"), log=True)
    breath = draw.amount("breath", 0.05, 0.6, ("full|voiced", "airy|relaxed", "wheezing|breathy"), log=True)
    count = draw.count("count", 3, 6)
    events = []
    for start in groups(draw, studio.seconds, count / pace, 0.45):
        for i in range(count):
            n = studio.samples(0.6 / pace)
            freq = pitch * (1.25 - 0.45 * i / count) * shape(n, (0, 0.9), (0.3, 1.1), (1, 0.8))
            loud = shape(n, (0, 0), (0.2, 1), (1, 0)) * (1 - 0.5 * i / count)
            events.append(
                (start + i / pace, voice(studio, freq, loud, _HA, breath, 0.05, 7, (pitch / 200) ** 0.25) * (1 - 0.4 * i / count))
            )
    return mix(studio, events)


def baby(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("voice", 340, 580, ("low|hoarse", "full|plain", "high|shrill"), log=True)
    length = draw.amount("length", 0.5, 1.3, ("short|hiccuping", "regular|steady", "long|wailing"))
    rough = draw.amount("strain", 0.03, 0.45, ("soft|whimpering", "upset|fretful", "screaming|furious"), log=True)
    events = []
    for start in groups(draw, studio.seconds, length, 0.3):
        n = studio.samples(length)
        freq = (
            pitch
            * shape(n, (0, 0.85), (0.25, 1.15), (0.7, 1.1), (1, 0.8))
            * (1 + 0.015 * np.sin(2 * np.pi * 7 * np.arange(n) / studio.rate))
        )
        events.append((start, voice(studio, freq, shape(n, (0, 0), (0.12, 0.9), (0.6, 1), (1, 0)), _CRY, 0.06, rough, 3.5)))
    return mix(studio, events)


def sneeze(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("voice", 130, 340, ("deep|gruff", "plain|natural", "high|squeaky"), log=True)
    inhale = draw.amount("inhale", 0.25, 0.7, ("sudden|quick", "ordinary|plain", "long-awaited|slow"))
    spray = draw.amount("spray", 0.4, 2.5, ("stifled|polite", "wet|plain", "explosive|violent"), log=True)
    events = []
    for start in groups(draw, studio.seconds, inhale + 0.55, 0.6):
        n = studio.samples(inhale)
        gasp = voice(
            studio, pitch * 1.1 * shape(n, (0, 1), (1, 1.35)), shape(n, (0, 0), (0.8, 0.5), (0.95, 0.3), (1, 0)), _AH, 0.9, 0.05, 8
        )
        m = studio.samples(0.45)
        burst = studio.coloured(((400, -12), (1500, -2), (3500, 0), (8000, -6)), 0.45)[:m] * shape(m, (0, 0), (0.06, 1), (0.3, 0.5), (1, 0))
        shout = voice(
            studio, pitch * shape(m, (0, 1.7), (0.3, 1.3), (1, 0.8)), shape(m, (0, 0), (0.05, 1), (0.45, 0.5), (0.8, 0)), _AH, 0.2, 0.1, 4
        )
        events += [(start, 0.35 * gasp), (start + inhale + 0.03, shout + 0.45 * spray * burst)]
    return mix(studio, events)


def cough(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 4)
    pitch = draw.amount("voice", 100, 280, ("deep|chesty", "plain|throaty", "high|thin"), log=True)
    pace = draw.amount("pace", 0.28, 0.5, ("quick|rapid", "steady|regular", "slow|laboured"))
    dry = draw.amount("dryness", 700, 2400, ("wet|rattling", "hoarse|raw", "dry|tickly"), log=True)
    events = []
    for start in groups(draw, studio.seconds, count * pace, 0.7):
        for i in range(count):
            n = studio.samples(0.24)
            air = unit(band_pass(studio.white(0.24), studio.rate, dry / 2, dry * 2.4)) * shape(n, (0, 0), (0.03, 1), (0.25, 0.35), (1, 0))
            throat = voice(studio, pitch * shape(n, (0, 1.3), (1, 0.8)), shape(n, (0, 0), (0.3, 0.2), (0.5, 0.7), (1, 0)), _AH, 0.5, 0.4, 6)
            events.append((start + i * pace, air + 0.6 * throat))
    return mix(studio, events)


def snoring(draw: Draw, studio: Studio) -> np.ndarray:
    flutter = draw.amount("flutter", 24, 62, ("deep|rattling", "rumbling|rough", "buzzing|purring"), log=True)
    length = draw.amount("length", 0.7, 1.3, ("short|quick", "even|regular", "long|slow"))
    nose = draw.amount("tone", 280, 800, ("throaty|dark", "plain|open", "nasal|whistling"), log=True)
    events = []
    for start in groups(draw, studio.seconds, length + 0.55, 0.25):
        n = studio.samples(length)
        phase = np.cumsum(flutter * shape(n, (0, 0.8), (0.5, 1.1), (1, 0.9))) / studio.rate % 1
        raw = ((1 - phase) ** 4 + 0.15 * studio.white(length)[:n]) * shape(n, (0, 0), (0.3, 0.7), (0.8, 1), (1, 0))
        snore = peak(resonances(raw - np.mean(raw), studio.rate, ((nose, 120, 1), (nose * 2.4, 250, 0.6), (140, 80, 0.6))))
        m = studio.samples(0.5)
        breath = studio.coloured(((300, -10), (900, 0), (2500, -8), (8000, -24)), 0.5)[:m] * np.sin(np.linspace(0, np.pi, m)) ** 2
        events += [(start, snore), (start + length + 0.05, 0.07 * breath)]
    return mix(studio, events)


SOUNDS = (
    Sound(
        "applause",
        applause,
        (
            "{crowd} clapping with {tone} hands",
            "{pace} applause from {crowd}",
            "{crowd} applauding at a {pace} pace",
            "{tone} hand claps of {crowd}",
            "{crowd} giving {pace}, {tone} applause",
            "the {tone} clapping of {crowd}",
        ),
    ),
    Sound(
        "laughter",
        laughter,
        (
            "somebody laughing in a {voice} voice",
            "{pace} laughter with a {voice} voice",
            "a {breath} laugh of {count} syllables",
            "a person with a {voice}, {breath} laugh",
            "{breath} chuckling at a {pace} pace",
            "a {voice} ha-ha-ha in {pace} bursts of {count}",
        ),
    ),
    Sound(
        "baby crying",
        baby,
        (
            "a baby crying in a {voice} voice",
            "{length} cries of a {strain} baby",
            "a {strain} infant with a {voice} cry",
            "the {length} [bawling|crying] of a baby",
            "a [newborn|baby] giving {length}, {voice} cries",
            "{strain} crying of an infant with {length} sobs",
        ),
    ),
    Sound(
        "sneeze",
        sneeze,
        (
            "a {spray} sneeze in a {voice} voice",
            "somebody sneezing with a {inhale} breath before it",
            "a person giving a {spray}, {voice} achoo",
            "the {spray} sneeze of a person with a {voice} voice",
            "a {inhale} gasp and a {spray} sneeze",
            "{spray} sneezing with a {voice} [sound|tone]",
        ),
    ),
    Sound(
        "cough",
        cough,
        (
            "somebody coughing {count_times}",
            "{count} {dryness} coughs in a {voice} voice",
            "a person with a {dryness} cough, {count} coughs in a row",
            "a {voice} cough repeated {count_times} at a {pace} pace",
            "{pace} coughing with a {dryness} throat",
            "[a patient|somebody ill] coughing {count_times} with a {voice} sound",
        ),
    ),
    Sound(
        "snoring",
        snoring,
        (
            "somebody snoring with a {flutter} sound",
            "{length} snores with a {tone} tone",
            "a sleeper breathing in {length}, {flutter} snores",
            "the {flutter} snore of a [sleeping person|heavy sleeper]",
            "{tone} snoring in {length} breaths",
            "a person fast asleep with {flutter}, {tone} snoring",
        ),
    ),
)
