import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.acoustics.ambisonics import DIPOLES_XYZ, W
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND
from elsa_lightning.acoustics.image_source import find_images
from elsa_lightning.acoustics.late_energy import mixing_time_s
from elsa_lightning.acoustics.render import JOINT_S, MOST_IMAGES, render_rir
from elsa_lightning.errors import DataError

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


@pytest.mark.parametrize("options", [(RATE, 0.0), (RATE, -1.0), (0, 0.3), (-RATE, 0.3), (100, 0.001), (RATE, float("nan"))])
def test_a_response_without_samples_is_refused(one_room, options):
    with pytest.raises(DataError, match="a response of"):
        render_rir(one_room, *options, [1000.0])


@pytest.mark.parametrize("side", [1000.0, 0.2])
def test_rooms_with_more_images_than_memory_are_refused(one_room, side):
    """A cubic kilometre asked for 10¹² images; the count is that of the images that are found where they can be."""
    one_room.size = torch.full((1, 3), side)
    one_room.source, one_room.microphone = (share * one_room.size for share in (0.3, 0.6))
    with pytest.raises(DataError, match=r"room 0: .* image sources"):
        render_rir(one_room, RATE, 0.1, [1000.0])
    one_room.size = torch.tensor([[5.0, 4.0, 3.0]])
    one_room.source, one_room.microphone = (share * one_room.size for share in (0.3, 0.6))
    assert render_rir(one_room, RATE, 0.1, [1000.0]).isfinite().all()


def test_the_images_are_as_many_as_the_limit_counts(one_room, monkeypatch):
    reach = (mixing_time_s(one_room.volume_m3) + JOINT_S) * SPEED_OF_SOUND
    count = len(find_images(one_room, reach, torch.zeros(1)).distance)
    for limit, refused in ((0.9 * count, True), (1.1 * count, False)):
        monkeypatch.setattr("elsa_lightning.acoustics.render.MOST_IMAGES", limit)
        if refused:
            with pytest.raises(DataError, match="image sources"):
                render_rir(one_room, RATE, 0.1, [1000.0])
        else:
            render_rir(one_room, RATE, 0.1, [1000.0])
    assert count < MOST_IMAGES


def test_scenes_in_double_precision(one_room):
    single = render_rir(one_room, RATE, 0.3, [1000.0])
    for name in ("size", "source", "microphone", "absorption", "diffuseness"):
        setattr(one_room, name, getattr(one_room, name).double())
    double = render_rir(one_room, RATE, 0.3, [1000.0])
    assert double.dtype == torch.float32 and (double - single).norm() < 1e-3 * single.norm()
