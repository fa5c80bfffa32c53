"""Every knob of an experiment, typed, with its unit. Imports nothing but the standard library.

The root is `Experiment`. The string below a field is its documentation (`elsa config explain KEY` prints it). A *choice node* is a field
whose dataclass depends on its `name`: see `VARIANTS`. Defaults are the paper's (arXiv 2409.11369) wherever it states one; a profile
(experiments/profiles/) shrinks them. Fields in `NOT_IDENTITY` may change without changing what a run computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from elsa_lightning.schema_augmentation import AugmentationConfig
from elsa_lightning.schema_captioner import CaptionerConfig, PretrainedGpt2Config, SmallGpt2Config
from elsa_lightning.schema_data import (
    AudioConfig,
    CaptionConfig,
    DataConfig,
    Esc50Config,
    FeatureConfig,
    FoleyConfig,
    IntensityConfig,
    ManifestConfig,
    MeasuredRoomsConfig,
    RangeConfig,
    RoomsConfig,
    SpectrogramConfig,
)
from elsa_lightning.schema_evaluation import FIRST_EVALUATORS, BreakdownConfig, EmbeddingMapConfig, EvaluationConfig, WassersteinConfig
from elsa_lightning.schema_model import (
    CoordCnnConfig,
    HtsatConfig,
    MiniLmConfig,
    ModelConfig,
    NoSpatialConfig,
    RobertaConfig,
    SemanticCnnConfig,
    StaticIntensityConfig,
    TinyTextConfig,
    WhatWhereConfig,
)
from elsa_lightning.schema_training import (
    ClipTermConfig,
    LearningRateScales,
    LossConfig,
    LossTermConfig,
    OptimConfig,
    PretrainingConfig,
    SigmoidConfig,
    TargetTermConfig,
    TrainerConfig,
)

__all__ = [
    "CHOICES",
    "LATER",
    "NOT_IDENTITY",
    "VARIANTS",
    "AudioConfig",
    "AugmentationConfig",
    "BreakdownConfig",
    "CaptionConfig",
    "CaptionerConfig",
    "ClipTermConfig",
    "CoordCnnConfig",
    "DataConfig",
    "EmbeddingMapConfig",
    "Esc50Config",
    "EvaluationConfig",
    "Experiment",
    "FeatureConfig",
    "FoleyConfig",
    "HtsatConfig",
    "IntensityConfig",
    "LearningRateScales",
    "LossConfig",
    "LossTermConfig",
    "ManifestConfig",
    "MeasuredRoomsConfig",
    "MiniLmConfig",
    "ModelConfig",
    "NoSpatialConfig",
    "OptimConfig",
    "PretrainedGpt2Config",
    "PretrainingConfig",
    "RangeConfig",
    "RobertaConfig",
    "RoomsConfig",
    "SemanticCnnConfig",
    "SigmoidConfig",
    "SmallGpt2Config",
    "SpectrogramConfig",
    "StaticIntensityConfig",
    "TargetTermConfig",
    "TinyTextConfig",
    "TrainerConfig",
    "WassersteinConfig",
    "WhatWhereConfig",
]


@dataclass
class Experiment:
    """The root."""

    name: str = "elsa"
    """Shown in logs; not part of a run's identity."""
    seed: int = 0
    """Training seed: initial weights, order of examples, captions, augmentation."""
    audio: AudioConfig = field(default_factory=AudioConfig)
    rooms: RoomsConfig = field(default_factory=RoomsConfig)
    data: DataConfig = field(default_factory=DataConfig)
    captions: CaptionConfig = field(default_factory=CaptionConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    pretraining: PretrainingConfig = field(default_factory=PretrainingConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)


VARIANTS: dict[str, dict[str, type]] = {
    "data.corpus": {"foley": FoleyConfig, "esc50": Esc50Config, "manifest": ManifestConfig},
    "model.semantic": {"htsat": HtsatConfig, "cnn": SemanticCnnConfig},
    "model.spatial": {"coord_cnn": CoordCnnConfig, "static_iv": StaticIntensityConfig, "none": NoSpatialConfig},
    "model.text": {"roberta": RobertaConfig, "minilm": MiniLmConfig, "tiny": TinyTextConfig},
    "captioner.language": {"gpt2": PretrainedGpt2Config, "small": SmallGpt2Config},
}
"""Choice nodes: key → variant name → its dataclass."""

CHOICES: dict[str, tuple[str, ...]] = {
    "rooms.engine": ("shoebox", "pyroomacoustics", "pyroomacoustics_images"),
    "rooms.mode": ("bank", "pool", "fresh"),
    "rooms.test_rooms": ("unseen", "seen"),
    "rooms.measured.test": ("simulated", "measured", "both"),
    "data.rendering": ("stream", "cached"),
    "data.negatives": ("plain", "hard_spatial"),
    "data.text_states": ("live", "shared"),
    "data.mono_policy": ("copy", "zero"),
    "data.pcm_precision": ("float32", "int16"),
    "features.intensity.norm": ("unit", "energy"),
    "loss.clip.form": ("softmax", "sigmoid"),
    "model.what_where.reads": ("branches", "fusion"),
    "optim.name": ("adam", "adamw"),
    "optim.schedule": ("cosine", "constant"),
    "pretraining.targets": ("regression", "paper"),
    "pretraining.optimizer": ("adamw", "lamb"),
    "trainer.accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
    "trainer.precision": ("auto", "32-true", "bf16-mixed", "16-mixed", "64-true"),
    "trainer.select": ("last", "best"),
}
"""String fields with a closed set of values."""

NOT_IDENTITY: tuple[str, ...] = (
    "name",
    "data.workers",
    "data.pcm_cache",
    "data.corpus.root",
    "data.corpus.path",
    "rooms.measured.path",
    "model.activation_checkpointing",
    "model.compile",
    "optim.fused",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.nodes",
    "trainer.strategy",
    "trainer.threads",
    "trainer.checkpoint_every",
    "trainer.max_requeues",
    "trainer.log_every",
    "evaluation.batch_size",
)
"""Fields that do not change what a run computes: left out of fingerprints (a corpus and measured rooms on disk enter by their content
hashes)."""

_AUGMENTATION = (
    *("start_share", "start_s", "rotation_deg", "aliasing_hz", "aliasing_leak", "delay_us", "phase_deg", "eq_db"),
    *("self_noise_snr_db", "self_noise_corner_hz", "rumble_snr_db", "dc_offset", "clip_share", "clip_db", "level_dbfs"),
)
LATER: dict[str, Any] = {
    **{f"augmentation.{name}": getattr(AugmentationConfig(), name) for name in _AUGMENTATION},
    "data.negatives": "plain",
    "data.eval_mono": False,
    "data.pcm_precision": "float32",  # holds what the files hold
    "evaluation.evaluators": list(FIRST_EVALUATORS),
    "features.mel.int16": False,
    "loss.clip.form": "softmax",
    "loss.clip.multi_positive": False,
    "loss.what.weight": 0.0,
    "loss.where.weight": 0.0,
    "model.semantic.projection": False,
    "model.spatial.reactive": True,
    "model.text.projection": False,
    "model.what_where.reads": "branches",
    "model.what_where.width": 0,
    "optim.lr_scale.semantic": 1.0,
    "optim.lr_scale.spatial": 1.0,
    "optim.lr_scale.text": 1.0,
    "pretraining.optimizer": "adamw",
    "pretraining.targets": "regression",
    "rooms.near_balance": 1.0,
    "rooms.test_rooms": "unseen",
    "trainer.chunks": 1,
}
"""Keys that came later → value at which nothing changes: there they are no part of an identity, so that results of before stay valid."""
