"""pyroomacoustics as the oracle of our own engine."""

import dataclasses

import pytest
import torch

from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.acoustics.decay import c50_db, drr_db, energy_decay_db, t30_s
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.measure import OCTAVE_T30
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.errors import DataError

pra = pytest.importorskip("pyroomacoustics")

from elsa_lightning.acoustics.engine_pyroomacoustics import (  # noqa: E402
    _hybrid,
    full_order,
    render_rir_pyroomacoustics,
)

RATE = 16000


@pytest.fixture(scope="module")
def small_rooms() -> Scene:
    """Two small rooms whose full image method is affordable, with unequal walls."""
    return Scene(
        size=torch.tensor([[4.1, 3.3, 2.6], [5.2, 3.9, 2.9]]),
        source=torch.tensor([[2.9, 2.2, 1.7], [1.1, 3.0, 1.2]]),
        microphone=torch.tensor([[1.3, 1.2, 1.1], [3.7, 1.4, 1.6]]),
        absorption=torch.tensor([[0.5, 0.3, 0.4, 0.4, 0.3, 0.5], [0.35] * 6])[:, :, None],
        diffuseness=torch.zeros(2),
        noise_seed=torch.tensor([1, 2]),
    )


def below(rir: torch.Tensor, share: float = 0.8) -> torch.Tensor:
    """Without what lies above `share` of the Nyquist frequency, where fractional delays are tapered."""
    spectrum = torch.fft.rfft(rir, n=2 * rir.shape[-1])
    spectrum[..., int(share * spectrum.shape[-1]) :] = 0
    return torch.fft.irfft(spectrum)[..., : rir.shape[-1]]


def test_early_part_sample_by_sample(small_rooms):
    arguments = (small_rooms, RATE, 0.1, [1000.0], False, 0.0)
    ours, theirs = render_rir(*arguments), render_rir_pyroomacoustics(*arguments)
    samples = int(0.09 * RATE)  # before the mixing time
    ours, theirs = below(ours)[..., :samples], below(theirs)[..., :samples]
    error = (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)  # (2, 4): W, Y, Z, X
    assert error.max() < 4e-3


def test_decay_against_the_full_image_method(small_rooms):
    arguments = (small_rooms, RATE, 0.4, [1000.0], False, 20.0)
    ours, theirs = render_rir(*arguments)[:, 0], render_rir_pyroomacoustics(*arguments)[:, 0]
    assert (t30_s(ours, RATE) / t30_s(theirs, RATE) - 1).abs().max() < 0.10
    arrival = small_rooms.distance_m * RATE / SPEED_OF_SOUND
    assert (c50_db(ours, RATE, arrival) - c50_db(theirs, RATE, arrival)).abs().max() < 0.5
    assert (drr_db(ours, RATE, arrival) - drr_db(theirs, RATE, arrival)).abs().max() < 0.5
    decay_ours, decay_theirs = energy_decay_db(ours), energy_decay_db(theirs)
    shown = decay_theirs > -30
    assert ((decay_ours - decay_theirs).abs() * shown).max() < 4.0


def test_direct_sound_points_to_the_source_in_both(small_rooms):
    arguments = (small_rooms, 48000, 0.03, [1000.0], False, 0.0)
    ours, theirs = render_rir(*arguments), render_rir_pyroomacoustics(*arguments)
    for rir in (ours, theirs):
        arrival = small_rooms.distance_m * 48000 / SPEED_OF_SOUND
        near = ((torch.arange(rir.shape[-1]) - arrival[:, None]).abs() <= 60)[:, None]  # ±1.25 ms
        intensity = (rir[:, [0]] * rir[:, [3, 1, 2]] * near).sum(-1)
        cosine = torch.nn.functional.cosine_similarity(intensity.double(), small_rooms.direction.double())
        assert torch.rad2deg(torch.arccos(cosine.clamp(max=1.0))).max() < 1.0


def test_octave_bands_agree(small_rooms):
    bands = [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0]
    room = small_rooms.select(slice(0, 1))
    room.absorption = torch.linspace(0.15, 0.7, 6).expand(1, 6, 6).contiguous()
    ours = render_rir(room, RATE, 0.06, bands, False, 0.0)
    theirs = render_rir_pyroomacoustics(room, RATE, 0.06, bands, False, 0.0)
    power = [torch.fft.rfft(rir[0, 0], n=4096).abs().square() for rir in (ours, theirs)]
    for centre in bands[:-1]:
        octave = slice(int(centre / 2**0.5 / RATE * 4096), int(centre * 2**0.5 / RATE * 4096))
        assert abs(10 * torch.log10(power[0][octave].sum() / power[1][octave].sum())) < 0.06


def test_the_librarys_switch_is_left_as_it_was(small_rooms):
    before = pra.constants.get("rir_hpf_enable")
    render_rir_pyroomacoustics(small_rooms.select(slice(0, 1)), RATE, 0.02, [1000.0], max_order=1)
    assert pra.constants.get("rir_hpf_enable") == before


def test_labels_are_measured_on_the_whole_decay(rooms):
    """A stored response too short for its T30 gave one far too short, or NaN."""
    scene = draw_rooms(1, dataclasses.replace(rooms.ranges, t30_s=[0.45, 0.5]), rooms, 3, "train", RATE)
    short = dataclasses.replace(rooms, rir_s=0.1, bands_hz=[1000.0])
    rir, labels = _hybrid(Scene(**{**scene.tensors(), "absorption": scene.absorption[..., :1]}), short, RATE, [1000.0])
    assert rir.shape == (1, 4, 1600) and t30_s(rir[:, 0], RATE).item() < 0.3  # what the cut alone would say
    assert 0.3 < labels["t30_s"].item() < 0.7 and labels[OCTAVE_T30].shape == (1, 1)
    again, _ = _hybrid(Scene(**{**scene.tensors(), "absorption": scene.absorption[..., :1]}), short, RATE, [])
    assert torch.equal(again, rir)  # rays and noise are drawn by the scene's seed: this test failed now and then before they were


def test_full_order_reaches_every_image():
    assert full_order([5.0, 4.0, 3.0], 0.1) >= int(34.3 / 3.0) + 1


def test_a_bank_of_images_agrees_with_ours_without_scattering(rooms):
    short = dataclasses.replace(rooms, engine="pyroomacoustics_images", diffuseness=[0.0, 0.0], train=2, rir_s=0.25, bands_hz=[1000.0])
    short = dataclasses.replace(short, air=False, ranges=dataclasses.replace(rooms.ranges, t30_s=[0.2, 0.25]))
    theirs, ours = build_bank(short, RATE, "train"), build_bank(dataclasses.replace(short, engine="shoebox"), RATE, "train")
    assert torch.allclose(theirs.labels["t30_s"], ours.labels["t30_s"], rtol=0.1)
    assert (theirs.labels["c50_db"] - ours.labels["c50_db"]).abs().max() < 0.5
    early = round(0.09 * RATE)  # before the mixing time: images alone
    both = [torch.fft.rfft(bank.rir(torch.arange(2))[..., :early])[..., : int(0.8 * early / 2)] for bank in (theirs, ours)]
    assert (both[0] - both[1]).norm() / both[1].norm() < 0.01


def test_too_many_images_are_refused_before_any_is_rendered(rooms):
    far = dataclasses.replace(rooms, engine="pyroomacoustics_images", diffuseness=[0.0, 0.0], rir_s=4.0)
    with pytest.raises(DataError, match="6 of 6 rooms have more than 20,000,000 images") as caught:
        build_bank(far, RATE, "train")
    assert "rooms.rir_s" in caught.value.remedy
