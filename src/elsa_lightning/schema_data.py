"""Knobs of sound, rooms, corpora, captions and features; `schema` puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class AudioConfig:
    sample_rate: int = 48000
    """Rate at which everything is rendered and analysed, Hz."""
    clip_s: float = 10.0
    """Length of a training or test clip, s; longer sounds are cropped, shorter ones repeated."""
    min_s: float = 4.0
    """Sounds shorter than this, s, are repeated up to it before they are placed in a room (the paper's rule)."""
    strip_db: float = -60.0
    """Leading and trailing parts below this level, dB re the clip's peak, count as silence and are removed."""
    preroll: bool = True
    """The sound (repeated as needed) is going on before the clip begins, for as long as a room responds. False: sound and clip begin
    together, as when a rendered file is read from its start; then the silence until the direct sound arrives gives the distance away, which
    no recording does."""


@dataclass
class RangeConfig:
    """Ranges from which one split's rooms are drawn (paper, table A2)."""

    floor_area_m2: list[float] = field(default_factory=lambda: [13.3, 277.4])
    """Floor area, m², drawn log-uniformly."""
    height_m: list[float] = field(default_factory=lambda: [2.3, 5.0])
    """Ceiling height, m."""
    slenderness: float = 0.8
    """Largest ratio of the height to the shorter side of the floor: rooms are seldom taller than wide."""
    aspect: list[float] = field(default_factory=lambda: [1.0, 2.0])
    """Ratio of the longer to the shorter side of the floor."""
    elevation_deg: list[float] = field(default_factory=lambda: [-47.5, 48.7])
    """Source elevation, degrees. The test split uses the training range too, so that "down" is tested."""
    distance_m: list[float] = field(default_factory=lambda: [0.5, 4.0])
    """Source distance, m."""
    t30_s: list[float] = field(default_factory=lambda: [0.1445, 2.6719])
    """Wanted full-band T30, s, drawn log-uniformly; the label is measured on the rendered response."""


@dataclass
class MeasuredRoomsConfig:
    """Measured impulse responses beside the simulated rooms; off by default."""

    path: str = ""
    """Folder that `elsa rooms import` wrote. Fingerprints hold the content of its banks, not its path."""
    share: float = 0.0
    """Share of the spatial training examples whose room is measured, all responses equally often; in every `rooms.mode`."""
    test: str = "simulated"
    """Rooms of the test: `simulated`, `measured`, or `both` (every other version of a clip in a measured room; figures are reported
    together, and apart as simulated/… and measured/…). Validation is in simulated rooms."""


@dataclass
class RoomsConfig:
    engine: str = "shoebox"
    """Simulator: `shoebox` (ours, batched torch); to build a bank in worker processes on the CPU, `pyroomacoustics` (its images and ray
    tracing) or `pyroomacoustics_images` (all images, no scattering: for short responses)."""
    mode: str = "bank"
    """Training rooms: `bank` (fixed, on disk), `pool` (ring buffer, a share refreshed each step), `fresh` (new for each example).
    Validation and test always use a bank."""
    train: int = 8972
    """Number of training rooms (bank) or of pool slots (pool)."""
    val: int = 1024
    """Number of validation rooms, none of which is a training room."""
    test: int = 4970
    """Number of test rooms, none of which is a training or validation room unless `test_rooms` says so."""
    test_rooms: str = "unseen"
    """`unseen`: the test's rooms are its own. `seen`: they are training rooms, with new places of source and microphone (the paper's
    protocol, which cannot tell a room that was learned by heart from one that was heard). The training is the same."""
    refresh: float = 0.05
    """Share of the pool re-simulated each step (mode `pool`). Sensible: an eighth of the batch over the pool's size, such as 0.002 for 64
    examples and 4,096 rooms (8 new rooms a step); 0.05 of 4,096 simulates 205 rooms before every step."""
    seed: int = 0
    """Seed of the room draws; independent of the training seed."""
    rir_s: float = 2.7
    """Length of the stored room impulse responses, s."""
    bands_hz: list[float] = field(default_factory=lambda: [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0])
    """Octave-band centres of wall and air absorption, Hz."""
    diffuseness: list[float] = field(default_factory=lambda: [0.25, 1.0])
    """Range of the late field's diffuseness: 0 specular shoebox decay, 1 fully mixing (Eyring)."""
    absorption: list[float] = field(default_factory=lambda: [0.1, 0.5])
    """Range of the rooms' mean wall absorption (Eyring's, for the wanted T30): furnished rooms lie between a bare hall and a studio, so
    that large rooms tend to ring longer. [0, 1] accepts every pair of size and T30 that physics allows."""
    air: bool = True
    """Absorption of sound by air."""
    high_pass_hz: float = 20.0
    """Cut-off of the zero-phase high pass on the responses, Hz; 0 for none."""
    ranges: RangeConfig = field(default_factory=RangeConfig)
    test_ranges: RangeConfig = field(default_factory=RangeConfig)
    elevation_balance: float = 1.0
    """Training rooms with |elevation| > 40° are drawn this many times as often (mode `bank` only). 1 is the paper's draw; 4
    helps against the branch's elevation blindness at desk scale without curing every seed (docs/concepts.md)."""
    near_balance: float = 1.0
    """Training rooms whose source is nearer than 1 m ("near" in captions) are drawn this many times as often (mode `bank` only), on top of
    `elevation_balance`. 1 is the paper's draw: of distances uniform within 0.5–4 m, one in seven is near."""
    measured: MeasuredRoomsConfig = field(default_factory=MeasuredRoomsConfig)


@dataclass
class FoleyConfig:
    """The embedded corpus of synthesised sounds: nothing to download."""

    name: str = "foley"
    train_clips: int = 12000
    """Number of training clips, spread evenly over the classes."""
    val_clips: int = 600
    test_clips: int = 1200
    seed: int = 0
    """Seed of the sounds' parameters."""


@dataclass
class Esc50Config:
    """Recordings in ESC-50's layout: <root>/meta/esc50.csv and <root>/audio/."""

    name: str = "esc50"
    root: str = ""
    """Folder of the corpus."""
    val_folds: list[int] = field(default_factory=list)
    """Folds held out for validation; empty: a tenth of the training clips' sources."""
    test_folds: list[int] = field(default_factory=lambda: [5])
    """Folds held out for test."""


@dataclass
class ManifestConfig:
    """A JSONL or Parquet manifest: one clip a line with audio, captions, split."""

    name: str = "manifest"
    path: str = ""
    """The manifest; audio paths in it are relative to its folder."""


@dataclass
class DataConfig:
    corpus: Any = field(default_factory=FoleyConfig)
    """Choice node: foley, esc50, manifest."""
    rendering: str = "stream"
    """`stream`: every step renders its clips on the training device. `cached`: the paper's protocol, a fixed set of spatial versions of
    each clip, rendered once to features and shared by all runs with the same data."""
    versions: int = 2
    """Spatial versions of each training clip in one epoch."""
    eval_versions: int = 2
    """Spatial versions of each validation and test clip; the first alone is used for retrieval."""
    min_examples: int = 0
    """`versions` is raised until an epoch of a small corpus holds at least this many examples."""
    eval_min_examples: int = 0
    """`eval_versions` is raised until the test of a small corpus holds at least this many examples."""
    eval_mono: bool = False
    """Test clips are the non-spatial originals, as `mono_policy` has them, with their plain captions: the paper's retrieval on AudioCaps
    and Clotho. They have no place, and so nothing but retrieval and the class is scored."""
    group: int = 1
    """Versions of one clip that share a training batch; 1: drawn independently. The same sound at other places is what a caption's spatial
    words must tell apart: with many sound classes and small batches there is little else to learn them from."""
    negatives: str = "plain"
    """`hard_spatial`: a clip's versions come in pairs (0 and 1, 2 and 3, …), which share a batch and are never at the same place: the
    second's room is drawn among those whose source is at least 90° of azimuth away, and yaw and mirror turn both alike, so that no
    direction word holds for both. An odd number of versions is raised by one. `plain`: each version's place is drawn by itself, also where
    `group` draws versions together."""
    text_states: str = "live"
    """`live`: the text tower reads each step's captions. `shared`: a frozen encoder reads all captions of a training once, for all rows
    that draw the same; without effect where `rendering` is `stream` or layers of the text tower are trained."""
    mono_share: float = 0.5
    """Share of examples that are the non-spatial original (the paper trains on both)."""
    mono_policy: str = "copy"
    """Channels of a non-spatial example: `copy` (W in all four, the paper) or `zero` (dipoles silent)."""
    seed: int = 0
    """Seed of the pairing of clips and rooms; independent of the training seed."""
    workers: int = 8
    """Data-loading processes per device."""
    pcm_cache: str = ""
    """Folder of a PCM cache (`elsa data cache`) of this corpus, which holds its sounds decoded, resampled and stripped of edge silence.
    Empty: they are read from the corpus' files. Results are the same, bit by bit, with `pcm_precision: float32`."""
    pcm_precision: str = "float32"
    """Samples of the cache: `float32`, or `int16` for half its size: each clip scaled to its own peak and rounded, an error of 101 dB (rms)
    below the clip's peak. That changes results a little, and so a run's identity."""


@dataclass
class CaptionConfig:
    spatial_share: float = 0.85
    """Share of spatial training examples whose caption says where the sound is."""
    word_keep: float = 0.75
    """Probability with which each spatial word is kept in a training caption; evaluation keeps all."""
    per_clip: int = 5
    """Captions per clip in retrieval."""
    rewrites: str = ""
    """File that `elsa data rewrite` wrote: where it holds an accepted rewrite of a training caption with these words, that stands in the
    template's place. Empty: templates only. Its content is part of a run's identity, its path is not."""


@dataclass
class SpectrogramConfig:
    """Log-mel of W (LAION-CLAP's front end at 48 kHz)."""

    n_fft: int = 1024
    hop: int = 480
    """Hop, samples."""
    mels: int = 64
    f_min_hz: float = 50.0
    f_max_hz: float = 14000.0
    int16: bool = False
    """W passes through 16-bit integers before its log-mel, as in LAION-CLAP's loader: on for LAION's pretrained weights, whose training
    data did. The intensity is never quantised."""


@dataclass
class IntensityConfig:
    """Active and reactive intensity."""

    n_fft: int = 1024
    hop: int = 480
    """Hop, samples."""
    norm: str = "unit"
    """`unit`: each bin's vector has norm 1 (the paper); `energy`: divided by the energy, keeping diffuseness."""
    bands: int = 0
    """0: one vector per STFT bin (the paper); n: intensity and energy pooled into n mel bands before the normalisation."""


@dataclass
class FeatureConfig:
    mel: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    intensity: IntensityConfig = field(default_factory=IntensityConfig)
