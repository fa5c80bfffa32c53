"""The front end without complex numbers, for graphs that leave this package: ONNX runtimes know no complex tensors.

A short-time spectrum is a convolution with windowed cosines and sines, hop by hop: one matrix multiplication instead of an FFT, the same
numbers but for rounding. `FrontEnd` is its oracle (tests/features/test_real_front_end.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from elsa_lightning.acoustics.ambisonics import W, X, Y, Z
from elsa_lightning.features.front_end import DB_FLOOR, Features, FrontEnd
from elsa_lightning.features.intensity import floor_of
from elsa_lightning.features.spectrum import int16_round_trip


class RealSpectrum(nn.Module):
    """Centred short-time spectra, mirrored at the ends: `(B, C, T)` → real and imaginary parts `(B, C, F, n_fft // 2 + 1)`.

    Args:
        window: `(n_fft,)`.
        hop: samples from frame to frame.
    """

    def __init__(self, window: Tensor, hop: int) -> None:
        super().__init__()
        n, self.hop = len(window), hop
        steps = torch.outer(torch.arange(n // 2 + 1), torch.arange(n)) % n  # whole turns taken off: exact angles at any n
        angles = steps.double() * (2 * torch.pi / n)
        waves = torch.cat([angles.cos(), -angles.sin()]) * window.double().cpu()
        self.register_buffer("waves", waves.float().unsqueeze(1), persistent=False)  # (2 · bins, 1, n)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        channels, half = x.shape[1], self.waves.shape[-1] // 2
        padded = functional.pad(x.flatten(0, 1).unsqueeze(1), (half, half), mode="reflect")  # (B · C, 1, T + n)
        parts = functional.conv1d(padded, self.waves, stride=self.hop).transpose(1, 2)  # (B · C, F, 2 · bins)
        real, imaginary = parts.unflatten(0, (-1, channels)).chunk(2, -1)
        return real, imaginary


class RealFrontEnd(nn.Module):
    """What `FrontEnd` computes, in operations on real numbers that torch.export and ONNX know.

    Args:
        front_end: whose sizes, filterbanks and windows it takes.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        cfg = self.cfg = front_end.cfg
        self.spectrum = RealSpectrum(front_end.intensity_window, cfg.intensity.hop)
        self.mel_spectrum = None if front_end.shared else RealSpectrum(front_end.mel_window, cfg.mel.hop)
        self.register_buffer("mel_weights", front_end.mel_weights.cpu().clone(), persistent=False)  # (bins, M)
        bands = None if front_end.bands is None else front_end.bands.fb.cpu().clone()  # (bins, K)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, foa: Tensor) -> Features:
        """Features of `(B, 4, T)`, float32, ACN/SN3D."""
        real, imaginary = self.spectrum(foa)  # (B, 4, F, bins)
        vectors, energy = self._intensity(real, imaginary)
        if self.mel_spectrum is None:
            real, imaginary = real[:, W], imaginary[:, W]
        else:
            w = foa[:, W : W + 1]
            real, imaginary = (part[:, 0] for part in self.mel_spectrum(int16_round_trip(w) if self.cfg.mel.int16 else w))
        top = len(self.mel_weights)
        mels = (real[..., :top].square() + imaginary[..., :top].square()) @ self.mel_weights  # (B, F, M)
        log_mel = 10 * mels.clamp_min(DB_FLOOR).log10()
        return Features(log_mel.unsqueeze(1), self._normalised(vectors, energy))

    def _intensity(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """`conj(W) · [X, Y, Z]`, `(B, 6, F, K)`, and the energy `(B, F, K)`."""
        places = [X, Y, Z]
        dipole_re = torch.stack([real[:, place] for place in places], 1)  # (B, 3, F, bins)
        dipole_im = torch.stack([imaginary[:, place] for place in places], 1)
        w_re, w_im = real[:, W : W + 1], imaginary[:, W : W + 1]
        active, reactive = w_re * dipole_re + w_im * dipole_im, w_re * dipole_im - w_im * dipole_re
        vectors, energy = torch.cat([active, reactive], 1), 0.5 * (real.square() + imaginary.square()).sum(1)
        return (vectors, energy) if self.bands is None else (vectors @ self.bands, energy @ self.bands)

    def _normalised(self, vectors: Tensor, energy: Tensor) -> Tensor:
        floor = floor_of(energy)  # (B, 1, 1)
        if self.cfg.intensity.norm == "energy":
            return vectors / (energy + floor).unsqueeze(1)
        parts = (vectors[:, :3], vectors[:, 3:])
        return torch.cat([part / (part.square().sum(1, keepdim=True).sqrt() + floor.unsqueeze(1)) for part in parts], 1)
