"""Which stages an experiment needs, and the fingerprint of each. Imports no torch.

    rooms ─┬─ features_train ─┬─ pretraining ─┐
           ├─ third_octaves ──┤               │
           ├─ features_eval ──┼───────────────┼─ train ─┬─ embed ─┬────────────────────────┬─ evaluate
           ├─ text_states ────┼───────────────┤         │         └─ captioner ─ captions ─┤
           └──────────────────┴───────────────┘         └─ embed_texts,  intensity ────────┘
    (features_* only with `data.rendering: cached`; text_states only with `data.text_states: shared` and a frozen text encoder beside
    them; pretraining only with `pretraining.steps` and a learned branch, third_octaves only for its `pretraining.targets: paper`;
    embed_texts and intensity only for evaluators that read them. Both read rooms and features_eval too; intensity reads nothing else;
    captioner and captions only with `captioner.enabled`)

`evaluate` is what a row of a table is about; `PRODUCERS` are further ends, of tables that need no training.

A stage's fingerprint is a hash of the resolved values that it reads, of its parents' fingerprints, of its corpus' content and of its
version. Rows of a table that agree in these share the stage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from elsa_lightning.captions.rewritten import content_hash
from elsa_lightning.checks import leaves
from elsa_lightning.measured_rooms import measured_content
from elsa_lightning.schema import LATER, NOT_IDENTITY, AugmentationConfig, CoordCnnConfig, Experiment, MiniLmConfig
from elsa_lightning.schema_evaluation import EVALUATOR_VERSIONS, EVALUATORS, NEEDS_STAGE
from elsa_lightning.weights import branch_hash, checkpoint_hash, language_hash, tokenizer_hash

PRODUCERS: dict[str, tuple[str, ...]] = {
    "room_ranges": ("rooms",),
    "word_rules": ("rooms",),
    "architecture": (),
    "data_summary": (),
}
"""Stages that write a metrics.json besides `evaluate` → what they read, where an experiment has it (`stages.facts`)."""

STAGES = (
    *("rooms", "features_train", "features_eval", "text_states", "third_octaves", "pretraining", "train"),
    *("embed", "embed_texts", "intensity", "captioner", "captions", "evaluate"),
)
"""The stages of a trained row, each after those that it may need."""

ENDS = ("evaluate", *PRODUCERS)
"""Stages whose metrics.json a table may show."""

METRICS_VERSION = 1
"""Raised when a metric's definition changes: evaluation runs again, training does not."""

STAGE_VERSIONS = {
    "rooms": 2,
    "features_train": 1,
    "features_eval": 1,
    "intensity": 1,
    "text_states": 1,
    "third_octaves": 1,
    "pretraining": 1,
    "train": 1,
    "embed": 1,
    "embed_texts": 1,
    "captioner": 1,
    "captions": 1,
    "evaluate": METRICS_VERSION,
    **dict.fromkeys(PRODUCERS, 1),
}
"""Raised when a stage's code computes something else from the same values."""

_RENDERING = ("audio", "features", "data.corpus", "data.mono_policy", "data.seed", "data.pcm_precision")
_EVAL_RENDERING = ("data.eval_versions", "data.eval_min_examples", "data.eval_mono")
_TRAINING_ROOMS = ("rooms.mode", "rooms.refresh", "rooms.elevation_balance", "rooms.near_balance", "rooms.measured.share")

_PAIRING = ("data.corpus", "data.seed", "data.versions", "data.min_examples", "data.mono_share", "data.negatives", *_TRAINING_ROOMS)
_DRAWING = (
    "seed",
    "data.group",
    "captions",
    "augmentation.yaw",
    "augmentation.mirror",
    *(f"trainer.{name}" for name in ("batch_size", "steps", "epochs")),
)

_OF_FEATURES = ("yaw", "mirror", "mask_frames", "mask_bands", "mel_gain_db")
ROUGHENING = tuple(f"augmentation.{f.name}" for f in fields(AugmentationConfig) if f.name not in _OF_FEATURES)
"""What augmentation does to a sound before it becomes features. The rest changes features each time they are drawn."""

