"""The front end by the laws of physics: plane waves, standing waves, silence, rotations."""

import math

import pytest
import torch

from elsa_lightning.acoustics.ambisonics import direction_from_angles, encode, mirror_left_right, rotate_yaw
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.features import FrontEnd
from elsa_lightning.features.intensity import intensity, normalize, turn
from elsa_lightning.schema import FeatureConfig, IntensityConfig, SpectrogramConfig

RATE = 16000


def front_end(norm="energy", bands=0, mel_fft=512):
    mel = SpectrogramConfig(n_fft=mel_fft, hop=320, f_max_hz=7600.0)
    return FrontEnd(FeatureConfig(mel=mel, intensity=IntensityConfig(n_fft=512, hop=320, norm=norm, bands=bands)), RATE)


def noise(count=1, seed=0, samples=RATE):
    return torch.randn(count, samples, generator=torch.Generator().manual_seed(seed))


SIX = torch.tensor([[0.0, 0.0], [90.0, 0.0], [-90.0, 0.0], [180.0, 0.0], [0.0, 90.0], [30.0, -60.0]]).deg2rad()


@pytest.mark.parametrize("bands", [0, 16])
@pytest.mark.parametrize("norm", ["unit", "energy"])
def test_a_plane_wave_points_to_its_source_with_norm_one(norm, bands):
    wanted = direction_from_angles(SIX[:, 0], SIX[:, 1])
    features = front_end(norm, bands)(encode(noise().expand(6, -1), wanted))
    active, reactive = features.intensity[:, :3], features.intensity[:, 3:]
    mean = active[..., 1:-1, 2:].mean((2, 3))  # (6, 3); the lowest bins of a finite frame hold little
    assert torch.allclose(mean, wanted, atol=1e-3)
    if norm == "energy":
        assert reactive.abs().max() < 1e-3


def test_two_coherent_waves_out_of_phase_are_reactive_with_the_sign_of_conj_w_times_dipole():
    time = torch.arange(RATE) / RATE
    front, left = torch.cos(2 * math.pi * 1000 * time), torch.sin(2 * math.pi * 1000 * time)
    foa = encode(front[None], torch.tensor([[1.0, 0, 0]])) + encode(left[None], torch.tensor([[0, 1.0, 0]]))
    spectrum = torch.stft(foa[0], 512, 320, window=torch.hann_window(512), return_complex=True)[None]
    vectors, _ = intensity(spectrum)
    bin_ = 1000 * 512 // RATE
    x, y = vectors[0, 3, bin_, 5], vectors[0, 4, bin_, 5]
    # W = f + l, X = f, Y = l = −i f in the spectrum: Im conj(f − if)·f = +|f|², Im conj(f − if)·(−if) = −|f|²
    assert x > 0 and y < 0 and torch.isclose(x, -y, rtol=1e-3)


def test_components_stay_within_one_and_silence_gives_zeros():
    foa = torch.randn(2, 4, RATE, generator=torch.Generator().manual_seed(1))
    foa[1] = 0
    foa[0, :, 8000:] = 0
    for norm in ("unit", "energy"):
        vectors = front_end(norm)(foa).intensity
        assert vectors.isfinite().all() and vectors.abs().max() <= 1 + 1e-5
        assert vectors[1].abs().max() == 0


def test_level_does_not_matter_however_faint():
    foa = encode(noise(), torch.tensor([[0.6, 0.8, 0.0]]))
    loud, faint = (front_end(bands=16)(gain * foa).intensity for gain in (1.0, 1e-5))
    assert torch.allclose(loud, faint, atol=1e-4)


def test_turned_intensity_is_the_intensity_of_the_turned_scene():
    foa = torch.randn(3, 4, RATE, generator=torch.Generator().manual_seed(2))
    yaw, mirror = torch.tensor([0.3, -2.0, 1.0]), torch.tensor([False, True, True])
    end = front_end(bands=16)
    direct = end(rotate_yaw(mirror_left_right(foa, mirror), yaw)).intensity
    assert torch.allclose(turn(end(foa).intensity, yaw, mirror), direct, atol=1e-5)


def test_unit_norm_is_per_bin_and_per_kind():
    vectors = torch.randn(1, 6, 4, 5, generator=torch.Generator().manual_seed(3))
    unit = normalize(vectors, torch.ones(1, 4, 5), "unit")
    for start in (0, 3):
        assert torch.allclose(unit[:, start : start + 3].norm(dim=1), torch.ones(1, 4, 5), atol=1e-4)


def test_mel_equals_torchaudio_on_w_with_and_without_a_shared_stft():
    from torchaudio.transforms import MelSpectrogram

    foa = torch.randn(1, 4, RATE, generator=torch.Generator().manual_seed(4))
    for n_fft in (512, 1024):
        mel = MelSpectrogram(RATE, n_fft, hop_length=320, f_min=50, f_max=7600, n_mels=64, norm="slaney", mel_scale="slaney")
        wanted = 10 * mel(foa[:, 0]).clamp_min(1e-10).log10().transpose(1, 2)
        assert torch.allclose(front_end(mel_fft=n_fft)(foa).log_mel[:, 0], wanted, atol=1e-3)


def test_autocast_does_not_reach_the_features():
    foa = encode(noise(), torch.tensor([[0.6, 0.8, 0.0]]))
    with torch.autocast("cpu", torch.bfloat16):
        inside = front_end()(foa)
    assert inside.log_mel.dtype == torch.float32
    assert torch.equal(inside.intensity, front_end()(foa).intensity)


def test_wrong_channels_and_bands_above_nyquist_are_refused():
    with pytest.raises(DataError, match="FOA"):
        front_end()(torch.zeros(2, 2, 4000))
    with pytest.raises(ConfigError, match="Nyquist"):
        FrontEnd(FeatureConfig(), RATE)
