"""Late part of a response: ambisonic noise with the energy that the shoebox is expected to have, channel by channel and band by band."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import CHANNELS
from elsa_lightning.acoustics.bands import band_weights, high_pass_gain
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.late_energy import late_energy
from elsa_lightning.acoustics.noise import complex_noise


def frame_length(sample_rate: int) -> int:
    """Samples of a noise frame: a power of two of about 10 to 20 ms."""
    return 1 << max(6, math.ceil(math.log2(0.0105 * sample_rate)))


def tail_response(
    scene: Scene, sample_rate: int, bands_hz: Sequence[float], air: Tensor, start_s: float, samples: int, high_pass_hz: float
) -> Tensor:
    """The late field as noise from `start_s` on, without its fade-in.

    Args:
        scene: B rooms with absorption (B, 6, bands).
        sample_rate: Hz.
        bands_hz: centres of the bands.
        air: (bands,) 1/m.
        start_s: time before which nothing is needed, s; a constant, so that a scene's noise does not depend on its batch.
        samples: length of the response.
        high_pass_hz: cut-off of the high pass, Hz.

    Returns:
        (B, 4, samples) float32: independent noise in the channels, with the energies of `late_energy`.
    """
    frame = frame_length(sample_rate)
    hop, bins = frame // 2, frame // 2 + 1
    first = max(0, int(start_s * sample_rate) // hop - 1)
    frames = max(1, samples // hop + 2 - first)
    device = scene.size.device
    time = torch.arange(first, first + frames + 1, device=device) * (hop / sample_rate)  # centres, and one more
    energy = _held(late_energy(scene, air, time[None]))  # (B, 4, bands, frames) per second
    amplitude = (energy * (frame / sample_rate)).sqrt().transpose(2, 3)  # (B, 4, frames, bands)
    frequency = torch.arange(bins, device=device) * (sample_rate / frame)
    below, weight = band_weights(bands_hz, frequency)
    above = (below + 1).clamp_max(len(bands_hz) - 1)
    high_pass = high_pass_gain(frequency, high_pass_hz)
    shape = amplitude[..., below] * ((1.0 - weight) * high_pass) + amplitude[..., above] * (weight * high_pass)
    spectrum = complex_noise(scene.noise_seed, CHANNELS, first, frames, bins) * shape
    window = torch.sin(math.pi * (torch.arange(frame, device=device) + 0.5) / frame)
    return _overlap_add(torch.fft.irfft(spectrum, n=frame) * window, first, samples)


def _held(energy: Tensor) -> Tensor:
    """Frame energies (…, T) from T + 1 samples of a decay, scaled so that the frames' sin² overlap keeps an exponential's energy."""
    ratio = (energy[..., 1:] / energy[..., :-1].clamp_min(1e-30)).clamp(1e-6, 1.0 - 1e-4)
    return energy[..., :-1] * (2.0 * (1.0 - ratio) / (-(1.0 + ratio) * ratio.log()))


def _overlap_add(pieces: Tensor, first: int, samples: int) -> Tensor:
    """Frames (B, C, T, 2·hop), frame k centred at (first + k)·hop, as one signal (B, C, samples)."""
    batch, channels, frames, frame = pieces.shape
    hop = frame // 2
    total = pieces.new_zeros(batch, channels, (frames + 1) * hop)
    total[..., : frames * hop] += pieces[..., :hop].reshape(batch, channels, -1)
    total[..., hop:] += pieces[..., hop:].reshape(batch, channels, -1)
    start = (first - 1) * hop  # sample of total[0]; −hop if the first frame is centred at 0
    total = torch.nn.functional.pad(total[..., max(0, -start) :], (max(0, start), 0))
    return torch.nn.functional.pad(total[..., :samples], (0, max(0, samples - total.shape[-1])))
