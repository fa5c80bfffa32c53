"""Knobs of losses, optimiser and trainer; `schema` puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class LossTermConfig:
    weight: float = 1.0
    """Factor of this term in the total; 0: the term is not computed."""


@dataclass
class SigmoidConfig:
    """Starting values of the sigmoid form (SigLIP's); both are learned, and the temperature is kept within [0.01, 1]."""

    temperature: float = 0.1
    """Instead of `model.temperature`."""
    bias: float = -10.0
    """Added to every logit: nearly all pairs are negative ones, and so the first steps do not have to learn that."""


@dataclass
class ClipTermConfig:
    weight: float = 1.0
    """Factor of this term in the total; 0: the term is not computed."""
    form: str = "softmax"
    """softmax: which caption of the batch is the clip's, and the reverse (InfoNCE, the paper); sigmoid: whether this caption is true of
    this clip, for each pair by itself (SigLIP, arXiv 2303.15343)."""
    sigmoid: SigmoidConfig = field(default_factory=SigmoidConfig)
    """Read by the sigmoid form only."""
    multi_positive: bool = False
    """Equal captions in a batch, and captions without spatial words of one recording, are partners of all their clips; false: only each
    row's own caption is right, and the others are taught to be wrong (the paper)."""


@dataclass
class TargetTermConfig:
    weight: float = 1.0
    """Factor of this term in the total; 0: the term is not computed."""
    standardize: bool = True
    """Targets are shifted and scaled by the training rooms' mean and standard deviation; false: metres and square metres, literally."""


@dataclass
class LossConfig:
    clip: ClipTermConfig = field(default_factory=ClipTermConfig)
    """Contrastive loss between audio and text."""
    direction: LossTermConfig = field(default_factory=LossTermConfig)
    """1 − cosine of the predicted direction."""
    distance: TargetTermConfig = field(default_factory=TargetTermConfig)
    """Squared error of the source distance."""
    area: TargetTermConfig = field(default_factory=TargetTermConfig)
    """Squared error of the (log, if standardised) floor area."""
    what: LossTermConfig = field(default_factory=lambda: LossTermConfig(0.0))
    """Contrastive loss in the space of what is heard (`model.what_where`), with captions without spatial words."""
    where: LossTermConfig = field(default_factory=lambda: LossTermConfig(0.0))
    """Contrastive loss in the space of where it is heard, with texts of the spatial words alone."""


@dataclass
class LearningRateScales:
    """Factors on the learning rate of single towers; 0: frozen, and in evaluation mode."""

    semantic: float = 1.0
    """Factor for the semantic branch."""
    spatial: float = 1.0
    """Factor for the spatial branch."""
    text: float = 1.0
    """Factor for the text tower."""


@dataclass
class OptimConfig:
    name: str = "adam"
    """adam or adamw."""
    lr: float = 5e-5
    weight_decay: float = 0.0
    """Decay of matrices and kernels; biases, norms and the temperature have none."""
    lr_scale: LearningRateScales = field(default_factory=LearningRateScales)
    """Slower or frozen towers, such as pretrained ones."""
    fused: bool = False
    """One kernel for the whole update: the same update, rounded otherwise, several times faster on many or large tensors."""
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    warmup_steps: int = 0
    schedule: str = "cosine"
    """cosine (to zero at the last step) or constant."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0: no clipping."""


@dataclass
class PretrainingConfig:
    """Supervised pre-training of the learned spatial branch on its attributes; a stage of its own, shared by rows."""

    steps: int = 0
    """0: no pre-training."""
    batch_size: int = 1024
    lr: float = 1e-3
    weight_decay: float = 0.01
    targets: str = "regression"
    """`regression`: the direction, and distance, volume, DRR and T30 of the full band, 7 of the branch's outputs. `paper`: all 44 (azimuth,
    elevation, distance, volume, 20 third-octave bands of DRR and 20 of T30); with `rooms.mode: bank` only."""
    optimizer: str = "adamw"
    """adamw, or lamb (paper; pip install 'elsa-lightning[lamb]')."""


@dataclass
class TrainerConfig:
    batch_size: int = 2304
    """Examples per step, over all devices."""
    chunks: int = 1
    """Parts in which a device computes its share of a batch that does not fit into its memory (GradCache): two forward passes, one part's
    activations, the whole batch's negatives and gradient. Batch norm takes each part's own statistics."""
    epochs: int = 40
    """Passes over the training clips (each with `data.versions` spatial versions); ignored when `steps` is set."""
    steps: int = 0
    """Optimiser steps; 0: from `epochs`."""
    precision: str = "auto"
    """Lightning's precision, or `auto`: bf16-mixed where the device computes in it natively, else 32-true. Features, logits and losses
    are always float32."""
    accelerator: str = "auto"
    devices: int = 1
    """Devices per node."""
    nodes: int = 1
    """Several: in a SLURM job (docs/training.md)."""
    strategy: str = "auto"
    """Lightning's, for one device; several train with `ddp`, which `auto` then is."""
    threads: int = 0
    """CPU threads of the process; 0: all cores."""
    val_every: int = 0
    """Steps between validations; 0: once, at the end."""
    checkpoint_every: int = 100
    """Steps between checkpoints: what a kill can lose."""
    max_requeues: int = 20
    """How often a SLURM job goes back to the queue by itself after it was told to stop (docs/training.md); 0: never."""
    log_every: int = 10
    """Steps between log entries."""
    select: str = "last"
    """Which checkpoint is evaluated: `last`, or `best` by val/retrieval/map10 (the paper's choice)."""
