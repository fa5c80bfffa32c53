"""Room impulse responses: exact images up to the mixing time, the analytic diffuse tail after it, joined at constant power.

A scene's response is the same to the bit alone and in any batch: every step works room by room, on sizes that depend on that room alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elsa_lightning.acoustics.air import air_absorption
from elsa_lightning.acoustics.ambisonics import CHANNELS
from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.diffuse_tail import tail_response
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND, Scene
from elsa_lightning.acoustics.image_source import RING_S, early_response, find_images, window_length
from elsa_lightning.acoustics.late_energy import EARLIEST_MIXING_S, mixing_time_s
from elsa_lightning.errors import DataError

JOINT_S = 0.02
"""Duration of the cross-fade from the images to the tail, s."""

MOST_IMAGES = 2_000_000
"""Of one room up to its mixing time: from about 0.2 to 900,000 m³. Beyond it the images take gigabytes."""


def band_absorption(scene: Scene, bands_hz: Sequence[float], sample_rate: int) -> tuple[Scene, tuple[float, ...]]:
    """The scene with one absorption coefficient for each band that the sample rate can carry, and those bands.

    Args:
        scene: absorption (B, 6, 1), (B, 6, usable bands) or (B, 6, len(bands_hz)).
        bands_hz: centres of the configured bands.
        sample_rate: Hz.

    Raises:
        DataError: the number of coefficients fits neither.
    """
    usable = usable_bands(bands_hz, sample_rate)
    given = scene.absorption.shape[-1]
    if given == 1:
        absorption = scene.absorption.expand(-1, -1, len(usable))
    elif given in (len(usable), len(bands_hz)):
        absorption = scene.absorption[..., : len(usable)]
    else:
        raise DataError(f"{given} absorption coefficients per wall for {len(bands_hz)} bands", "give one for each band, or a single one")
    return Scene(**{**scene.tensors(), "absorption": absorption}), usable


def air_of(bands_hz: Sequence[float], air: bool, device: torch.device) -> Tensor:
    """(bands,) energy attenuation of air, 1/m; zeros without air."""
    centres = torch.tensor(bands_hz, device=device)
    return air_absorption(centres) if air else torch.zeros_like(centres)


def render_rir(
    scene: Scene,
    sample_rate: int,
    rir_s: float,
    bands_hz: Sequence[float],
    air: bool = True,
    high_pass_hz: float = 20.0,
    late: bool = True,
    chunk: int = 16,
) -> Tensor:
    """Impulse responses of B rooms. The direct sound has the amplitude 1/distance at distance/c.

    Args:
        scene: B rooms; see `Scene.check`.
        sample_rate: Hz.
        rir_s: length, s.
        bands_hz: centres of the octave bands of `scene.absorption`; those too close to the Nyquist frequency are dropped.
        air: absorption by air.
        high_pass_hz: cut-off of the zero-phase high pass, Hz; 0 for none.
        late: with the diffuse tail; otherwise the images end with the joint's fade.
        chunk: rooms rendered at once; bounds the memory and changes nothing else.

    Returns:
        (B, 4, R) float32, R = rir_s · sample_rate rounded.

    Raises:
        DataError: the scene is impossible, a room has more than `MOST_IMAGES`, or the response no sample.
    """
    scene.check()
    samples = round(rir_s * sample_rate) if math.isfinite(rir_s) and min(rir_s, sample_rate) > 0 else 0
    if samples < 1:
        raise DataError(f"a response of {rir_s:g} s at {sample_rate} Hz", "give a length and a rate above 0")
    _check_images(scene)
    scene, bands = band_absorption(scene, bands_hz, sample_rate)
    damping = air_of(bands, air, scene.size.device)
    rir = torch.zeros(len(scene), CHANNELS, samples, device=scene.size.device)
    windows = window_length(mixing_time_s(scene.volume_m3) + JOINT_S, sample_rate)
    for window in windows.unique().tolist():
        for rooms in (windows == window).nonzero()[:, 0].split(chunk):
            part = scene.select(rooms)
            out = _late(part, sample_rate, bands, damping, samples, high_pass_hz) if late else rir[rooms]
            early = _early(part, sample_rate, bands, damping, window, high_pass_hz)[..., :samples]
            out[..., : early.shape[-1]] += early
            rir[rooms] = out.float()  # scenes may be in double precision
    return rir


def _check_images(scene: Scene) -> None:
    """Raise `DataError` if a room has more than `MOST_IMAGES`: in a huge one they grow as V², in a tiny one as 1/V."""
    volume = scene.volume_m3.double()
    reach = (mixing_time_s(volume) + JOINT_S) * SPEED_OF_SOUND
    count = 4.0 / 3.0 * math.pi * reach**3 / volume
    if (count > MOST_IMAGES).any():
        room = int(count.argmax())
        raise DataError(
            f"room {room}: {volume[room].item():.3g} m³ have {count[room].item():.2g} image sources up to the mixing time",
            f"choose a size between about 0.2 and 900,000 m³ (at most {MOST_IMAGES} images)",
        )


def _early(scene: Scene, sample_rate: int, bands: Sequence[float], air: Tensor, window: int, high_pass_hz: float) -> Tensor:
    """(B, 4, window without its acausal end) images, fading out as a cosine after the mixing time."""
    mixing = mixing_time_s(scene.volume_m3)
    images = find_images(scene, (mixing + JOINT_S) * SPEED_OF_SOUND, air)
    progress = (images.distance / SPEED_OF_SOUND - mixing[images.room]) / JOINT_S
    images.gain *= torch.cos(0.5 * math.pi * progress.clamp(0, 1)).float()[:, None]
    response = early_response(images, len(scene), sample_rate, bands, window, high_pass_hz)
    return response[..., : window - int(RING_S * sample_rate)]


def _late(scene: Scene, sample_rate: int, bands: Sequence[float], air: Tensor, samples: int, high_pass_hz: float) -> Tensor:
    """(B, 4, samples) tail, fading in as a sine after the mixing time: power-complementary to the images."""
    tail = tail_response(scene, sample_rate, bands, air, EARLIEST_MIXING_S, samples, high_pass_hz)
    time = torch.arange(samples, device=tail.device) / sample_rate
    progress = (time - mixing_time_s(scene.volume_m3)[:, None].float()) / JOINT_S  # (B, samples)
    return tail * torch.sin(0.5 * math.pi * progress.clamp(0, 1))[:, None, :]
