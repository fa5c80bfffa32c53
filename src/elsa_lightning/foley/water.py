"""The sea, a brook, drops, pouring and bubbles."""

from __future__ import annotations

import numpy as np

from elsa_lightning.foley.parameters import Draw
from elsa_lightning.foley.signals import Studio, band_pass, decay, impulses, mix, peak, ring, tapered, unit
from elsa_lightning.foley.sound import Sound
from elsa_lightning.foley.timing import regular, scattered, wander


def _blip(studio: Studio, hz: float, rise: float, t60_s: float) -> np.ndarray:
    """The rising chirp of one bubble under water (its pitch rises as it nears the surface)."""
    time = studio.time(t60_s)
    freq = hz * (1 + rise * time / t60_s)
    return np.sin(2 * np.pi * np.cumsum(freq) / studio.rate) * decay(time, t60_s)


def sea_waves(draw: Draw, studio: Studio) -> np.ndarray:
    period = draw.amount("period", 1.4, 3.0, ("quick|choppy", "rolling|regular", "slow|unhurried"))
    foam = draw.amount("foam", -12, 6, ("dull|heavy", "rushing|washing", "hissing|foaming"))
    surge = draw.amount("surge", 0.2, 1.0, ("gentle|soft", "swelling|steady", "crashing|breaking"))
    bed = studio.coloured(((40, -4), (120, 0), (500, -4), (2000, -12), (8000, -26)))
    wash = studio.coloured(((200, -18), (700, -4), (3000, foam), (9000, foam - 8)))
    time = studio.time()
    swell = np.full(studio.length, 0.08)
    for start in regular(draw, studio.seconds + period, period, 0.25) - period:
        late = (time - start) / period
        swell += np.interp(late, (0, 0.3 - 0.15 * surge, 0.5, 1.4), (0, 1, 0.35, 0))
    return bed * 0.4 * (0.3 + 0.7 * swell) + wash * swell ** (1 + surge)


def stream(draw: Draw, studio: Studio) -> np.ndarray:
    flow = draw.amount("flow", 40, 260, ("trickling|thin", "babbling|lively", "rushing|swift"), log=True)
    pitch = draw.amount("pitch", 420, 1300, ("deep|dark", "mellow|rounded", "bright|glassy"), log=True)
    wash = draw.amount("wash", 0.05, 0.6, ("smooth|quiet", "rippling|playful", "foaming|frothy"), log=True)
    bank = [_blip(studio, pitch * 2 ** (i / 4 - 1.2), 0.25, 0.035 - 0.0018 * i) for i in range(12)]
    times = scattered(draw, studio.seconds, flow)
    which, gains = draw.rng.integers(0, 12, len(times)), draw.rng.gamma(1.2, 1, len(times))
    gurgle = mix(studio, ((t, g * bank[i]) for t, i, g in zip(times, which, gains, strict=True)))
    bed = studio.coloured(((100, -18), (400, -4), (1500, 0), (5000, -14), (12000, -28)))
    return unit(gurgle) * wander(draw, studio, 3, 0.5, 1) + wash * bed


def water_drops(draw: Draw, studio: Studio) -> np.ndarray:
    interval = draw.amount("pace", 0.22, 1.2, ("quick|hurried", "moderate|medium-paced", "slow|lazy"), log=True)
    pitch = draw.amount("pitch", 500, 2200, ("deep|low-pitched", "round|mellow", "bright|high-pitched"), log=True)
    wobble = draw.amount("evenness", 0.0, 0.5, ("even|clockwork", "slightly uneven|loose", "irregular|erratic"))
    vessel = draw.pick("vessel", {"sink": "a metal sink|a steel basin", "puddle": "a puddle|a pool of water", "bucket": "a bucket|a pail"})
    events, strikes = [], regular(draw, studio.seconds, interval, wobble)
    for start, bend in zip(strikes, draw.jitter(0.06, len(strikes)), strict=True):
        events += [(start, 0.25 * _blip(studio, pitch * 2.4, 0.0, 0.02)), (start + 0.03, _blip(studio, pitch * bend, 0.35, 0.13))]
    modes = {"sink": ((1130, 0.25, 0.10), (2710, 0.2, 0.08)), "bucket": ((310, 0.15, 0.25), (560, 0.1, 0.15)), "puddle": ()}[vessel]
    return mix(studio, events) + ring(impulses(studio, strikes), studio.rate, modes)


