"""Rain, wind, thunder, fire and fireworks."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, band_pass, decay, impulses, mix, peak, phase_of, ring, shape, tapered, unit
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import groups, scattered, wander

_SURFACES = {
    "tin": ((900, 0.05, 1.0), (2300, 0.04, 0.8), (4100, 0.03, 0.5)),
    "leaves": ((2600, 0.006, 1.0), (4800, 0.005, 0.8)),
    "pavement": ((1500, 0.008, 1.0), (5200, 0.004, 0.7)),
    "umbrella": ((340, 0.03, 1.4), (900, 0.015, 0.7)),
}


def rain(draw: Draw, studio: Studio) -> np.ndarray:
    density = draw.amount("density", 40, 900, ("light|gentle", "steady|persistent", "heavy|pouring"), log=True)
    hiss = draw.amount("hiss", -9, 9, ("dull|soft", "even|plain", "bright|crisp"))
    surface = draw.pick(
        "surface",
        {
            "tin": "sheet metal|corrugated tin",
            "leaves": "leaves|thick foliage",
            "pavement": "pavement|the street",
            "umbrella": "an umbrella|taut canvas",
        },
    )
    times = scattered(draw, studio.seconds, density)
    drops = ring(impulses(studio, times, draw.rng.gamma(1.2, 1, len(times))), studio.rate, _SURFACES[surface])
    bed = studio.coloured(((100, -25), (600, -6), (2500, hiss / 2), (7000, hiss), (16000, hiss - 8)))
    return bed * 0.35 * (density / 900) ** 0.35 + unit(np.clip(drops, -6 * np.std(drops), 6 * np.std(drops))) * 0.5


def wind(draw: Draw, studio: Studio) -> np.ndarray:
    turns = draw.amount("gusts", 0.4, 2.0, ("slow|long", "rolling|steady", "restless|fitful"), log=True)
    howl_hz = draw.amount("howl", 260, 900, ("deep|low-pitched", "hollow|moaning", "shrill|whistling"), log=True)
    force = draw.amount("force", 0.15, 1.0, ("breathy|soft", "brisk|fresh", "fierce|howling"))
    gust = wander(draw, studio, turns, 0.15, 1.0)
    bed = studio.coloured(((40, 0), (150, 0), (600, -14), (3000, -32), (12000, -55)))
    bands = [unit(band_pass(studio.white(), studio.rate, howl_hz * r / 1.06, howl_hz * r * 1.06)) for r in (0.8, 1.0, 1.25)]
    where = wander(draw, studio, turns, 0, 2)
    howl = sum(band * np.clip(1 - np.abs(where - i), 0, 1) for i, band in enumerate(bands))
    return (bed + 1.5 * force * howl * gust) * gust


def thunder(draw: Draw, studio: Studio) -> np.ndarray:
    sharp = draw.amount("crack", 0.02, 1.0, ("dull|muted", "growling|rough", "sharp|cracking"))
    roll_s = draw.amount("roll", 0.8, 2.2, ("short|brief", "rolling|rumbling", "long|drawn-out"))
    depth_hz = draw.amount("depth", 60, 160, ("deep|bass-heavy", "booming|weighty", "hard|crashing"))
    rumble = studio.coloured(((25, -10), (50, 0), (depth_hz, 0), (4 * depth_hz, -22), (3000, -50), (9000, -80)))
    crack = studio.coloured(((60, -6), (200, 0), (2500, -9), (8000, -25)))
    swell, flash = decay(studio.time(1.5 * roll_s), 1.6 * roll_s, 0.05), decay(studio.time(0.5), 0.25 + 0.2 * sharp, 0.004)
    starts = groups(draw, studio.seconds, roll_s, 0.7)
    delays = draw.rng.uniform(0, 0.3, (len(starts), 4))
    flashes = [(s + d, flash * draw.rng.uniform(0.3, 1)) for s, late in zip(starts, delays, strict=True) for d in late]
    roll = 0.06 + mix(studio, [(s, swell) for s in starts])
    return rumble * roll * wander(draw, studio, 4, 0.35, 1.2) + sharp * crack * mix(studio, flashes)


def fire(draw: Draw, studio: Studio) -> np.ndarray:
    rate = draw.amount("crackle", 5, 60, ("lazy|slow", "lively|steady", "furious|rapid"), log=True)
    pitch = draw.amount("pitch", 900, 3800, ("dull|woody", "dry|brittle", "bright|snapping"), log=True)
    roar = draw.amount("roar", 0.02, 0.35, ("faint|hardly audible", "warm|gentle", "strong|hungry"), log=True)
    times = scattered(draw, studio.seconds, rate)
    snaps = impulses(studio, times, draw.rng.pareto(2.0, len(times)).clip(0.1, 4))
    crackle = ring(snaps, studio.rate, ((pitch, 0.008, 1.0), (pitch * 1.9, 0.005, 0.8), (pitch * 0.45, 0.012, 0.6)))
    bed = studio.coloured(((50, -4), (150, 0), (500, -8), (3000, -25), (10000, -34)))
    return peak(crackle) + roar * bed * wander(draw, studio, 3, 0.4, 1.0)


def fireworks(draw: Draw, studio: Studio) -> np.ndarray:
    bangs = draw.count("bangs", 2, 5)
    sizzle = draw.amount("sizzle", 15, 120, ("sparse|scattered", "crackling|sputtering", "fizzing|sizzling"), log=True)
    boom_hz = draw.amount("boom", 55, 220, ("deep|thudding", "solid|punchy", "sharp|popping"), log=True)
    gap = draw.amount("gap", 0.22, 0.5, ("quick|rapid", "steady|measured", "slow|unhurried"))
    starts = groups(draw, studio.seconds, (bangs - 1) * gap + 0.6, 0.7)
    times = (starts[:, None] + gap * np.arange(bangs)).ravel()
    bang_s = 0.45
    late = studio.time(bang_s)
    out, fizz = [], []
    for start in times:
        boom = np.sin(2 * np.pi * boom_hz * late * (1 - 0.5 * late)) * decay(late, 0.3)
        out.append((start, tapered((boom + 0.8 * studio.white(bang_s) * decay(late, 0.12)) * draw.rng.uniform(0.7, 1), studio.rate, 0.001)))
        fizz.append(start + 0.1 + draw.rng.gamma(2, 0.18, int(sizzle)))
    sparks = ring(impulses(studio, np.concatenate(fizz), 1.0), studio.rate, ((3400, 0.006, 1), (5600, 0.004, 1)))
    whistles = []
    for start in starts[starts > 0.06]:
        n = studio.samples(0.5)
        rise = np.sin(phase_of(shape(n, (0, 1300), (1, 2900)), studio.rate)) * shape(n, (0, 0), (0.3, 0.15), (0.9, 0.12), (1, 0))
        whistles.append((start - 0.5, rise[-max(studio.samples(start), 8) :] if start < 0.5 else rise))
    return mix(studio, out) + 0.35 * peak(sparks) + mix(studio, whistles)


SOUNDS = (
    Sound(
        "rain",
        rain,
        (
            "{density} rain falling on {surface}",
            "{density} rainfall [drumming|pattering] on {surface}",
            "the {hiss} [patter|sound] of {density} rain on {surface}",
            "a {density} shower [splashing|beating] on {surface}",
            "{hiss} raindrops [hitting|landing on] {surface} in a {density} shower",
            "{density} rain with a {hiss} hiss",
        ),
    ),
    Sound(
        "wind",
        wind,
        (
            "{force} wind blowing in {gusts} gusts",
            "a {force} wind with a {howl} [howl|tone]",
            "{gusts} gusts of {force} wind",
            "{howl} wind [sweeping|blowing] in {gusts} waves",
            "the {howl} [moan|voice] of a {force} wind",
            "a {force} breeze [rising and falling|swelling and fading] in {gusts} gusts",
        ),
    ),
    Sound(
        "thunder",
        thunder,
        (
            "{crack} thunder with a {roll} roll",
            "{roll} peals of {crack} thunder",
            "a {depth} thunderstorm with {crack} claps",
            "{depth} thunder rumbling in {roll} rolls",
            "the {roll}, {depth} rumble of thunder",
            "{crack}, {depth} claps of thunder",
        ),
    ),
    Sound(
        "fire",
        fire,
        (
            "a fire [crackling|burning] with {crackle} snaps",
            "{crackle} crackling of a [campfire|wood fire] with a {roar} roar",
            "{pitch} logs popping in a fire at a {crackle} pace",
            "a [bonfire|log fire] giving off {crackle}, {pitch} pops",
            "{pitch} wood crackling over a {roar} blaze",
            "the {crackle} crackle of [flames|burning wood]",
        ),
    ),
    Sound(
        "fireworks",
        fireworks,
        (
            "{bangs} {gap} fireworks going off with {sizzle} sparks",
            "volleys of {bangs} {boom} fireworks",
            "{bangs} {boom} rockets bursting one after another",
            "firework rockets [whistling|fizzing] and bursting {bangs_times} in {gap} succession",
            "{gap} bursts of fireworks with {boom} bangs and {sizzle} trails",
            "{bangs} firework explosions with {sizzle} tails",
        ),
    ),
)