_DECODING = tuple(f"captioner.{name}" for name in ("max_tokens", "beam", "length_penalty", "drafts", "agreement"))
_SCORING = ("captioner.scorer_python", "captioner.java")

READS: dict[str, tuple[str, ...]] = {
    "rooms": ("audio.sample_rate", "rooms"),
    "features_train": (
        *_RENDERING,
        *_TRAINING_ROOMS,
        "data.versions",
        "data.min_examples",
        "data.mono_share",
        "data.negatives",
        *ROUGHENING,
    ),
    "features_eval": (*_RENDERING, *_EVAL_RENDERING),
    "intensity": (*_RENDERING, *_EVAL_RENDERING),
    "text_states": (*_PAIRING, *_DRAWING, "model.text", "trainer.precision"),
    "third_octaves": (),
    "pretraining": (*_RENDERING, *_TRAINING_ROOMS, "seed", "data", "augmentation", "model.spatial", "pretraining", "trainer.precision"),
    "train": ("seed", "audio", "rooms", "data", "captions", "features", "augmentation", "model", "loss", "optim", "trainer"),
    "embed": (*_RENDERING, *_EVAL_RENDERING, "captions.per_clip", "evaluation.template", "evaluation.class_template"),
    "embed_texts": (*_RENDERING, *_EVAL_RENDERING, "captions.per_clip", "evaluation.template", "evaluation.template_spread"),
    "captioner": ("seed", "captions.rewrites", "captioner", "trainer.precision"),
    "captions": ("captions.per_clip", "data.seed", *_DECODING),
    "evaluate": ("captions.per_clip", "evaluation", *_SCORING),
    "room_ranges": (),
    "word_rules": (),
    "architecture": ("model", "features"),
    "data_summary": (
        "audio.clip_s",
        *(f"data.{name}" for name in ("versions", "min_examples", "eval_versions", "eval_min_examples", "eval_mono")),
    ),
}
"""Stage → keys and groups of keys that it reads, besides what its parents hold."""

SKIPS: dict[str, tuple[str, ...]] = {
    "rooms": _TRAINING_ROOMS,
    "text_states": ("captions.per_clip", "model.text.pooling_heads"),
    "pretraining": (*_EVAL_RENDERING, "data.text_states"),
    "captioner": (*(key for key in _DECODING if key != "captioner.max_tokens"), *_SCORING),
    "train": (*_EVAL_RENDERING, "captions.per_clip", "rooms.test_rooms"),
}
"""Stage → keys below those of `READS` that do not change its result. (Training heeds validation figures only to select the best.)"""

CHECKPOINTS: dict[str, Callable[[str, str], str]] = {
    "model.semantic.checkpoint": checkpoint_hash,
    "model.text.checkpoint": checkpoint_hash,
    "model.text.tokenizer": tokenizer_hash,
    "model.spatial.checkpoint": branch_hash,
    "captioner.language.checkpoint": language_hash,
}
"""Keys that name files, and what identifies these: their content, wherever they lie."""

READS_CORPUS = (
    "features_train",
    "features_eval",
    "intensity",
    "text_states",
    "pretraining",
    "train",
    "embed",
    "embed_texts",
    "captioner",
    "captions",
    "data_summary",
)
"""Stages whose fingerprint holds the corpus' content."""

TRAINING_SIDE = ("features_train", "text_states", "third_octaves", "pretraining", "train")
"""Stages that never look at a test room: with `rooms.test_rooms: seen` or `rooms.measured.test` they are those of an experiment without."""


@dataclass(frozen=True)
class StageRef:
    """One stage of one run.

    Attributes:
        stage: its name, one of `STAGES`.
        fingerprint: 16 hex digits.
        config: dotted key → value, as hashed.
        parents: stage name → fingerprint of the stages whose folders it reads.
        experiment: the experiment that wants it.
        corpus_hash: content hash of its corpus.
    """

    stage: str
    fingerprint: str
    config: dict[str, Any] = field(compare=False, hash=False)
    parents: dict[str, str] = field(compare=False, hash=False)
    experiment: Experiment = field(compare=False, hash=False, repr=False)
    corpus_hash: str = field(compare=False, hash=False, default="")

    @property
    def run_id(self) -> str:
        """`<stage>/<fingerprint>`, the folder below runs/."""
        return f"{self.stage}/{self.fingerprint}"