def pouring_water(draw: Draw, studio: Studio) -> np.ndarray:
    start_hz = draw.amount("vessel", 260, 620, ("a jug|a big pitcher", "a mug|a bowl", "a glass|a narrow tumbler"), log=True)
    flow = draw.amount("flow", 40, 200, ("thin|slow", "even|steady", "gushing|fast"), log=True)
    fizz = draw.amount("splash", 0.1, 0.7, ("quiet|smooth", "bubbling|gurgling", "splashing|splattering"))
    cycle = 2.5 if studio.seconds <= 2.5 else studio.seconds / round(studio.seconds / 2.5)
    rise = (studio.time() % cycle) / cycle  # the vessel fills, its air column shortens
    source = studio.coloured(((100, -14), (400, 0), (2000, -4), (6000, -12), (14000, -22)))
    out = fizz * 0.5 * source
    for i, step in enumerate(np.linspace(0, 1, 5)):
        centre = start_hz * 2.6**step
        weight = np.clip(1 - np.abs(rise * 4 - i), 0, 1)
        out += weight * 1.6 * unit(band_pass(source, studio.rate, centre / 1.07, centre * 1.07))
    times = scattered(draw, studio.seconds, flow)
    bank = [_blip(studio, start_hz * 2 ** (0.8 + i / 3), 0.3, 0.03) for i in range(8)]
    blips = mix(studio, ((t, bank[i]) for t, i in zip(times, draw.rng.integers(0, 8, len(times)), strict=True)))
    return (out + fizz * 1.4 * unit(blips)) * np.interp(rise * cycle, (0, 0.08, cycle - 0.25, cycle - 0.1), (0, 1, 1, 0))


def bubbles(draw: Draw, studio: Studio) -> np.ndarray:
    rate = draw.amount("rate", 4, 26, ("slow|lazy", "steady|regular", "rapid|vigorous"), log=True)
    pitch = draw.amount("pitch", 180, 720, ("deep|big", "round|medium-sized", "tiny|high-pitched"), log=True)
    rise = draw.amount("rise", 0.3, 1.6, ("flat|blunt", "rising|popping", "chirping|squeaking"))
    times = scattered(draw, studio.seconds, rate)
    pitches = pitch * 2 ** draw.rng.uniform(-0.45, 0.45, len(times))
    gains = draw.rng.uniform(0.3, 1, len(times))
    grains = [tapered(_blip(studio, f, rise, 45 / f + 0.03), studio.rate, 0.003) * g for f, g in zip(pitches, gains, strict=True)]
    murmur = studio.coloured(((60, -5), (200, 0), (800, -12), (4000, -40)))
    return peak(mix(studio, zip(times, grains, strict=True))) + 0.02 * murmur


SOUNDS = (
    Sound(
        "sea waves",
        sea_waves,
        (
            "{period} waves [breaking|washing] on a beach with a {foam} sound",
            "{surge} sea waves rolling in at a {period} rhythm",
            "the {surge} surf of the [sea|ocean]",
            "{foam} ocean waves with a {period} rhythm",
            "a {surge} sea with {foam} surf",
            "{period} ocean swell [lapping|running] over sand",
        ),
    ),
    Sound(
        "stream",
        stream,
        (
            "a {flow} stream with a {pitch} gurgle",
            "{flow} water running [over stones|along a brook]",
            "a {flow} brook with {wash} water",
            "{wash} water in a {flow} creek",
            "the {pitch} [burble|murmur] of a {flow} brook",
            "a {wash} creek [flowing|running] over pebbles",
        ),
    ),
    Sound(
        "water drops",
        water_drops,
        (
            "a {pace} drip of water",
            "{pace}, {pitch} drops of water [falling|dripping] into {vessel}",
            "a [tap|faucet] dripping at a {pace}, {evenness} pace",
            "{pitch} water drops [plopping|dripping] into {vessel}",
            "{evenness} dripping of water into {vessel}",
            "a {pitch} drip-drop of water into {vessel}",
        ),
    ),
    Sound(
        "pouring water",
        pouring_water,
        (
            "a {flow} stream of water being poured into {vessel}",
            "{vessel} being filled with {splash} water",
            "{splash} water poured into {vessel}",
            "the {splash} sound of {vessel} filling with water",
            "{flow} pouring of [water|a drink] into {vessel}",
            "somebody pouring [water|a drink] into {vessel} in a {flow} stream",
        ),
    ),
    Sound(
        "bubbles",
        bubbles,
        (
            "{rate} bubbles [rising|bursting] in a liquid",
            "{pitch} bubbles blown into water at a {rate} rate",
            "{rate} bubbling with {pitch} bubbles",
            "the {rate} [blub|burble] of {pitch} bubbles",
            "{rise} bubbles [gurgling|popping] in water",
            "a {rate} stream of {rise} bubbles",
        ),
    ),
)
