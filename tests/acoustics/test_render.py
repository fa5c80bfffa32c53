import torch
from torch.nn.functional import normalize

from elsa_lightning.acoustics.ambisonics import DIPOLES_XYZ, W
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND
from elsa_lightning.acoustics.render import render_rir

RATE = 16000


def direct_intensity(rir: torch.Tensor, distance_m: torch.Tensor, rate: int, reach_s: float = 0.00125) -> torch.Tensor:
    """(B, 3) unit direction of the intensity in a window about the direct sound."""
    arrival = distance_m * rate / SPEED_OF_SOUND
    sample = torch.arange(rir.shape[-1])
    window = ((sample - arrival[:, None]).abs() <= reach_s * rate)[:, None]
    return normalize((rir[:, [W]] * rir[:, list(DIPOLES_XYZ)] * window).sum(-1), dim=-1)


def test_batch_invariant_to_the_bit(drawn, rooms):
    together = render_rir(drawn, RATE, 0.4, rooms.bands_hz)
    for i in (0, 5, 7):
        alone = render_rir(drawn.select(slice(i, i + 1)), RATE, 0.4, rooms.bands_hz)
        assert torch.equal(alone[0], together[i])
    assert torch.equal(render_rir(drawn, RATE, 0.4, rooms.bands_hz, chunk=3), together)


def test_a_longer_response_begins_with_the_shorter_one(drawn, rooms):
    part = drawn.select(slice(0, 2))
    short, long = render_rir(part, RATE, 0.31, rooms.bands_hz), render_rir(part, RATE, 0.7, rooms.bands_hz)
    assert torch.equal(long[..., : short.shape[-1]], short)


def test_noise_seed_changes_the_tail_only(drawn, rooms):
    part = drawn.select(slice(0, 1))
    before = render_rir(part, RATE, 0.4, rooms.bands_hz)
    part.noise_seed = part.noise_seed + 1
    after = render_rir(part, RATE, 0.4, rooms.bands_hz)
    early = int(0.09 * RATE)
    assert torch.equal(before[..., :early], after[..., :early])
    assert not torch.allclose(before[..., 2 * early :], after[..., 2 * early :])


def test_direct_sound_comes_from_the_source(one_room):
    rir = render_rir(one_room, 48000, 0.1, [1000.0])
    expected = one_room.direction
    assert (direct_intensity(rir, one_room.distance_m, 48000) - expected).norm() < 0.0175  # 1°


def test_high_pass_removes_the_build_up_at_zero_frequency(one_room):
    with_it, without = (render_rir(one_room, RATE, 0.6, [1000.0], high_pass_hz=cut_off)[0, W] for cut_off in (20.0, 0.0))
    assert with_it.sum().abs() < 0.02 * without.sum()


def test_dropped_bands_leave_the_same_response(drawn, rooms):
    part = drawn.select(slice(0, 1))
    padded = drawn.select(slice(0, 1))
    padded.absorption = torch.cat([part.absorption, torch.full((1, 6, 2), 0.9)], dim=-1)  # 8 and 16 kHz, which 16 kHz cannot carry
    assert torch.equal(render_rir(part, RATE, 0.3, rooms.bands_hz), render_rir(padded, RATE, 0.3, rooms.bands_hz))


def test_very_short_responses_are_cut_images(one_room):
    whole, cut = (render_rir(one_room, RATE, seconds, [1000.0]) for seconds in (0.3, 0.02))
    assert cut.shape == (1, 4, 320)
    assert torch.equal(cut, whole[..., :320])
