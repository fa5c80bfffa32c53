"""The parts in the order in which a sound meets them: the room's noise, the microphone, the recorder."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.acoustics.convolve import good_size
from elsa_lightning.data.keyed import between, normal
from elsa_lightning.data.roughening import array, noises, recorder, response
from elsa_lightning.schema import AugmentationConfig


def roughen(foa: Tensor, key: Tensor, cfg: AugmentationConfig, sample_rate: int) -> Tensor:
    """The sound as a real microphone and recorder would have taken it; the tensor itself where every part is off.

    Responses act on the clip as a circle: what a filter moves past one end (some ms at most) comes back at the other.

    Args:
        foa: `(B, 4, T)`.
        key: `(B,)` int64.
        cfg: ranges; what is empty or zero is left out.
        sample_rate: Hz.
    """
    length = foa.shape[-1]
    field, microphone = _field_is_changed(cfg), _microphone_is_faulty(cfg)
    if field or microphone:
        n = good_size(length)
        spectrum = torch.fft.rfft(foa, n=n)  # (B, 4, K)
        hz = torch.fft.rfftfreq(n, 1 / sample_rate, device=foa.device)  # (K,)
        if field:
            spectrum = _field(spectrum, hz, key, cfg)
        if microphone:
            spectrum = _microphone(spectrum, hz, key, cfg)
        foa = torch.fft.irfft(spectrum, n=n)[..., :length]
    return recorder.record(foa, key, cfg)


def _field_is_changed(cfg: AugmentationConfig) -> bool:
    return bool(cfg.low_cut_hz or cfg.mismatch_db or cfg.noise_snr_db)


def _field(spectrum: Tensor, hz: Tensor, key: Tensor, cfg: AugmentationConfig) -> Tensor:
    """Low cut, then gain errors of the dipoles, then noise at a level relative to what is left of W."""
    if cfg.low_cut_hz:
        spectrum = spectrum * response.low_cut(hz, between(key, *cfg.low_cut_hz, purpose="low cut"))[:, None]
    if cfg.mismatch_db:
        gain = 10 ** (cfg.mismatch_db / 20 * normal(key, 3, "mismatch"))  # (B, 3)
        spectrum = spectrum * torch.cat([torch.ones_like(gain[:, :1]), gain], 1)[..., None]
    if cfg.noise_snr_db:
        snr_db = between(key, *cfg.noise_snr_db, purpose="noise level")  # (B,)
        spectrum = _add(spectrum, noises.diffuse_noise(hz, key), snr_db)
    return spectrum


def _microphone_is_faulty(cfg: AugmentationConfig) -> bool:
    linear = cfg.rotation_deg or cfg.aliasing_hz or cfg.delay_us or cfg.phase_deg or cfg.eq_db
    return bool(linear or cfg.self_noise_snr_db or cfg.rumble_snr_db)


def _microphone(spectrum: Tensor, hz: Tensor, key: Tensor, cfg: AugmentationConfig) -> Tensor:
    """Where it points, what its array cannot do, its response; then its own noise and what shakes it."""
    if cfg.rotation_deg:
        spectrum = array.rotate_dipoles(spectrum, array.orientation(key, cfg.rotation_deg))
    if cfg.aliasing_hz:
        spectrum = array.alias(spectrum, hz, key, between(key, *cfg.aliasing_hz, purpose="aliasing"), cfg.aliasing_leak)
    if cfg.delay_us or cfg.phase_deg:
        spectrum = array.shift_dipoles(spectrum, array.phase_error(hz, key, cfg.delay_us, cfg.phase_deg))
    if cfg.eq_db:
        spectrum = spectrum * response.equalisation(hz, key, cfg.eq_db)[:, None]
    if cfg.self_noise_snr_db:
        corner_hz = between(key, *cfg.self_noise_corner_hz, purpose="self noise corner")
        snr_db = between(key, *cfg.self_noise_snr_db, purpose="self noise level")
        spectrum = _add(spectrum, noises.self_noise(hz, key, corner_hz), snr_db)
    if cfg.rumble_snr_db:
        spectrum = _add(spectrum, noises.rumble(hz, key), between(key, *cfg.rumble_snr_db, purpose="rumble level"))
    return spectrum


def _add(spectrum: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Noise `(B, 4, K)` so loud that W is `snr_db` `(B,)` above it."""
    level = (noises.power(spectrum[:, W]) / noises.power(noise[:, W])).sqrt() * 10 ** (-snr_db / 20)
    return spectrum + noise * level[:, None, None]
