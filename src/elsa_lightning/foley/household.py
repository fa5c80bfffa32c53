"""Things at home: clock, door, footsteps, keyboard, glass, vacuum cleaner, washing machine."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, decay, harmonics, impulses, mix, peak, resonances, ring, rolloff, tapered, unit
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, regular, scattered, wander


def clock(draw: Draw, studio: Studio) -> np.ndarray:
    interval = draw.amount("pace", 0.2, 1.0, ("fast|hurried", "steady|even", "slow|stately"), log=True)
    pitch = draw.amount("pitch", 1600, 5200, ("deep|woody", "crisp|clear", "tinny|high-pitched"), log=True)
    lilt = draw.amount(
        "lilt", 0.55, 1.0, ("tick and tock of two pitches|two-toned tick", "tick-tock|lilting tick", "uniform tick|plain tick")
    )
    times = regular(draw, studio.seconds, interval)
    odd = np.arange(len(times)) % 2 == 1
    sounds = []
    for beats, ratio in ((times[~odd], 1.0), (times[odd], lilt)):
        strikes = impulses(studio, beats) + 0.5 * impulses(studio, beats + 0.012)
        sounds.append(
            ring(strikes, studio.rate, ((pitch * ratio, 0.03, 1), (pitch * 1.7 * ratio, 0.02, 0.6), (pitch * 0.37 * ratio, 0.04, 0.5)))
        )
    return sum(sounds)


def door_knock(draw: Draw, studio: Studio) -> np.ndarray:
    count = draw.count("count", 2, 5)
    interval = draw.amount("pace", 0.14, 0.4, ("quick|rapid", "firm|measured", "slow|deliberate"), log=True)
    pitch = draw.amount("tone", 130, 330, ("dull|heavy", "solid|full", "sharp|bright"), log=True)
    material = draw.pick(
        "door", {"wood": "a wooden door|a wooden panel", "metal": "a metal door|a steel door", "glass": "a glass door|a window pane"}
    )
    starts = groups(draw, studio.seconds, (count - 1) * interval + 0.15, 0.8)
    times = (starts[:, None] + interval * np.arange(count)).ravel()
    modes = {
        "wood": ((1, 0.10, 1), (2.3, 0.06, 0.7), (4.1, 0.04, 0.5), (7.7, 0.02, 0.4)),
        "metal": ((1.3, 0.35, 0.8), (3.1, 0.4, 0.6), (5.9, 0.3, 0.5), (9.8, 0.25, 0.4)),
        "glass": ((2.1, 0.08, 0.7), (6.4, 0.1, 1), (11.7, 0.12, 0.8), (17, 0.08, 0.5)),
    }[material]
    strikes = impulses(studio, times, draw.jitter(0.2, len(times)))
    return ring(strikes, studio.rate, [(pitch * r, t, g) for r, t, g in modes])


def door_creak(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("pitch", 350, 1000, ("deep|groaning", "rusty|rasping", "shrill|squealing"), log=True)
    length = draw.amount("length", 0.8, 1.9, ("short|brief", "slow|lingering", "long|drawn-out"))
    rasp = draw.amount("stick", 22, 90, ("jerky|stuttering", "rattling|uneven", "smooth|even"), log=True)
    events = []
    for start in groups(draw, studio.seconds, length, 0.4):
        n = studio.samples(length)
        bend = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, 7), draw.rng.uniform(0.6, 1.5, 7))
        slips = np.cumsum(rasp * bend) / studio.rate
        pulses = np.diff(np.floor(slips), prepend=0.0)  # stick and slip: one impulse each cycle
        tone = harmonics(pitch * bend, studio.rate, rolloff(8, 5)) * (1 - slips % 1) ** 2
        body = resonances(pulses * 3 + 0.8 * tone, studio.rate, ((pitch * 1.1, 60, 1), (pitch * 2.6, 120, 0.8), (3100, 300, 0.5)))
        events.append((start, tapered(peak(body), studio.rate, 0.06)))
    return mix(studio, events)


def footsteps(draw: Draw, studio: Studio) -> np.ndarray:
    interval = draw.amount("pace", 0.28, 0.9, ("running|hurried", "brisk|steady", "slow|unhurried"), log=True)
    weight = draw.amount("weight", 55, 150, ("heavy|thudding", "firm|solid", "light|soft"), log=True)
    surface = draw.pick(
        "surface",
        {"gravel": "gravel|pebbles", "boards": "wooden boards|parquet", "snow": "fresh snow|crisp snow", "tiles": "tiles|stone slabs"},
    )
    times = regular(draw, studio.seconds, interval, 0.06)
    colours = {
        "gravel": ((800, -8), (2500, 0), (7000, -3), (14000, -15)),
        "boards": ((80, 0), (400, -6), (1500, -18), (8000, -40)),
        "snow": ((300, -6), (900, 0), (2200, -4), (6000, -22)),
        "tiles": ((900, -6), (2200, 0), (5000, -6), (14000, -22)),
    }
    long = {"gravel": 0.2, "boards": 0.06, "snow": 0.26, "tiles": 0.03}[surface]
    grit = studio.coloured(colours[surface])
    if surface in ("gravel", "snow"):
        grit = grit * np.abs(studio.coloured(((20, 0), (120, 0), (400, -30)))) ** (1.6 if surface == "gravel" else 0.8)
    step = decay(studio.time(long * 1.6), long * 1.5, 0.15 * long)
    scuff = mix(studio, ((t, gain * step) for t, gain in zip(times, draw.jitter(0.25, len(times)), strict=True)))
    thump = ring(impulses(studio, times), studio.rate, ((weight, 0.09, 1.0), (weight * 2.7, 0.05, 0.5)))
    click = (
        ring(impulses(studio, times + 0.07), studio.rate, ((1900, 0.02, 1), (3300, 0.012, 0.7))) if surface in ("tiles", "boards") else 0
    )
    return peak(grit * scuff) * {"gravel": 1, "boards": 0.4, "snow": 0.9, "tiles": 0.6}[surface] + 0.5 * thump + 0.35 * click


def typing(draw: Draw, studio: Studio) -> np.ndarray:
    rate = draw.amount("pace", 3, 14, ("slow|hesitant", "steady|fluent", "fast|furious"), log=True)
    pitch = draw.amount("tone", 1500, 4200, ("soft|muted", "crisp|plain", "clicky|clacking"), log=True)
    body = draw.amount("body", 250, 700, ("heavy|old", "plain|ordinary", "light|thin"), log=True)
    times = scattered(draw, studio.seconds, rate)
    gains, colour = draw.jitter(0.5, len(times)), draw.rng.integers(0, 3, len(times))
    out = ring(impulses(studio, times, 0.5 * gains), studio.rate, ((body, 0.03, 1), (body * 2.2, 0.02, 0.6)))
    for i, ratio in enumerate((0.85, 1.0, 1.2)):
        keys = impulses(studio, times[colour == i], gains[colour == i]) + 0.45 * impulses(studio, times[colour == i] + 0.07)
        out += ring(keys, studio.rate, ((pitch * ratio, 0.009, 1), (pitch * 1.63 * ratio, 0.006, 0.8)))
    return out


def glass_breaking(draw: Draw, studio: Studio) -> np.ndarray:
    pitch = draw.amount("pitch", 1500, 3600, ("heavy|thick", "clear|ordinary", "thin|delicate"), log=True)
    shards = draw.amount("shards", 15, 70, ("a few|a handful of", "many|a good many", "countless|a mass of"), log=True)
    spill = draw.amount("spill", 0.25, 0.8, ("abrupt|quick", "tumbling|tinkling", "slow|long-drawn"))
    starts = groups(draw, studio.seconds, 1.0 + spill, 0.5)
    bank = [
        decay(studio.time(0.16), 0.16, 0.001) * np.sin(2 * np.pi * pitch * r * studio.time(0.16)) for r in (1, 1.21, 1.47, 1.83, 2.02, 2.31)
    ]
    events = []
    for start in starts:
        crash = studio.coloured(((500, -14), (1500, -3), (pitch, 0), (9000, -2), (16000, -12)), 0.3)
        events.append((start, 0.9 * crash * decay(studio.time(0.3), 0.18, 0.001)))
        late = draw.rng.gamma(1.5, spill / 2, int(shards))
        for when, which, gain in zip(late, draw.rng.integers(0, 6, len(late)), draw.rng.uniform(0.2, 1, len(late)), strict=True):
            events.append((start + 0.02 + when, gain * np.exp(-when) * bank[which]))
    return mix(studio, events)


def vacuum_cleaner(draw: Draw, studio: Studio) -> np.ndarray:
    motor = draw.amount("motor", 170, 480, ("droning|low-pitched", "humming|whirring", "whining|high-pitched"), log=True)
    air = draw.amount("air", 0.5, 2.0, ("weak|faint", "steady|even", "strong|powerful"), log=True)
    stroke = draw.amount("stroke", 0.3, 1.2, ("long|slow", "regular|calm", "short|quick"), log=True)
    sweep = 0.5 + 0.5 * np.sin(2 * np.pi * stroke * studio.time() + draw.rng.uniform(0, 6))
    tone = harmonics(motor * (1 + 0.03 * sweep), studio.rate, rolloff(14, 5) * draw.jitter(0.5, 14))
    hiss = studio.coloured(((100, -12), (300, -2), (1200, 0), (4000, -5), (12000, -18)))
    return unit(tone) + air * hiss * (0.6 + 0.5 * sweep)


def washing_machine(draw: Draw, studio: Studio) -> np.ndarray:
    spin = draw.amount("spin", 0.9, 3.6, ("slow|lazy", "steady|regular", "fast|hurried"), log=True)
    slosh = draw.amount("slosh", 0.15, 1.2, ("almost dry|quiet", "wet|sloshing", "very wet|splashing"), log=True)
    hum = draw.amount("hum", 48, 110, ("deep|dark", "plain|low", "nasal|whirring"), log=True)
    time = studio.time()
    turn = 0.5 - 0.5 * np.cos(2 * np.pi * spin * time + draw.rng.uniform(0, 6))
    water = studio.coloured(((150, -6), (400, 0), (1200, -6), (4000, -20), (10000, -36))) * turn**3
    motor = harmonics(hum * (1 + 0.02 * turn), studio.rate, rolloff(16, 7) * draw.jitter(0.6, 16))
    thuds = ring(impulses(studio, regular(draw, studio.seconds, 1 / spin, 0.05)), studio.rate, ((75, 0.12, 1), (190, 0.07, 0.5)))
    return unit(motor) * 0.7 * (0.6 + 0.4 * turn) + 1.4 * slosh * water + 1.5 * peak(thuds) * wander(draw, studio, 1, 0.6, 1)


SOUNDS = (
    Sound(
        "clock ticking",
        clock,
        (
            "a clock ticking at a {pace} pace",
            "the {pace} tick of a {pitch} clock",
            "a {pitch} clock with a {pace} beat",
            "a {pace} [wall clock|alarm clock] with a {lilt}",
            "{pitch} ticking of a {pace} clock",
            "a [watch|clockwork] ticking at a {pace} rate with a {pitch} sound",
        ),
    ),
    Sound(
        "door knock",
        door_knock,
        (
            "{count} {pace} knocks on {door}",
            "somebody knocking {count_times} on {door}",
            "{count} {tone} [raps|knocks] on {door}",
            "{pace} knocking on {door}, {count} knocks in a row",
            "a visitor rapping {count_times} on {door} with a {pace} hand",
            "[knuckles|a fist] hitting {door} {count_times} with a {tone} sound",
        ),
    ),
    Sound(
        "door creak",
        door_creak,
        (
            "a door creaking with a {pitch} sound",
            "the {length} creak of a {pitch} hinge",
            "a {pitch} hinge turning in a {length}, {stick} motion",
            "{length} creaks of an old door",
            "an old [gate|door] giving a {length}, {pitch} squeak",
            "a {stick} creak from a [door|cupboard] with {pitch} hinges",
        ),
    ),
    Sound(
        "footsteps",
        footsteps,
        (
            "{pace} footsteps on {surface}",
            "somebody [walking|moving] on {surface} with {weight}, {pace} steps",
            "{weight} steps on {surface}",
            "the {pace} tread of [a person|shoes] on {surface}",
            "{weight} footfalls at a {pace} pace",
            "a person in {weight} shoes crossing {surface} with {pace} steps",
        ),
    ),
    Sound(
        "keyboard typing",
        typing,
        (
            "{pace} typing on a keyboard",
            "somebody typing at a {pace} pace on a {body} keyboard",
            "{tone} keys being pressed at a {pace} rate",
            "the {tone} [clatter|tapping] of a {body} keyboard",
            "{pace} keystrokes on a {tone} keyboard",
            "a [writer|typist] hitting {tone} keys with {pace} fingers",
        ),
    ),
    Sound(
        "glass breaking",
        glass_breaking,
        (
            "{pitch} glass [breaking|shattering] into {shards} pieces",
            "a {pitch} [pane|bottle] smashing with {shards} splinters",
            "the {spill} [crash|smash] of {pitch} glass",
            "{shards} shards of {pitch} glass scattering in a {spill} fall",
            "a {spill} shattering of [glass|a window] into {shards} bits",
            "{pitch} glassware being smashed",
        ),
    ),
    Sound(
        "vacuum cleaner",
        vacuum_cleaner,
        (
            "a {motor} vacuum cleaner",
            "a vacuum cleaner with {air} suction working in {stroke} strokes",
            "{stroke} strokes of a {motor} vacuum cleaner",
            "somebody vacuuming a carpet with a {motor} machine",
            "a {motor} hoover with {air} airflow",
            "vacuuming with {stroke} strokes and {air} suction",
        ),
    ),
    Sound(
        "washing machine",
        washing_machine,
        (
            "a washing machine turning with a {spin} rhythm",
            "a {spin} drum of {slosh} laundry",
            "{slosh} laundry tumbling in a {spin} washing machine",
            "a {hum} washing machine with {slosh} clothes",
            "the {hum} [hum|drone] of a washing machine at {spin} speed",
            "a washer churning {slosh} clothes at a {spin} pace",
        ),
    ),
)