def fingerprint(values: Mapping[str, Any], *parents: str, version: int = 1) -> str:
    """16 hex digits that depend on every value, every parent and the version, and on nothing else (not on the order of keys).

    Args:
        values: dotted key → value; keys of `schema.NOT_IDENTITY` are left out.
        parents: fingerprints of the stages before.
        version: of the code's results.
    """
    identity = {key: value for key, value in values.items() if key not in NOT_IDENTITY}
    text = json.dumps([identity, sorted(parents), version], sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage_config(experiment: Experiment, stage: str) -> dict[str, Any]:
    """Dotted key → value of everything that a stage's result depends on, parents and corpus aside.

    Raises:
        DataError: the file of `captions.rewrites` cannot be read.
        ConfigError: a bank that `rooms.measured` draws from is missing or none.
    """

    def within(key: str, groups: Iterable[str]) -> bool:
        return any(key == group or key.startswith(group + ".") for group in groups)

    skipped = (*(() if _heeds_validation(experiment, stage) else SKIPS.get(stage, ())), *NOT_IDENTITY)
    values = {key: value for key, value in leaves(experiment) if within(key, READS[stage]) and not within(key, skipped)}
    if stage in ("text_states", "train") and experiment.trainer.steps:
        del values["trainer.epochs"]
    if stage == "train" and not _shares_text_states(experiment):
        del values["data.text_states"]
    if stage == "evaluate":
        values = _named_evaluators(values)
    values = {key: value for key, value in values.items() if key not in LATER or value != LATER[key]}
    if stage == "train" and experiment.loss.clip.form == "softmax":
        values = {key: value for key, value in values.items() if not within(key, ("loss.clip.sigmoid",))}
    elif stage == "train":
        del values["model.temperature"]  # the sigmoid form has its own
    if stage == "text_states" and experiment.model.what_where.width:
        values["texts"] = ["joint", "what", "where"]
    if not experiment.captioner.enabled:
        values = {key: value for key, value in values.items() if not within(key, ("captioner",))}  # as before there was one
    splits = _measured_splits(experiment)
    if not splits:
        values = {key: value for key, value in values.items() if not within(key, ("rooms.measured",))}  # as before they existed
    elif stage == "rooms":
        values["rooms.measured.content"] = measured_content(experiment.rooms.measured.path, splits)
    if path := values.pop("captions.rewrites", ""):
        values["captions.rewrites_content"] = content_hash(path)
    for key in CHECKPOINTS:
        if values.get(key):
            values[key] = CHECKPOINTS[key](values[key], key)
    return values


def _named_evaluators(values: dict[str, Any]) -> dict[str, Any]:
    """An evaluation's values without the knobs of evaluators that it does not name; the names in their own order, however written."""
    named = [name for name in EVALUATORS if name in values["evaluation.evaluators"]]
    others = tuple(f"evaluation.{name}." for name in EVALUATORS if name not in named)
    kept = {key: value for key, value in values.items() if not key.startswith(others)} | {"evaluation.evaluators": named}
    versions = {name: EVALUATOR_VERSIONS[name] for name in named if name in EVALUATOR_VERSIONS}
    return kept | ({"evaluation.versions": versions} if versions else {})


def _measured_splits(experiment: Experiment) -> tuple[str, ...]:
    """Splits with measured rooms."""
    measured = experiment.rooms.measured
    return ("train",) * (measured.share > 0) + ("test",) * (measured.test != "simulated")


def _heeds_validation(experiment: Experiment, stage: str) -> bool:
    return stage == "train" and experiment.trainer.select == "best"


def needed_parents(experiment: Experiment, end: str = "evaluate") -> dict[str, tuple[str, ...]]:
    """The stages that an experiment needs up to one of `ENDS`, in order, each with those whose folders it reads."""
    stages = _all_parents(experiment)
    for name, parents in PRODUCERS.items():
        stages[name] = tuple(parent for parent in parents if parent in stages)
    wanted = {end}
    for name in reversed(stages):
        wanted |= set(stages[name]) if name in wanted else set()
    return {name: parents for name, parents in stages.items() if name in wanted}


def _all_parents(experiment: Experiment) -> dict[str, tuple[str, ...]]:
    cached = experiment.data.rendering == "cached"
    spatial = experiment.model.spatial
    pretrained = experiment.pretraining.steps > 0 and isinstance(spatial, CoordCnnConfig) and not spatial.checkpoint
    features = ("features_train", "features_eval") if cached else ()
    stages: dict[str, tuple[str, ...]] = {"rooms": (), **{name: ("rooms",) for name in features}}
    if _shares_text_states(experiment):
        stages["text_states"] = ("rooms",)
    third_octaves = ("third_octaves",) if pretrained and experiment.pretraining.targets == "paper" else ()
    stages |= {name: ("rooms",) for name in third_octaves}
    if pretrained:
        stages["pretraining"] = ("rooms", *features, *third_octaves)
    before = [name for name in ("text_states", "pretraining") if name in stages]
    stages["train"] = ("rooms", *features, *before)
    stages["embed"] = ("rooms", *features, "train")
    more = sorted({NEEDS_STAGE[name] for name in experiment.evaluation.evaluators if name in NEEDS_STAGE})
    of_more = {"embed_texts": ("rooms", *features, "train"), "intensity": ("rooms", *features[1:])}
    stages |= {name: of_more[name] for name in more}
    if experiment.captioner.enabled:
        stages |= {"captioner": ("embed",), "captions": ("embed", "captioner")}
    stages["evaluate"] = ("embed", *more, *(("captions",) if experiment.captioner.enabled else ()))
    return stages


def _shares_text_states(experiment: Experiment) -> bool:
    data, text = experiment.data, experiment.model.text
    frozen = isinstance(text, MiniLmConfig) and text.trainable_layers == 0
    return frozen and data.rendering == "cached" and data.text_states == "shared"


def plan_rooms(experiment: Experiment) -> StageRef:
    """The stage that simulates an experiment's rooms; it needs nothing else, not even a corpus."""
    values = stage_config(experiment, "rooms")
    return StageRef("rooms", fingerprint(values, version=STAGE_VERSIONS["rooms"]), values, {}, experiment)


def plan_run(experiment: Experiment, corpus_hash: str, end: str = "evaluate") -> list[StageRef]:
    """The stages of one experiment, parents first.

    Args:
        experiment: the resolved experiment.
        corpus_hash: content hash of its corpus (`data.readers.open_corpus`).
        end: the last stage, one of `ENDS`.
    """
    done: dict[str, StageRef] = {}
    trained = _without_test_rooms(experiment)
    rooms_of_training = None if trained == experiment else plan_rooms(trained)
    for stage, names in needed_parents(experiment, end).items():
        own = trained if stage in TRAINING_SIDE else experiment
        values = stage_config(own, stage)
        if stage in READS_CORPUS:
            values["corpus"] = corpus_hash
        parents = {name: done[name].fingerprint for name in names}
        if rooms_of_training and stage in TRAINING_SIDE:
            parents["rooms"] = rooms_of_training.fingerprint
        blind = stage in ("pretraining", "train") and not _heeds_validation(experiment, stage)
        hashed = [mark for name, mark in parents.items() if not (blind and name == "features_eval")]
        mark = fingerprint(values, *hashed, version=STAGE_VERSIONS[stage])
        done[stage] = StageRef(stage, mark, values, parents, own, corpus_hash)
    ahead = [rooms_of_training] if rooms_of_training and any(stage in TRAINING_SIDE for stage in done) else []
    return [*ahead, *done.values()]


def _without_test_rooms(experiment: Experiment) -> Experiment:
    """The experiment that training knows, whatever rooms the test is in: so the same model is judged in all of them."""
    rooms = experiment.rooms
    plain = replace(rooms, test_rooms="unseen", measured=replace(rooms.measured, test="simulated"))
    return replace(experiment, rooms=plain)
