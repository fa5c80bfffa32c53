"""Instruments: guitar, piano, marimba, drum, flute, violin."""

from __future__ import annotations

from collections.abc import Callable

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
from elsa_lightning.foley.timing import regular

_PENTATONIC = np.array([0, 2, 4, 7, 9, 12])
_PITCH_WORDS = ("low|deep", "middle-register|mid-range", "bright|high-pitched")


def _melody(draw: Draw, count: int) -> np.ndarray:
    """Ratios (count,) of a wandering pentatonic tune."""
    steps = np.abs(np.cumsum(draw.rng.integers(-2, 3, count)) + draw.rng.integers(0, 6)) % 10
    return 2.0 ** (np.where(steps > 5, _PENTATONIC[(10 - steps) % 6], _PENTATONIC[steps % 6]) / 12)


def _partials(studio: Studio, hz: float, seconds: float, gains: np.ndarray, t60_s: np.ndarray, stretch: float = 0.0) -> np.ndarray:
    """A struck or plucked string: partials kf√(1 + stretch·k²), each with its own decay."""
    strike = np.zeros(studio.samples(seconds))
    strike[0] = 1
    k = np.arange(1, len(gains) + 1)
    freqs = hz * k * np.sqrt(1 + stretch * k**2)
    return tapered(ring(strike, studio.rate, zip(freqs, t60_s, gains, strict=True)), studio.rate, 0.004)


def _tune(draw: Draw, studio: Studio, hz: float, interval: float, note: Callable[[float], np.ndarray]) -> np.ndarray:
    """Notes of a melody at a steady beat; equal pitches share one rendering."""
    times = regular(draw, studio.seconds, interval, 0.04)
    cache: dict[float, np.ndarray] = {}
    ratios = _melody(draw, len(times))
    for ratio in ratios:
        if ratio not in cache:
            cache[ratio] = note(hz * ratio)
    return mix(studio, ((t, cache[r] * draw.rng.uniform(0.75, 1)) for t, r in zip(times, ratios, strict=True)))


def guitar(draw: Draw, studio: Studio) -> np.ndarray:
    hz = draw.amount("pitch", 95, 290, _PITCH_WORDS, log=True)
    interval = draw.amount("pace", 0.2, 0.8, ("quick|lively", "steady|easy", "slow|relaxed"), log=True)
    bright = draw.amount("tone", 3, 11, ("bright|steely", "warm|clear", "mellow|soft"))
    k = np.arange(1, 13)
    gains = np.abs(np.sin(np.pi * k * 0.19)) * rolloff(12, bright) * 3
    return _tune(draw, studio, hz, interval, lambda f: _partials(studio, f, 1.4, gains, 2.2 / (1 + 0.25 * k), 4e-5))


def piano(draw: Draw, studio: Studio) -> np.ndarray:
    hz = draw.amount("pitch", 200, 720, _PITCH_WORDS, log=True)
    interval = draw.amount("pace", 0.25, 0.9, ("quick|lively", "steady|moderate", "slow|thoughtful"), log=True)
    hard = draw.amount("touch", 5, 13, ("hard|bright", "even|clear", "soft|gentle"))
    k = np.arange(1, 9)

    def note(f: float) -> np.ndarray:
        """Three slightly detuned strings and the hammer's thump."""
        strings = sum(_partials(studio, f * d, 1.2, rolloff(8, hard), 1.6 / (0.6 + 0.3 * k), 4e-4) for d in (0.9994, 1.0007))
        thump = ring(np.eye(1, studio.samples(0.1)).ravel(), studio.rate, ((110, 0.06, 0.6), (240, 0.04, 0.5)))
        strings[: len(thump)] += thump
        return strings

    return _tune(draw, studio, hz, interval, note)


def marimba(draw: Draw, studio: Studio) -> np.ndarray:
    hz = draw.amount("pitch", 220, 800, _PITCH_WORDS, log=True)
    interval = draw.amount("pace", 0.13, 0.5, ("quick|bouncing", "steady|swinging", "slow|unhurried"), log=True)
    mallet = draw.amount("mallet", 0.1, 0.8, ("soft|woolly", "medium|plain", "hard|clicking"), log=True)
    modes = np.array([1, 3.93, 9.2])
    return _tune(
        draw,
        studio,
        hz,
        interval,
        lambda f: tapered(
            ring(
                np.eye(1, studio.samples(0.5)).ravel(),
                studio.rate,
                zip(f * modes, np.array([0.45, 0.15, 0.06]) * (440 / f) ** 0.5, (1, mallet, mallet * 0.6), strict=True),
            ),
            studio.rate,
            0.002,
        ),
    )


def drum(draw: Draw, studio: Studio) -> np.ndarray:
    interval = draw.amount("pace", 0.14, 0.5, ("fast|driving", "steady|marching", "slow|ceremonial"), log=True)
    pitch = draw.amount("pitch", 55, 210, ("deep|booming", "round|full", "tight|high-tuned"), log=True)
    snare = draw.amount("snare", 0.03, 1.0, ("bare|hollow", "rattling|snappy", "buzzing|crackling"), log=True)
    times = regular(draw, studio.seconds, interval, 0.03)
    pattern = draw.rng.choice((1.0, 0.45, 0.7), 8)
    gains = pattern[np.arange(len(times)) % 8]
    skin = ring(
        impulses(studio, times, gains),
        studio.rate,
        ((pitch, 0.35, 1), (pitch * 1.59, 0.2, 0.6), (pitch * 2.14, 0.15, 0.4), (pitch * 2.9, 0.1, 0.3)),
    )
    wires = studio.coloured(((500, -14), (1800, 0), (6000, -2), (12000, -10)), 0.25) * 10 ** (-3 * studio.time(0.25) / 0.3)
    return skin + 0.5 * snare * mix(studio, ((t, g * wires) for t, g in zip(times, gains, strict=True)))


