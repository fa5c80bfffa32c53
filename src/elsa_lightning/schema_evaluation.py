"""Knobs of evaluation: which evaluators run, and what each of them may vary; `schema` puts them together.

The group `evaluation.<evaluator>` belongs to that evaluator: where it is not named in `evaluation.evaluators`, the group is no part of an
evaluation's identity (`stages_plan`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

EVALUATORS = (
    "retrieval",
    "zero_shot",
    "localization",
    "map10_laion_compat",
    "shuffled_labels",
    "template_spread",
    "breakdown",
    "wasserstein",
    "direction_swap",
    "direction_removal",
    "text_probes",
    "embedding_map",
    "intensity_baseline",
    "chance",
    "intervals",
)
"""Names of all evaluators (docs/evaluation.md), in the order in which they run."""

FIRST_EVALUATORS = ("retrieval", "zero_shot", "localization")
"""The default: what every evaluation computed before evaluators had names."""

EVALUATOR_VERSIONS: dict[str, int] = {}
"""Evaluator → version, where it is not 1. Raised when an evaluator computes something else: the evaluations that name it run again."""

NEEDS_STAGE = {
    "template_spread": "embed_texts",
    "direction_swap": "embed_texts",
    "direction_removal": "embed_texts",
    "intensity_baseline": "intensity",
}
"""Evaluator → the stage whose files it reads besides those of `embed`."""


@dataclass
class ShuffledLabelsConfig:
    shuffles: int = 100
    """How often labels are shuffled among clips."""


@dataclass
class TemplateSpreadConfig:
    templates: list[str] = field(
        default_factory=lambda: [
            "A sound coming from {}.",
            "This sound comes from {}.",
            "The source of the sound: {}.",
            "Something is heard, {}.",
            "A recording of {}.",
            "{}",
            "a noise from {}",
            "Listen: the sound arrives from {}!",
        ]
    )
    """Zero-shot prompts beside `evaluation.template`; each holds {} once, where the word goes."""


@dataclass
class BreakdownConfig:
    azimuth_deg: list[float] = field(default_factory=lambda: [-180.0, -135.0, -90.0, -45.0, 0.0, 45.0, 90.0, 135.0, 180.0])
    """Bounds of the bins, rising; the last bin holds its upper bound too."""
    elevation_deg: list[float] = field(default_factory=lambda: [-90.0, -60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0, 90.0])
    distance_m: list[float] = field(default_factory=lambda: [0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0])
    floor_area_m2: list[float] = field(default_factory=lambda: [0.0, 25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0])
    t30_s: list[float] = field(default_factory=lambda: [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 3.0])


@dataclass
class WassersteinConfig:
    per_cluster: int = 200
    """Most clips of one word in one distance; half the smallest cluster where that is less."""
    splits: int = 8
    """Random splits of the clusters, over which distances and floors are averaged."""
    permutations: int = 200
    """Random exchanges of two clusters' labels, for the interval of a distance between equal ones."""


@dataclass
class DirectionSwapConfig:
    scale: float = 1.0
    """Factor of the directions' prototypes; 1: the paper."""


@dataclass
class EmbeddingMapConfig:
    train_clips: int = 2000
    """Most training examples that a map is fitted on."""
    neighbours: int = 15
    min_dist: float = 0.1
    vote: int = 5
    """Nearest training points that vote on a point's direction."""


@dataclass
class IntervalsConfig:
    resamples: int = 1000
    level: float = 0.95
    """Share of the resamples within an interval."""


@dataclass
class EvaluationConfig:
    evaluators: list[str] = field(default_factory=lambda: list(FIRST_EVALUATORS))
    """What is computed (docs/evaluation.md); the order does not matter."""
    template: str = "A sound coming from {}."
    """Zero-shot prompt for spatial attributes (paper)."""
    class_template: str = "This is a sound of {}."
    """Zero-shot prompt for the sound's class (LAION-CLAP)."""
    probe_hidden: int = 64
    """Hidden width of the two-layer probe on frozen embeddings."""
    probe_steps: int = 600
    """Full-batch steps of the probe's training."""
    batch_size: int = 64
    """Examples per forward pass."""
    shuffled_labels: ShuffledLabelsConfig = field(default_factory=ShuffledLabelsConfig)
    """The zero-shot control."""
    template_spread: TemplateSpreadConfig = field(default_factory=TemplateSpreadConfig)
    """How much zero-shot accuracy hangs on the prompt's wording."""
    breakdown: BreakdownConfig = field(default_factory=BreakdownConfig)
    """The localisation error by what the scene is like."""
    wasserstein: WassersteinConfig = field(default_factory=WassersteinConfig)
    """Distances between clusters of embeddings."""
    direction_swap: DirectionSwapConfig = field(default_factory=DirectionSwapConfig)
    """Arithmetic with directions; `scale` is removal's too."""
    embedding_map: EmbeddingMapConfig = field(default_factory=EmbeddingMapConfig)
    """UMAP."""
    intervals: IntervalsConfig = field(default_factory=IntervalsConfig)
    """Bootstrap over test clips."""


def all_templates(evaluation: EvaluationConfig) -> list[str]:
    """The evaluation's own template and those of `template_spread`, each once."""
    return list(dict.fromkeys([evaluation.template, *evaluation.template_spread.templates]))
