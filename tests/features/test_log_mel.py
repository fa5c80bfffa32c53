"""The log-mel against transformers' extractor of CLAP, in blocks against whole spectra, and through 16-bit integers."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch

import elsa_lightning  # noqa: F401 - lets torchaudio load before transformers asks for it
from elsa_lightning import foley
from elsa_lightning.config import load_experiment
from elsa_lightning.features import FrontEnd
from elsa_lightning.features import spectrum as spectrum_module
from elsa_lightning.features.intensity import intensity, normalize
from elsa_lightning.features.spectrum import int16_round_trip
from elsa_lightning.schema import FeatureConfig, IntensityConfig, SpectrogramConfig

RATE = 48000


def sound(seconds: float, seed: int = 0, channels: int = 4) -> torch.Tensor:
    """A chirp with harmonics over noise that fades from −6 dB to silence, `(1, channels, T)`."""
    time = torch.arange(round(seconds * RATE)) / RATE
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(channels, len(time), generator=generator) * 0.05 * torch.logspace(0, -6, len(time))
    return (noise + 0.3 * torch.sin(2 * torch.pi * (200 + 900 * time) * time)).unsqueeze(0)


def extractor():
    from transformers import ClapFeatureExtractor

    # the class's own defaults are not those of laion/clap-htsat-unfused, whose preprocessor_config.json says these
    return ClapFeatureExtractor(frequency_min=50, frequency_max=14000, truncation="rand_trunc", padding="repeatpad")


@pytest.mark.parametrize("index", [0, 12, 30, 51])
def test_the_log_mel_is_that_of_transformers_extractor(index):
    """To 1e-3 dB in every cell within 70 dB of its frame's loudest. Fainter ones are what float32 leaves of louder neighbours in the
    transform (theirs is float64): up to 0.1 dB at 110 dB below, in tonal clips that are silent in places."""
    clip = np.resize(foley.draw(0, index, "train", sample_rate=RATE).audio, 10 * RATE)
    wanted = extractor()(clip, sampling_rate=RATE, return_tensors="pt")["input_features"]
    found = FrontEnd(FeatureConfig(), RATE)(torch.from_numpy(clip).float().expand(1, 4, -1)).log_mel
    assert wanted.shape == found.shape == (1, 1, 1001, 64)
    error, heard = (found - wanted).abs(), wanted > wanted.amax(3, keepdim=True) - 70
    assert error[heard].max() <= 1e-3  # dB
    assert error.max() < 0.2 and heard.sum() > 20_000


def test_shared_and_own_spectra_and_the_mel_alone_agree():
    foa = sound(1)
    shared = FrontEnd(FeatureConfig(), RATE)
    own = FrontEnd(FeatureConfig(intensity=IntensityConfig(n_fft=512, hop=480)), RATE)
    assert shared.shared and not own.shared
    torch.testing.assert_close(shared(foa).log_mel, own(foa).log_mel, atol=1e-4, rtol=0)
    torch.testing.assert_close(shared(foa).log_mel[:, 0], shared.log_mel(foa[:, 0]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("bands", [0, 16])
@pytest.mark.parametrize("norm", ["unit", "energy"])
@pytest.mark.parametrize("block", [5, 1000])
def test_blocks_of_frames_equal_the_whole_spectrum(monkeypatch, norm, bands, block):
    """Oracle: torch.stft of everything at once."""
    monkeypatch.setattr(spectrum_module, "_BLOCK", block)
    foa = torch.cat([sound(0.5), 1e-3 * sound(0.5, 1)])
    end = FrontEnd(FeatureConfig(intensity=IntensityConfig(norm=norm, bands=bands)), RATE)
    window = torch.hann_window(1024)
    whole = torch.stft(foa.reshape(-1, foa.shape[-1]), 1024, 480, window=window, return_complex=True).reshape(2, 4, 513, -1)
    mels = end.mel(whole[:, 0].abs().square())
    vectors, energy = intensity(whole)
    if bands:
        vectors, energy = end.bands(vectors), end.bands(energy)
    found = end(foa)
    torch.testing.assert_close(found.log_mel[:, 0], 10 * mels.clamp_min(1e-10).log10().transpose(1, 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.intensity, normalize(vectors, energy, norm).transpose(2, 3), atol=2e-4, rtol=0)
    assert found.intensity.is_contiguous()


def test_the_round_trip_is_that_of_laions_loader():
    w = torch.tensor([0.0, 1.0, -1.0, 1.5, -7.0, 0.9 / 32767, -0.9 / 32767, 0.25, 1e-3])
    clipped = np.clip(w.numpy(), -1.0, 1.0)
    wanted = (clipped * np.float32(32767.0)).astype(np.int16) / 32767.0
    torch.testing.assert_close(int16_round_trip(w), torch.from_numpy(wanted.astype(np.float32)), atol=1e-7, rtol=0)
    assert int16_round_trip(w)[5] == int16_round_trip(w)[6] == 0  # cut, not rounded


def test_int16_quantises_the_log_mel_alone():
    foa = 1e-4 * sound(1)  # −80 dBFS: a few integers
    plain, cut = FrontEnd(FeatureConfig(), RATE), FrontEnd(FeatureConfig(mel=SpectrogramConfig(int16=True)), RATE)
    assert torch.equal(plain(foa).intensity, cut(foa).intensity)
    assert (plain(foa).log_mel - cut(foa).log_mel).abs().max() > 1
    quantised = foa.clone()
    quantised[:, 0] = int16_round_trip(foa[:, 0])
    torch.testing.assert_close(cut(foa).log_mel, plain(quantised).log_mel, atol=1e-4, rtol=0)


def test_int16_makes_features_anew_and_is_unknown_to_fingerprints_while_off():
    from elsa_lightning.stages_plan import plan_run, stage_config

    def load(*overrides):
        return load_experiment("experiments/elsa.yaml", "desk", overrides=list(overrides)).experiment

    off, on = load(), load("features.mel.int16=true")
    assert "features.mel.int16" not in stage_config(off, "features_train")
    before, after = ({ref.stage: ref.fingerprint for ref in plan_run(cfg, "c")} for cfg in (off, on))
    same = {stage for stage in before if before[stage] == after[stage]}
    assert same == {"rooms", "text_states"}
