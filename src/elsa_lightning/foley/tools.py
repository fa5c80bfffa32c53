"""Tools: hammer, hand saw, power drill."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, band_pass, harmonics, impulses, peak, ring, rolloff, unit
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, regular


def hammering(draw: Draw, studio: Studio) -> np.ndarray:
    interval = draw.amount("pace", 0.2, 0.8, ("rapid|quick", "steady|regular", "slow|deliberate"), log=True)
    pitch = draw.amount("tone", 600, 1900, ("dull|heavy", "solid|clear", "ringing|sharp"), log=True)
    target = draw.pick("target", {"nail": "a nail|nails", "anvil": "an anvil|a steel block", "plank": "a plank|a wooden beam"})
    times = regular(draw, studio.seconds, interval, 0.1)
    strikes = impulses(studio, times, draw.jitter(0.2, len(times)))
    modes = {
        "nail": ((pitch * 2.4, 0.12, 0.8), (pitch * 3.9, 0.08, 0.7), (pitch * 0.4, 0.06, 0.8)),
        "anvil": ((pitch, 0.5, 0.7), (pitch * 2.76, 0.7, 0.8), (pitch * 5.4, 0.4, 0.5)),
        "plank": ((pitch * 0.35, 0.07, 1.0), (pitch * 0.8, 0.04, 0.7), (pitch * 1.7, 0.02, 0.5)),
    }[target]
    thud = ring(strikes, studio.rate, ((120, 0.07, 0.5), (260, 0.04, 0.4)))
    return ring(strikes, studio.rate, modes) + thud


def sawing(draw: Draw, studio: Studio) -> np.ndarray:
    stroke = draw.amount("pace", 0.7, 2.6, ("slow|leisurely", "steady|regular", "fast|hasty"), log=True)
    pitch = draw.amount("tone", 700, 2600, ("coarse|rough", "plain|dry", "fine|thin"), log=True)
    teeth = draw.amount("teeth", 60, 200, ("big-toothed|blunt", "ordinary|trusty", "fine-toothed|sharp"), log=True)
    phase = stroke * studio.time() + draw.rng.random()
    speed = np.abs(np.sin(np.pi * phase)) ** 0.6
    push = np.where(np.floor(phase) % 2 == 0, 1.0, 0.7)  # (n,) the pull is quieter and lower
    rasp = np.cumsum(teeth * speed * push) / studio.rate
    wood = band_pass(studio.white(), studio.rate, pitch / 2, pitch * 2.2) * (0.35 + 0.65 * (1 - rasp % 1) ** 2)
    return unit(wood) * speed * push + 0.3 * unit(band_pass(studio.white(), studio.rate, 200, 480)) * speed * (push > 0.8)


def drilling(draw: Draw, studio: Studio) -> np.ndarray:
    motor = draw.amount("motor", 110, 420, ("growling|low-pitched", "buzzing|whirring", "screaming|high-pitched"), log=True)
    length = draw.amount("length", 0.5, 1.7, ("short|brief", "moderate|measured", "long|sustained"))
    grind = draw.amount("grind", 0.15, 1.0, ("smooth|clean", "gritty|rough", "grinding|grating"), log=True)
    load = np.zeros(studio.length)
    time = studio.time()
    for start in groups(draw, studio.seconds, length, 0.45):
        load = np.maximum(load, np.interp(time - start, (0, 0.08, length - 0.12, length), (0, 1, 1, 0)))
    sag = 0.45 + 0.55 * load - 0.1 * load * grind * np.sin(2 * np.pi * 6 * time) ** 2
    tone = harmonics(motor * sag, studio.rate, rolloff(40, 3) * draw.jitter(0.6, 40))
    chips = band_pass(studio.white(), studio.rate, 900, 5200) * (1 + np.sin(2 * np.pi * np.cumsum(30 * sag) / studio.rate))
    return (unit(tone) + grind * unit(chips)) * load + 0.01 * peak(tone)


SOUNDS = (
    Sound(
        "hammering",
        hammering,
        (
            "{pace} hammering on {target}",
            "a hammer striking {target} with {pace} blows",
            "{tone} hammer blows on {target}",
            "somebody [hitting|pounding] {target} with a hammer at a {pace} pace",
            "the {pace} [bang|knock] of a hammer on {target}",
            "a {tone} hammer at work with {pace} strokes",
        ),
    ),
    Sound(
        "sawing",
        sawing,
        (
            "{pace} sawing of wood",
            "a {teeth} hand saw [cutting|going through] wood at a {pace} pace",
            "{pace} strokes of a {teeth} saw",
            "the {tone} rasp of a hand saw",
            "somebody sawing a [plank|log] with {pace}, {tone} strokes",
            "a {tone} wood saw moving at a {pace} rhythm",
        ),
    ),
    Sound(
        "drilling",
        drilling,
        (
            "a {motor} drill working in {length} bursts",
            "{length} bursts of {grind} drilling",
            "a {motor} power drill [boring|biting] into concrete",
            "{grind} drilling with a {motor} motor",
            "somebody drilling {length} holes with a {motor} tool",
            "an electric drill making {length}, {grind} runs",
        ),
    ),
)
