"""All parts together: a function of the key alone, nothing where all is off, and the same draws whatever else is on."""

from dataclasses import fields

import pytest
import torch

from elsa_lightning.data.roughening import roughen
from elsa_lightning.schema import AugmentationConfig

RATE = 16000
PARTS = {
    "noise_snr_db": [5.0, 20.0],
    "mismatch_db": 1.0,
    "low_cut_hz": [40.0, 320.0],
    "rotation_deg": 2.0,
    "aliasing_hz": [3000.0, 7000.0],
    "delay_us": 10.0,
    "phase_deg": 3.0,
    "eq_db": 4.0,
    "self_noise_snr_db": [20.0, 40.0],
    "rumble_snr_db": [10.0, 40.0],
    "dc_offset": 0.02,
    "clip_share": 0.9,
    "level_dbfs": [-60.0, -20.0],
}
REFINE = {"start_share", "start_s", "aliasing_leak", "self_noise_corner_hz", "clip_db"}
ELSEWHERE = {"yaw", "mirror", "mask_frames", "mask_bands", "mel_gain_db"}


@pytest.fixture
def foa():
    return torch.randn(9, 4, 5000, generator=torch.Generator().manual_seed(0))


KEY = torch.arange(9) * 977


def test_every_knob_is_known_here():
    """A new one gets its tests."""
    assert {f.name for f in fields(AugmentationConfig)} == PARTS.keys() | REFINE | ELSEWHERE


@pytest.mark.parametrize(
    "parts", [*([name] for name in PARTS), list(PARTS)], ids=lambda parts: "+".join(parts) if len(parts) < 3 else "all"
)
def test_the_same_bits_alone_and_in_a_batch(foa, parts):
    cfg = AugmentationConfig(**{name: PARTS[name] for name in parts})
    together = roughen(foa, KEY, cfg, RATE)
    assert together.isfinite().all() and not torch.equal(together, foa)
    for rows in (slice(0, 1), slice(4, 5), slice(3, 8)):
        assert torch.equal(roughen(foa[rows], KEY[rows], cfg, RATE), together[rows])
    turned = roughen(foa.flip(0), KEY.flip(0), cfg, RATE).flip(0)
    assert torch.equal(turned, together)
    assert not torch.equal(roughen(foa, KEY + 1, cfg, RATE), together)


def test_threads_change_no_bit():
    """Sums over long clips are split between threads, one clip's otherwise than a batch's."""
    foa, threads = torch.randn(4, 4, 48000, generator=torch.Generator().manual_seed(1)), torch.get_num_threads()
    cfg = AugmentationConfig(**PARTS)
    try:
        torch.set_num_threads(2)
        together = roughen(foa, KEY[:4], cfg, RATE)
        assert all(torch.equal(roughen(foa[b : b + 1], KEY[b : b + 1], cfg, RATE)[0], together[b]) for b in range(4))
    finally:
        torch.set_num_threads(threads)


def test_off_is_the_tensor_itself(foa):
    assert roughen(foa, KEY, AugmentationConfig(), RATE) is foa
    refined = AugmentationConfig(aliasing_leak=0.9, self_noise_corner_hz=[10.0, 20.0], clip_db=[3.0, 4.0], start_share=1.0)
    assert roughen(foa, KEY, refined, RATE) is foa


@pytest.mark.parametrize("part", ["self_noise_snr_db", "rumble_snr_db", "dc_offset"])
def test_other_parts_change_no_draw(foa, part):
    """What a part adds is the same, whatever follows or precedes it with a gain of one."""
    with_rest = {"mismatch_db": 1e-12, "eq_db": 1e-12, "delay_us": 1e-12, "aliasing_hz": [1e9, 1e9]}
    alone, among = (roughen(foa, KEY, AugmentationConfig(**{part: PARTS[part]}, **rest), RATE) for rest in ({}, with_rest))
    assert torch.allclose(alone, among, atol=1e-5)


def test_silence_and_short_clips_stay_finite():
    cfg = AugmentationConfig(**PARTS)
    for length in (1, 7, 400):
        assert roughen(torch.zeros(2, 4, length), KEY[:2], cfg, RATE).isfinite().all()
