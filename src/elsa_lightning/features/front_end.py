"""The front end as a module: FOA waveform → log-mel of W and intensity vectors, batched, on any device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.features.intensity import intensity, normalize, power
from elsa_lightning.schema import FeatureConfig

DB_FLOOR = 1e-10
"""Smallest mel power before the logarithm: −100 dB (as LAION-CLAP's extractor)."""


@dataclass
class Features:
    """What the branches read."""

    log_mel: Tensor
    """`(B, 1, F, M)`, dB."""
    intensity: Tensor
    """`(B, 6, F, K)`: active x, y, z, then reactive x, y, z; K STFT bins or mel bands."""


class FrontEnd(nn.Module):
    """Log-mel of W (torchaudio's filterbank, Slaney scale and norm, as LAION-CLAP) and normalised intensity.

    Args:
        cfg: sizes.
        sample_rate: Hz.

    Raises:
        ConfigError: a filterbank that reaches above Nyquist.
    """

    def __init__(self, cfg: FeatureConfig, sample_rate: int) -> None:
        super().__init__()
        from torchaudio.transforms import MelScale

        mel, iv = cfg.mel, cfg.intensity
        if mel.f_max_hz > sample_rate / 2:
            raise ConfigError(
                f"features.mel.f_max_hz = {mel.f_max_hz:g} lies above Nyquist of {sample_rate} Hz",
                f"set it to at most {sample_rate // 2}",
            )
        self.cfg = cfg
        self.mel = MelScale(mel.mels, sample_rate, mel.f_min_hz, mel.f_max_hz, mel.n_fft // 2 + 1, norm="slaney", mel_scale="slaney")
        self.bands = MelScale(iv.bands, sample_rate, 50.0, sample_rate / 2, iv.n_fft // 2 + 1) if iv.bands else None
        self.register_buffer("mel_window", torch.hann_window(mel.n_fft), persistent=False)
        self.register_buffer("intensity_window", torch.hann_window(iv.n_fft), persistent=False)

    @torch.no_grad()
    def forward(self, foa: Tensor) -> Features:
        """Features of a batch.

        Args:
            foa: `(B, 4, T)`, ACN/SN3D.

        Raises:
            DataError: another number of channels.
        """
        if foa.dim() != 3 or foa.shape[1] != 4:
            raise DataError(f"expected FOA of shape (B, 4, T), got {tuple(foa.shape)}", "spatialise mono clips first (`elsa spatialize`)")
        with torch.autocast(foa.device.type, enabled=False):
            foa = foa.float()
            mel, iv = self.cfg.mel, self.cfg.intensity
            spectrum = _stft(foa, iv.n_fft, iv.hop, self.intensity_window)  # (B, 4, K, F)
            shared = (mel.n_fft, mel.hop) == (iv.n_fft, iv.hop)
            omni = spectrum[:, W] if shared else _stft(foa[:, W : W + 1], mel.n_fft, mel.hop, self.mel_window)[:, 0]  # (B, K, F)
            energies = self.mel(power(omni))  # (B, M, F)
            log_mel = 10 * energies.clamp_min(DB_FLOOR).log10().transpose(1, 2)  # (B, F, M)
            vectors, energy = intensity(spectrum)  # (B, 6, K, F), (B, K, F)
            if self.bands is not None:
                vectors, energy = self.bands(vectors), self.bands(energy)  # (B, 6, bands, F), (B, bands, F)
            vectors = normalize(vectors, energy, iv.norm).transpose(2, 3)  # (B, 6, F, K)
        return Features(log_mel.unsqueeze(1), vectors.contiguous())


def _stft(x: Tensor, n_fft: int, hop: int, window: Tensor) -> Tensor:
    """Centred STFT of `(B, C, T)` → `(B, C, K, F)`."""
    batch, channels, length = x.shape
    spectrum = torch.stft(x.reshape(-1, length), n_fft, hop, window=window, return_complex=True)
    return spectrum.reshape(batch, channels, *spectrum.shape[-2:])