def flute(draw: Draw, studio: Studio) -> np.ndarray:
    hz = draw.amount("pitch", 480, 1250, _PITCH_WORDS, log=True)
    interval = draw.amount("pace", 0.25, 0.8, ("quick|dancing", "steady|flowing", "slow|dreamy"), log=True)
    breath = draw.amount("breath", 0.03, 0.35, ("pure|clean", "soft|airy", "breathy|windy"), log=True)
    vibrato = draw.amount("vibrato", 0.002, 0.02, ("straight|plain", "gently wavering|singing", "vibrating|trembling"), log=True)

    def note(f: float) -> np.ndarray:
        n = studio.samples(interval * 0.95)
        wave = np.sin(phase_of(5.2, studio.rate, n))
        tone = harmonics(f * (1 + vibrato * wave), studio.rate, (1, 0.35, 0.12, 0.05))
        air = unit(band_pass(studio.white(n / studio.rate)[:n], studio.rate, f * 0.8, f * 4))
        return tapered((tone + breath * air) * (1 + 8 * vibrato * wave), studio.rate, min(0.06, interval / 4))

    return _tune(draw, studio, hz, interval, note)


def violin(draw: Draw, studio: Studio) -> np.ndarray:
    hz = draw.amount("pitch", 210, 620, _PITCH_WORDS, log=True)
    interval = draw.amount("pace", 0.3, 1.1, ("quick|agile", "steady|flowing", "slow|lyrical"), log=True)
    bow = draw.amount("bow", 0.01, 0.2, ("smooth|silky", "firm|plain", "scratchy|rough"), log=True)
    vibrato = draw.amount("vibrato", 0.001, 0.015, ("straight|plain", "gently vibrating|warm", "strongly vibrating|passionate"), log=True)

    def note(f: float) -> np.ndarray:
        n = studio.samples(interval * 0.97)
        swing = shape(n, (0, 0), (0.4, 1), (1, 1)) * np.sin(phase_of(5.8, studio.rate, n))
        string = harmonics(f * (1 + vibrato * swing), studio.rate, rolloff(24, 5)) + bow * studio.white(n / studio.rate)[:n]
        body = resonances(string, studio.rate, ((290, 60, 0.8), (480, 80, 1), (1100, 400, 0.6), (2700, 900, 0.9), (4200, 1500, 0.3)))
        return tapered(unit(body), studio.rate, min(0.07, interval / 4))

    return _tune(draw, studio, hz, interval, note)


SOUNDS = (
    Sound(
        "guitar",
        guitar,
        (
            "a guitar being plucked at a {pace} pace",
            "{pitch} notes plucked on a {tone} guitar",
            "a {tone} guitar [playing|picking out] a {pace} tune",
            "{pace} [picking|plucking] of {pitch} guitar strings",
            "a {pace} melody on a {tone} acoustic guitar",
            "somebody playing {pitch}, {pace} guitar notes",
        ),
    ),
    Sound(
        "piano",
        piano,
        (
            "a piano played at a {pace} pace with a {touch} touch",
            "{pitch} piano notes in a {pace} melody",
            "a {pace} piano tune with {pitch} notes",
            "a pianist playing {pitch} keys with a {touch} touch",
            "{touch} [chords|notes] of a piano at a {pace} pace",
            "a {touch}, {pace} piano melody",
        ),
    ),
    Sound(
        "marimba",
        marimba,
        (
            "a marimba playing a {pace} tune",
            "{pitch} marimba notes with {mallet} mallets",
            "{mallet} mallets on a {pitch} [xylophone|marimba]",
            "a {pace} [xylophone|marimba] melody in {pitch} tones",
            "wooden bars struck at a {pace} pace with {mallet} mallets",
            "{pace} playing on {pitch} wooden bars",
        ),
    ),
    Sound(
        "drum",
        drum,
        (
            "a {pitch} drum beaten at a {pace} pace",
            "a {pace} rhythm on a {pitch} drum",
            "{pace} drumming with a {snare} sound",
            "a drummer playing a {pace} beat on a {snare} drum",
            "{snare}, {pitch} drum strokes",
            "the {pace} [beat|pulse] of a {pitch} drum",
        ),
    ),
    Sound(
        "flute",
        flute,
        (
            "a flute playing a {pace} tune",
            "{pitch} notes on a {breath} flute",
            "a {pace} flute melody with a {vibrato} tone",
            "a {breath}, {vibrato} flute",
            "a flautist playing {pitch} notes at a {pace} pace",
            "{pace} phrases of a {breath} flute",
        ),
    ),
    Sound(
        "violin",
        violin,
        (
            "a violin playing a {pace} tune",
            "{pitch} notes bowed on a violin with a {bow} bow",
            "a {pace} violin melody with a {vibrato} tone",
            "a fiddler playing {pitch} notes with {bow} strokes",
            "{vibrato} violin notes at a {pace} pace",
            "a {bow}, {pitch} violin",
        ),
    ),
)
