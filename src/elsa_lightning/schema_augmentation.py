"""Knobs of what training changes about a rendered clip; `schema` puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class AugmentationConfig:
    """What real recordings differ in, keyed by (seed, epoch, index). Training only. Off in the paper.

    A sound passes the parts in this order: onset, room, low cut, mismatch, room noise, microphone (rotation, aliasing, delay and phase,
    equalisation, self-noise, rumble), recorder (offset, clipping, quantisation), then yaw and mirror; the log-mel its gain and masks.
    Ranges are drawn uniformly.
    """

    yaw: bool = False
    """Turn the scene about the vertical axis by a random angle, labels and words with it (exact)."""
    mirror: bool = False
    """Swap left and right in half of the examples, labels and words with it (exact)."""
    noise_snr_db: list[float] = field(default_factory=list)
    """Range of the signal-to-noise ratio of added noise, dB: a room's floor, diffuse, between white and pink; empty: none."""
    mismatch_db: float = 0.0
    """Standard deviation of each dipole channel's gain error, dB."""
    low_cut_hz: list[float] = field(default_factory=list)
    """Range of a random low cut's corner, Hz; empty: none."""
    start_share: float = 0.0
    """Share of the clips whose sound begins only within the clip."""
    start_s: list[float] = field(default_factory=lambda: [0.0, 1.0])
    """Range of when such a sound begins, s after the start of the clip."""
    rotation_deg: float = 0.0
    """Standard deviation of the microphone's orientation error about each axis, degrees. The labels do not know of it."""
    aliasing_hz: list[float] = field(default_factory=list)
    """Range of the frequency above which the array's capsules are too far apart, Hz (3,000 to 10,000 for radii of 18 to 5 mm); empty:
    none. There the dipoles fall off and the channels leak into each other."""
    aliasing_leak: float = 0.3
    """Standard deviation of that leakage's gains far above the corner, re the leaking channel."""
    delay_us: float = 0.0
    """Largest delay of each dipole channel against W, µs, earlier or later."""
    phase_deg: float = 0.0
    """Standard deviation of each dipole channel's phase error, degrees per octave away from 1 kHz, held beyond three octaves."""
    eq_db: float = 0.0
    """Largest gain of a random response, dB up or down, one draw per octave and straight in between; the same for all channels."""
    self_noise_snr_db: list[float] = field(default_factory=list)
    """Range of W's level over the microphone's own noise in W, dB; empty: none. It is white in the capsules: the dipoles get three times
    the power, and more below a corner where the array amplifies their differences."""
    self_noise_corner_hz: list[float] = field(default_factory=lambda: [100.0, 1000.0])
    """Range of that corner, Hz: below it the dipoles' noise rises by 6 dB per octave, by 20 dB at most."""
    rumble_snr_db: list[float] = field(default_factory=list)
    """Range of W's level over rumble below 60 Hz in W, dB; empty: none. Each dipole has up to 20 dB more."""
    dc_offset: float = 0.0
    """Standard deviation of each channel's constant offset, re W's RMS."""
    clip_share: float = 0.0
    """Share of the examples that are clipped."""
    clip_db: list[float] = field(default_factory=lambda: [1.0, 12.0])
    """Range of how far below W's peak such an example is clipped, dB; the dipoles at the same level."""
    level_dbfs: list[float] = field(default_factory=list)
    """Range of the level at which a clip is recorded with 16 bits, W's RMS in dB re full scale; empty: no quantisation. Quiet clips become
    coarse, and what exceeds full scale is clipped."""
    mask_frames: int = 0
    """Longest masked stretch of log-mel frames."""
    mask_bands: int = 0
    """Widest masked stretch of log-mel bands."""
    mel_gain_db: float = 0.0
    """Standard deviation of a random overall gain of the log-mel, dB."""
