"""Engines and what they move: cars, trains, helicopters, aircraft, bicycles."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import (
    Studio,
    band_pass,
    decay,
    harmonics,
    impulses,
    mix,
    peak,
    phase_of,
    resonances,
    ring,
    rolloff,
    shape,
    tapered,
    unit,
)
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, regular, wander


def engine(draw: Draw, studio: Studio) -> np.ndarray:
    firing = draw.amount("speed", 14, 60, ("slow|lazy", "steady|even", "fast|high-revving"), log=True)
    rough = draw.amount("smoothness", 0.02, 0.5, ("smooth|well-kept", "ordinary|worn", "rough|sputtering"), log=True)
    body = draw.amount("body", 90, 260, ("deep|throaty", "plain|sturdy", "light|rattling"), log=True)
    times = regular(draw, studio.seconds, 1 / firing, 0.35 * rough)
    gains = (1 + rough * draw.rng.standard_normal(len(times))) * np.where(np.arange(len(times)) % 4 == 0, 1.3, 1)
    pulses = impulses(studio, times, np.abs(gains))
    puffs = ring(pulses, studio.rate, ((body, 0.05, 1.0), (body * 2.3, 0.03, 0.6), (body * 5.1, 0.02, 0.35), (1300, 0.008, 0.3)))
    ticking = band_pass(studio.white(), studio.rate, 1800, 5000) * (0.3 + ring(pulses, studio.rate, ((firing / 2, 0.06, 1.0),)).clip(0))
    return unit(puffs) + 0.12 * unit(ticking)


def train(draw: Draw, studio: Studio) -> np.ndarray:
    interval = draw.amount("speed", 0.45, 1.3, ("fast|speeding", "steady|rolling", "slow|trundling"), log=True)
    weight = draw.amount("weight", 60, 170, ("heavy|loaded", "ordinary|regular", "light|rattling"), log=True)
    squeal = draw.amount("squeal", 0.03, 0.6, ("well-oiled|smooth", "scraping|worn", "squealing|screeching"), log=True)
    base = regular(draw, studio.seconds, interval, 0.02)
    clacks = np.concatenate([base, base + 0.14 * interval + 0.03])
    strikes = impulses(studio, clacks, draw.jitter(0.2, len(clacks)))
    wheels = ring(strikes, studio.rate, ((weight, 0.12, 0.5), (weight * 3.4, 0.08, 0.8), (940, 0.07, 0.9), (2150, 0.06, 0.8)))
    rumble = studio.coloured(((30, -6), (weight, 0), (500, -10), (1500, -18), (8000, -36)))
    rail = band_pass(studio.white(), studio.rate, 2500, 2750) * wander(draw, studio, 1.5, 0, 1) ** 2
    return 4 * peak(wheels) + 0.4 * rumble + 0.5 * squeal * unit(rail)


def helicopter(draw: Draw, studio: Studio) -> np.ndarray:
    chop = draw.amount("blades", 8, 26, ("slow|lazy", "steady|regular", "fast|rapid"), log=True)
    slap = draw.amount("slap", 1.0, 6.0, ("soft|rounded", "thumping|solid", "hard|cracking"), log=True)
    whine = draw.amount("whine", 0.05, 0.5, ("faint|thin", "audible|clear", "piercing|shrill"), log=True)
    phase = phase_of(chop * wander(draw, studio, 1, 0.98, 1.02), studio.rate)
    beat = (0.5 + 0.5 * np.sin(phase)) ** (1 + slap)
    air = studio.coloured(((40, 0), (120, 0), (500, -8), (2000, -18), (8000, -34)))
    turbine = harmonics(np.full(studio.length, 1850.0), studio.rate, (1, 0.5, 0.3)) * (0.7 + 0.3 * beat)
    return air * (0.12 + beat) + 0.25 * whine * turbine + 0.5 * np.sin(2 * phase) * beat


def aircraft(draw: Draw, studio: Studio) -> np.ndarray:
    kind = draw.pick("kind", {"jet": "jet plane|jet aircraft", "propeller": "propeller plane|propeller aircraft"})
    tone_hz = draw.amount("tone", 75, 190, ("deep|droning", "full|humming", "bright|buzzing"), log=True)
    roar = draw.amount("roar", -10, 8, ("dull|smooth", "broad|full", "tearing|hissing"))
    pulse = draw.amount("beating", 0.3, 2.5, ("wavering|gently swelling", "pulsing|surging", "throbbing|fluttering"), log=True)
    beat = 0.7 + 0.3 * np.sin(2 * np.pi * pulse * studio.time())
    noise = studio.coloured(((40, -8), (150, 0), (600, 0), (2000, roar - 6), (6000, roar - 16), (14000, roar - 30)))
    glide = shape(studio.length, (0, 1.04), (1, 0.96))
    if kind == "jet":
        return noise * beat + 0.3 * harmonics(tone_hz * 16 * glide, studio.rate, (1, 0.4)) * beat
    engine_a = harmonics(tone_hz * glide, studio.rate, rolloff(24, 4))
    engine_b = harmonics(tone_hz * glide + pulse, studio.rate, rolloff(24, 4))
    return unit(engine_a + engine_b) + 0.35 * noise


def car_horn(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 4)
    pitch = draw.amount("pitch", 290, 520, ("deep|low-pitched", "plain|ordinary", "shrill|high-pitched"), log=True)
    length = draw.amount("length", 0.09, 0.4, ("short|brief", "firm|moderate", "long|sustained"), log=True)
    ratio = draw.amount("interval", 1.12, 1.5, ("sour|clashing", "two-note|paired", "bright|harmonious"))
    n = studio.samples(length)
    tone = sum(harmonics(np.full(n, pitch * r), studio.rate, rolloff(22, 2.5)) for r in (1.0, ratio))
    honk = tapered(peak(resonances(tone, studio.rate, ((1100, 900, 1), (2600, 900, 0.9), (500, 400, 0.6)))), studio.rate, 0.015)
    starts = groups(draw, studio.seconds, count * length + (count - 1) * 0.13, 0.7)
    return mix(studio, [(s + i * (length + 0.13), honk) for s in starts for i in range(count)])


def bicycle_bell(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 4)
    pitch = draw.amount("pitch", 1500, 3000, ("mellow|low-toned", "clear|bright", "tinkling|high-pitched"), log=True)
    trill = draw.amount("trill", 14, 34, ("slow|leisurely", "brisk|cheerful", "quick|frantic"), log=True)
    ringing = draw.amount("ringing", 0.25, 1.2, ("short|clipped", "clean|plain", "long|singing"), log=True)
    times = []
    for start in groups(draw, studio.seconds, count * 0.34, 0.8):
        times += [start + 0.34 * i + 0.9 * np.arange(5) / trill for i in range(count)]
    times = np.concatenate(times)
    strikes = impulses(studio, times, draw.jitter(0.3, len(times)))
    modes = ((1, 1, 1), (1.006, 1, 0.7), (1.52, 0.5, 0.5), (2.43, 0.25, 0.5))
    return ring(strikes, studio.rate, [(pitch * r, ringing * t, g) for r, t, g in modes])


def motorcycle(draw: Draw, studio: Studio) -> np.ndarray:
    top = draw.amount("revs", 70, 190, ("low-revving|growling", "mid-range|snarling", "high-revving|screaming"), log=True)
    swing = draw.amount("swing", 0.4, 1.3, ("slow|smooth", "repeated|steady", "impatient|quick"), log=True)
    rasp = draw.amount("rasp", 2.0, 7.0, ("raspy|harsh", "throaty|sturdy", "muted|soft"))
    rev = (0.5 - 0.5 * np.cos(phase_of(swing, studio.rate, studio.length) + draw.rng.uniform(0, 6))) ** 1.5
    freq = top * (0.4 + 0.6 * rev)
    tone = harmonics(freq, studio.rate, rolloff(40, rasp) * draw.jitter(0.5, 40)) * (0.45 + 0.55 * rev)
    half = 0.7 + 0.3 * np.sin(phase_of(freq, studio.rate) / 2)
    shaped = resonances(tone * half, studio.rate, ((240, 200, 1), (900, 500, 0.7), (2400, 1200, 0.6)))
    return unit(shaped) + 0.1 * band_pass(studio.white(), studio.rate, 300, 4000) * decay(1 - rev, 3.0)


SOUNDS = (
    Sound(
        "engine idling",
        engine,
        (
            "a {smoothness} engine idling at a {speed} pace",
            "the {speed} [putter|chug] of a {body} engine",
            "a {body} [motor|truck engine] running at a {speed} idle",
            "a {smoothness}, {body} engine [ticking over|idling]",
            "a parked [car|van] with a {smoothness} engine running at a {speed} rate",
            "{speed} idling of a {smoothness} motor",
        ),
    ),
    Sound(
        "train",
        train,
        (
            "a {speed} train with {squeal} wheels",
            "a {weight} train clattering along the rails at a {speed} pace",
            "the {speed} clickety-clack of a {weight} train",
            "{squeal} wheels of a {weight} train on rail joints",
            "a {weight} [railway carriage|goods train] rolling with a {speed} beat",
            "a {speed} [locomotive|train] rattling over {squeal} rails",
        ),
    ),
    Sound(
        "helicopter",
        helicopter,
        (
            "a helicopter with {blades} blades",
            "the {slap} chop of a helicopter with a {blades} rotor",
            "a hovering helicopter with a {blades}, {slap} beat",
            "{slap} rotor blades turning at a {blades} rate",
            "a [chopper|helicopter] flying with {slap} blade slap and a {whine} whine",
            "the {whine} turbine and {blades} rotor of a helicopter",
        ),
    ),
    Sound(
        "aircraft",
        aircraft,
        (
            "a {kind} with a {tone} engine",
            "the {roar} [roar|noise] of a {kind}",
            "a {beating} {kind} in flight",
            "a {tone} {kind} with a {roar} [roar|rush]",
            "a {kind} [flying|cruising] with a {beating}, {tone} sound",
            "{beating} engines of a {kind}",
        ),
    ),
    Sound(
        "car horn",
        car_horn,
        (
            "a car horn honking {count_times}",
            "{count} {length} honks of a {pitch} car horn",
            "an impatient driver sounding a {pitch} horn {count_times}",
            "{count} {length} [beeps|toots] of a {interval} horn",
            "a {pitch} car horn giving {count} {length} blasts",
            "a {interval} [vehicle|car] horn blown {count_times}",
        ),
    ),
    Sound(
        "bicycle bell",
        bicycle_bell,
        (
            "a bicycle bell ringing {count_times}",
            "{count} {trill} rings of a {pitch} bicycle bell",
            "a cyclist ringing a {pitch} bell {count_times}",
            "a {pitch} bike bell with {count} {trill} trills",
            "{count} {trill} dings of a bike bell with a {ringing} tone",
            "a {ringing}, {pitch} bicycle bell sounded {count_times}",
        ),
    ),
    Sound(
        "motorcycle",
        motorcycle,
        (
            "a {rasp} motorcycle revving in {swing} bursts",
            "a {revs} motorbike with a {rasp} exhaust",
            "{swing} revving of a {rasp} motorcycle",
            "a biker twisting the throttle in {swing} turns of a {revs} engine",
            "the {revs} [engine|exhaust] of a {rasp} motorbike",
            "a {revs} motorcycle being revved with {swing} pulls",
        ),
    ),
)
