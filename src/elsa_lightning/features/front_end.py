"""The front end as a module: FOA waveform → log-mel of W and intensity vectors, batched, on any device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.features.intensity import floor_of, intensity, normalize_, power
from elsa_lightning.features.spectrum import blocks, frames_of, int16_round_trip
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
        top = int(self.mel.fb.any(1).nonzero().max()) + 1  # bins above the highest band are never looked at
        self.register_buffer("mel_weights", self.mel.fb[:top].clone(), persistent=False)  # (bins, M)
        self.register_buffer("mel_window", torch.hann_window(mel.n_fft), persistent=False)
        self.register_buffer("intensity_window", torch.hann_window(iv.n_fft), persistent=False)
        self.shared = (mel.n_fft, mel.hop) == (iv.n_fft, iv.hop) and not mel.int16

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
            frames = frames_of(foa, self.cfg.intensity.n_fft, self.cfg.intensity.hop)  # (B, 4, F, n_fft), a view
            mels = self._empty(frames, self.mel_weights.shape[1]) if self.shared else None
            vectors = self._vectors(frames, mels)
            log_mel = self.log_mel(foa[:, W]) if mels is None else _decibels(mels)
        return Features(log_mel.unsqueeze(1), vectors)

    @torch.no_grad()
    def log_mel(self, w: Tensor) -> Tensor:
        """Log-mel alone, in dB, of the omnidirectional channel `(B, T)`: `(B, F, M)`."""
        mel = self.cfg.mel
        w = int16_round_trip(w.float()) if mel.int16 else w.float()
        frames = frames_of(w.unsqueeze(1), mel.n_fft, mel.hop)  # (B, 1, F, n_fft), a view
        mels = self._empty(frames, self.mel_weights.shape[1])
        for clips, part in blocks(frames):
            self._fill_mels(mels[clips, part], torch.fft.rfft(frames[clips, 0, part] * self.mel_window))
        return _decibels(mels)

    def _vectors(self, frames: Tensor, mels: Tensor | None) -> Tensor:
        """Normalised intensity `(B, 6, F, K)`; on the way `mels (B, F, M)` is filled where there is one."""
        bands = None if self.bands is None else self.bands.fb  # (bins, K)
        bins = frames.shape[-1] // 2 + 1 if bands is None else bands.shape[1]
        vectors, energy = frames.new_empty(len(frames), 6, frames.shape[2], bins), self._empty(frames, bins)
        for clips, part in blocks(frames):
            spectrum = torch.fft.rfft(frames[clips, :, part] * self.intensity_window)  # (b, 4, f, bins)
            if mels is not None:
                self._fill_mels(mels[clips, part], spectrum[:, W])
            raw, energies = intensity(spectrum)
            vectors[clips, :, part] = raw if bands is None else raw @ bands
            energy[clips, part] = energies if bands is None else energies @ bands
        floor = floor_of(energy)  # (B, 1, 1)
        for clips, part in blocks(frames):
            normalize_(vectors[clips, :, part], energy[clips, part], floor[clips], self.cfg.intensity.norm)
        return vectors

    def _fill_mels(self, mels: Tensor, spectrum: Tensor) -> None:
        """Mel energies of a spectrum `(b, f, bins)` into `mels (b, f, M)`."""
        mels.copy_(power(spectrum[..., : len(self.mel_weights)]) @ self.mel_weights)

    @staticmethod
    def _empty(frames: Tensor, width: int) -> Tensor:
        return frames.new_empty(len(frames), frames.shape[2], width)  # (B, F, width)


def _decibels(mels: Tensor) -> Tensor:
    """Mel energies in dB, in place."""
    return mels.clamp_min_(DB_FLOOR).log10_().mul_(10)
