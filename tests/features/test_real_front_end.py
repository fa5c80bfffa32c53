"""The front end without complex numbers against the one with an FFT."""

import pytest
import torch

from elsa_lightning.features import FrontEnd
from elsa_lightning.features.real_front_end import RealFrontEnd, RealSpectrum
from elsa_lightning.schema import FeatureConfig, IntensityConfig, SpectrogramConfig

RATE = 16000


def test_the_spectrum_is_the_dft_of_mirrored_frames():
    """By hand: one frame in the middle, and the first one, whose left half is the mirrored right one."""
    x = torch.randn(1, 2, 400, dtype=torch.float64)
    real, imaginary = RealSpectrum(torch.hann_window(64), 16)(x.float())
    assert real.shape == (1, 2, 26, 33)
    window = torch.hann_window(64, dtype=torch.float64)
    mirrored = torch.cat([x[..., 1:33].flip(-1), x[..., :32]], -1)
    for frame, samples in ((0, mirrored), (5, x[..., 5 * 16 - 32 : 5 * 16 + 32])):
        wanted = torch.fft.rfft(samples * window)
        assert torch.allclose(real[:, :, frame].double(), wanted.real, atol=1e-4)
        assert torch.allclose(imaginary[:, :, frame].double(), wanted.imag, atol=1e-4)


@pytest.mark.parametrize("norm", ["unit", "energy"])
@pytest.mark.parametrize(("bands", "n_fft", "int16"), [(32, 512, False), (0, 512, False), (16, 256, False), (32, 512, True)])
def test_features_are_those_of_the_front_end(norm, bands, n_fft, int16):
    mel = SpectrogramConfig(n_fft=512, hop=160, f_max_hz=7600.0, int16=int16)
    cfg = FeatureConfig(mel=mel, intensity=IntensityConfig(n_fft=n_fft, hop=160, bands=bands, norm=norm))
    front_end = FrontEnd(cfg, RATE)
    foa = 0.3 * torch.randn(3, 4, 4000, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.5, 0.2, 0.9])[:, None]
    wanted, found = front_end(foa), RealFrontEnd(front_end)(foa)
    assert found.log_mel.shape == wanted.log_mel.shape and found.intensity.shape == wanted.intensity.shape
    assert torch.allclose(found.log_mel, wanted.log_mel, atol=1e-3)
    off = (found.intensity - wanted.intensity).abs()
    # the first and the last frame mirror themselves: no reactive intensity but rounding, which `unit` blows up, in either front end
    assert off[:, :3].max() < 1e-4 and off[:, 3:, 1:-1].max() < 1e-4
    assert norm == "unit" or off.max() < 1e-4
