"""Signals made to be heard: siren, alarm, telephone, church bell, whistle."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import (
    Studio,
    band_pass,
    harmonics,
    impulses,
    mix,
    phase_of,
    resonances,
    ring,
    rolloff,
    shape,
    tapered,
    unit,
)
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, regular


def siren(draw: Draw, studio: Studio) -> np.ndarray:
    pattern = draw.pick("pattern", {"wail": "wailing|rising and falling", "hilo": "two-tone|alternating", "yelp": "yelping|chirping"})
    low = draw.amount("pitch", 420, 800, ("deep|low-pitched", "ordinary|medium-pitched", "shrill|high-pitched"), log=True)
    speed = draw.amount("speed", 0.6, 1.8, ("slow|drawn-out", "steady|regular", "fast|urgent"), log=True)
    cycle = (speed * {"wail": 0.45, "hilo": 0.8, "yelp": 2.6}[pattern] * studio.time() + draw.rng.random()) % 1
    sweep = {"wail": 0.5 - 0.5 * np.cos(2 * np.pi * cycle), "hilo": (cycle < 0.5) * 0.4, "yelp": 1 - np.abs(2 * cycle - 1)}[pattern]
    tone = harmonics(low * 2.0**sweep, studio.rate, rolloff(12, 5))
    return resonances(tone, studio.rate, ((1100, 1200, 1), (2600, 1500, 0.7)))


def alarm(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 5)
    pitch = draw.amount("pitch", 1900, 3500, ("low-pitched|mellow", "clear|plain", "piercing|high-pitched"), log=True)
    interval = draw.amount("pace", 0.1, 0.26, ("rapid|hectic", "brisk|steady", "slow|measured"), log=True)
    n = studio.samples(interval * 0.55)
    beep = tapered(harmonics(np.full(n, pitch), studio.rate, (1, 0.0, 0.25)), studio.rate, 0.004)
    starts = groups(draw, studio.seconds, count * interval, 0.55)
    return mix(studio, [(s + i * interval, beep) for s in starts for i in range(count)])


def telephone(draw: Draw, studio: Studio) -> np.ndarray:
    kind = draw.pick("kind", {"bell": "old-fashioned telephone|rotary phone", "trill": "office phone|electronic telephone"})
    pitch = draw.amount("pitch", 900, 1700, ("mellow|low-pitched", "clear|ordinary", "bright|high-pitched"), log=True)
    length = draw.amount("length", 0.45, 1.3, ("short|clipped", "regular|even", "long|insistent"))
    speed = draw.amount("trill", 14, 28, ("slow|lazy", "steady|brisk", "fast|nervous"), log=True)
    starts = groups(draw, studio.seconds, length, 0.6)
    if kind == "bell":
        times = np.concatenate([s + np.arange(0, length, 1 / speed) for s in starts])
        modes = ((pitch, 0.7, 1), (pitch * 1.19, 0.7, 0.8), (pitch * 2.71, 0.35, 0.5), (pitch * 3.2, 0.3, 0.4))
        return ring(impulses(studio, times, draw.jitter(0.2, len(times))), studio.rate, modes)
    time = studio.time(length)
    warble = np.where((time * speed) % 1 < 0.5, pitch, pitch * 1.26)
    tone = tapered(harmonics(warble, studio.rate, (1, 0, 0.35, 0, 0.15)), studio.rate, 0.01)
    return mix(studio, [(s, tone) for s in starts])


def church_bell(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("pitch", 180, 560, ("deep|low-toned", "full|rounded", "bright|high-pitched"), log=True)
    interval = draw.amount("pace", 0.6, 1.9, ("brisk|lively", "steady|even", "slow|solemn"), log=True)
    hum_s = draw.amount("ringing", 1.5, 6.0, ("short-ringing|brief", "full-ringing|sonorous", "long-ringing|sustained"), log=True)
    times = regular(draw, studio.seconds, interval, 0.03)
    strikes = impulses(studio, times, draw.jitter(0.15, len(times)))
    ratios = ((0.5, 1, 0.7), (1, 0.7, 0.9), (1.19, 0.5, 0.8), (1.503, 0.4, 0.5), (2.0, 0.4, 1.0))  # hum, prime, tierce, quint, nominal
    ratios += ((2.51, 0.2, 0.5), (3.01, 0.2, 0.5), (4.17, 0.15, 0.6), (5.43, 0.12, 0.5))
    return ring(strikes, studio.rate, [(pitch * r, hum_s * t, g) for r, t, g in ratios])


def whistle(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 4)
    pitch = draw.amount("pitch", 2000, 3300, ("mellow|low-pitched", "clear|sharp", "piercing|high-pitched"), log=True)
    length = draw.amount("length", 0.1, 0.4, ("short|clipped", "firm|moderate", "long|sustained"), log=True)
    pea = draw.amount("trill", 18, 50, ("slowly rattling|loose", "trilling|rolling", "quickly fluttering|tight"), log=True)
    n = studio.samples(length)
    flutter = np.sin(phase_of(pea, studio.rate, n))
    freq = pitch * (1 + 0.03 * flutter) * shape(n, (0, 0.94), (0.1, 1), (0.9, 1), (1, 0.95))
    tone = harmonics(freq, studio.rate, (1, 0.12, 0.05)) + harmonics(freq * 1.07, studio.rate, (0.6, 0.05))
    breath = band_pass(studio.white(length), studio.rate, pitch * 0.8, pitch * 1.3)
    blast = tapered((tone + 0.25 * unit(breath)) * (0.65 + 0.35 * flutter), studio.rate, 0.02)
    starts = groups(draw, studio.seconds, count * (length + 0.12) - 0.12, 0.65)
    return mix(studio, [(s + i * (length + 0.12), blast) for s in starts for i in range(count)])


SOUNDS = (
    Sound(
        "siren",
        siren,
        (
            "a {pattern} siren with a {pitch} tone",
            "an [ambulance|emergency vehicle] siren, {pattern} at a {speed} pace",
            "the {speed}, {pattern} siren of a [police car|fire engine]",
            "a {pitch} siren {pattern} with a {speed} rhythm",
            "a {speed} [police|ambulance] siren with a {pitch} voice",
            "{speed} wails of a {pitch} {pattern} siren",
        ),
    ),
    Sound(
        "alarm",
        alarm,
        (
            "an alarm beeping {count_times} in {pace} succession",
            "{count} {pace} beeps of a {pitch} alarm",
            "a {pitch} [beeper|buzzer] giving {count} beeps",
            "{count} {pitch} beeps of an [electronic device|alarm clock]",
            "{pace} electronic beeping in sets of {count}",
            "a {pitch} [smoke detector|timer] going off with {count} {pace} beeps",
        ),
    ),
    Sound(
        "telephone ringing",
        telephone,
        (
            "a {kind} ringing in {length} rings",
            "{length} rings of a {pitch} {kind}",
            "a {pitch} {kind} calling for an answer",
            "a {kind} with a {trill}, {pitch} ring",
            "the {trill} ringing of a {kind}",
            "an unanswered {kind} with {length} rings",
        ),
    ),
    Sound(
        "church bell",
        church_bell,
        (
            "a {pitch} church bell tolling at a {pace} pace",
            "{pace} strokes of a {pitch} bell",
            "the {pace} toll of a {ringing} church bell",
            "a {ringing}, {pitch} bell being rung",
            "a [cathedral|chapel] bell with a {pitch} voice and a {pace} beat",
            "{pace} tolling of a [great|bronze] bell, {ringing} and {pitch}",
        ),
    ),
    Sound(
        "whistle",
        whistle,
        (
            "{count} {length} blasts of a {pitch} whistle",
            "a [referee|coach] blowing a whistle {count_times}",
            "a {pitch} whistle blown {count_times} in {length} bursts",
            "{count} {pitch} whistle blows with a {trill} pea",
            "a {trill} whistle giving {count} {length} calls",
            "a {pitch} [sports|police] whistle sounding {count_times}",
        ),
    ),
)
