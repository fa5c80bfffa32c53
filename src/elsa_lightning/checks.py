"""Rules between the values of an experiment, checked before anything is computed. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from elsa_lightning.captions.templates import fewest_frames
from elsa_lightning.checks_evaluation import check_evaluation
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import CoordCnnConfig, Esc50Config, Experiment, FoleyConfig, ManifestConfig, SmallGpt2Config

POSITIVE = (
    "audio.sample_rate",
    "audio.clip_s",
    "rooms.train",
    "rooms.val",
    "rooms.test",
    "rooms.rir_s",
    "rooms.elevation_balance",
    "rooms.near_balance",
    "data.versions",
    "data.eval_versions",
    "captions.per_clip",
    "augmentation.aliasing_hz",
    "augmentation.self_noise_corner_hz",
    "features.mel.n_fft",
    "features.mel.hop",
    "features.mel.mels",
    "features.intensity.n_fft",
    "features.intensity.hop",
    "model.embedding",
    "model.head_hidden",
    "model.temperature",
    "optim.lr",
    "pretraining.batch_size",
    "pretraining.lr",
    "trainer.batch_size",
    "trainer.chunks",
    "trainer.devices",
    "trainer.nodes",
    "trainer.checkpoint_every",
    "trainer.log_every",
    *(f"evaluation.{name}" for name in ("probe_hidden", "probe_steps", "batch_size", "shuffled_labels.shuffles")),
    *(f"evaluation.wasserstein.{name}" for name in ("per_cluster", "splits", "permutations")),
    *(f"evaluation.embedding_map.{name}" for name in ("train_clips", "vote")),
    "evaluation.intervals.resamples",
    *(f"captioner.{name}" for name in ("prefix_length", "steps", "batch_size", "lr", "max_tokens", "beam")),
    *(f"captioner.language.{name}" for name in ("layers", "heads", "hidden_size")),
)
"""Values greater than 0."""

SHARES = (
    "rooms.refresh",
    "rooms.measured.share",
    "data.mono_share",
    "captions.spatial_share",
    "captions.word_keep",
    "augmentation.start_share",
    "augmentation.clip_share",
    "model.semantic.dropout",
    "model.spatial.dropout",
    "captioner.word_keep",
    "captioner.agreement",
    "captioner.language.dropout",
)
"""Values between 0 and 1."""

SIGNED = (
    "audio.strip_db",
    *(f"augmentation.{name}" for name in ("noise_snr_db", "self_noise_snr_db", "rumble_snr_db", "level_dbfs")),
    "loss.clip.sigmoid.bias",
    *("evaluation.breakdown.azimuth_deg", "evaluation.breakdown.elevation_deg"),
    "rooms.ranges.elevation_deg",
    "rooms.test_ranges.elevation_deg",
)
"""Values that may be negative; all other numbers may not."""

RANGES = (
    "floor_area_m2",
    "height_m",
    "aspect",
    "elevation_deg",
    "distance_m",
    "t30_s",
    "diffuseness",
    "noise_snr_db",
    "low_cut_hz",
    "start_s",
    "aliasing_hz",
    "self_noise_snr_db",
    "self_noise_corner_hz",
    "rumble_snr_db",
    "clip_db",
    "level_dbfs",
    "betas",
    "absorption",
)
"""Names of fields that hold two numbers, or none where their default is empty."""

SIZES = ("width", "vocab_size", "hidden_size", "layers", "heads", "pooling_heads", "max_tokens", "bands", "attributes", "intermediate_size")
"""Names of a model's fields that must be greater than 0."""

MAY_BE_EMPTY = tuple(
    f"augmentation.{name}" for name in ("noise_snr_db", "low_cut_hz", "aliasing_hz", "self_noise_snr_db", "rumble_snr_db", "level_dbfs")
)
"""Ranges for which empty means off."""

MEASURED_REMEDY = "--set rooms.measured.path=FOLDER, which `elsa rooms import` wrote"

REGRESSION_TARGETS, PAPER_TARGETS = 7, 44
"""Outputs of the spatial branch that `pretraining.targets` regression and paper need."""

LEAST_VOCABULARY = 257
"""Tokens of a byte-pair tokenizer: every byte, and the end of a caption."""

NO_ACCUMULATION = (
    "accumulating the gradients of small batches does not give a large batch's: each pair would meet the negatives of its small batch only",
    "set trainer.chunks: a batch of any size, part by part, with all its negatives (GradCache)",
)
"""Why there is no accumulation of gradients, and what there is instead."""

ESC50_REMEDY = "--set data.corpus.root=FOLDER, or make … CORPUS=esc50 DATA=FOLDER"


def validate(experiment: Experiment) -> None:
    """Check every rule that involves more than a type.

    Raises:
        ConfigError: the first rule that is broken, naming its key.
    """
    values = dict(leaves(experiment))
    for key, value in values.items():
        _check_number(key, value)
        if key.rpartition(".")[2] in RANGES and not key.startswith("evaluation."):
            _check_range(key, value)
    _check_audio(experiment)
    _check_rooms(experiment)
    _check_measured_rooms(experiment)
    _check_corpus(experiment)
    _check_pcm(experiment)
    _check_negatives(experiment)
    _check_model(experiment)
    _check_what_where(experiment)
    _check_training(experiment)
    _check_pretraining(experiment)
    check_evaluation(experiment.evaluation)
    _check_captioner(experiment)


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything below a dataclass."""
    for f in fields(node):
        value = getattr(node, f.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{f.name}.")
        else:
            yield prefix + f.name, value


def _fail(key: str, value: Any, rule: str, remedy: str = "") -> None:
    raise ConfigError(f"`{key}` is {value!r}, but {rule}", remedy or f"`elsa config explain {key}` says what it is")


def _check_number(key: str, value: Any) -> None:
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, str | bool):
            continue
        if not math.isfinite(number):
            _fail(key, value, "must be finite")
        if key in POSITIVE and number <= 0:
            _fail(key, value, "must be greater than 0")
        if key not in SIGNED and number < 0:
            _fail(key, value, "must not be negative")
        if key in SHARES and number > 1:
            _fail(key, value, "must lie between 0 and 1")


def _check_range(key: str, value: list[float]) -> None:
    if not value and key in MAY_BE_EMPTY:
        return
    if len(value) != 2:
        _fail(key, value, "must be two numbers")
    if key != "optim.betas" and not value[0] <= value[1]:
        _fail(key, value, "must have its lower bound first")


def _check_audio(experiment: Experiment) -> None:
    audio, features = experiment.audio, experiment.features
    if audio.strip_db >= 0:
        _fail("audio.strip_db", audio.strip_db, "must be below 0 dB, the clip's peak")
    if features.mel.f_max_hz > audio.sample_rate / 2:
        _fail("features.mel.f_max_hz", features.mel.f_max_hz, f"half of `audio.sample_rate` is {audio.sample_rate / 2:g}")
    if features.mel.f_min_hz >= features.mel.f_max_hz:
        _fail("features.mel.f_min_hz", features.mel.f_min_hz, f"`features.mel.f_max_hz` is {features.mel.f_max_hz:g}")
    for name in ("mel", "intensity"):
        part = getattr(features, name)
        if part.hop > part.n_fft:
            _fail(f"features.{name}.hop", part.hop, f"`features.{name}.n_fft` is {part.n_fft}: samples would be skipped")
        if audio.clip_s * audio.sample_rate < part.n_fft:
            _fail(f"features.{name}.n_fft", part.n_fft, f"a clip has only {audio.clip_s * audio.sample_rate:g} samples")


def _check_rooms(experiment: Experiment) -> None:
    rooms = experiment.rooms
    if not rooms.bands_hz or rooms.bands_hz != sorted(set(rooms.bands_hz)):
        _fail("rooms.bands_hz", rooms.bands_hz, "must be rising frequencies")
    if rooms.diffuseness[1] > 1:
        _fail("rooms.diffuseness", rooms.diffuseness, "must lie between 0 and 1")
    if rooms.engine == "pyroomacoustics_images" and list(rooms.diffuseness) != [0, 0]:
        _fail("rooms.diffuseness", rooms.diffuseness, "images know no scattering", "set rooms.diffuseness=[0,0] with this engine")
    if rooms.test_rooms == "seen" and (rooms.mode != "bank" or rooms.test > rooms.train):
        few = f"there are {rooms.train} training rooms, not {rooms.test}"
        rule = few if rooms.mode == "bank" else "they are rooms of the training's bank"
        _fail("rooms.test_rooms", "seen", rule, "set rooms.mode=bank, and rooms.test to at most rooms.train")
    if rooms.mode != "bank":
        if rooms.engine != "shoebox":
            remedy = "set rooms.engine=shoebox, or rooms.mode=bank"
            _fail("rooms.engine", rooms.engine, f"it builds banks, but `rooms.mode` is {rooms.mode}", remedy)
        bank_only = f"`rooms.mode` is {rooms.mode}, whose rooms are "
        if experiment.data.rendering == "cached":
            _fail("data.rendering", "cached", bank_only + "simulated during training", "set data.rendering=stream, or rooms.mode=bank")
        for name in ("elevation_balance", "near_balance"):
            if getattr(rooms, name) != 1:
                remedy = f"set rooms.{name}=1, or rooms.mode=bank"
                _fail(f"rooms.{name}", getattr(rooms, name), bank_only + "drawn as they come", remedy)
    for name in ("ranges", "test_ranges"):
        ranges = getattr(rooms, name)
        for field in ("floor_area_m2", "height_m", "distance_m", "t30_s"):
            if getattr(ranges, field)[0] <= 0:
                _fail(f"rooms.{name}.{field}", getattr(ranges, field), "must be greater than 0")
        if ranges.aspect[0] < 1:
            _fail(f"rooms.{name}.aspect", ranges.aspect, "is the longer side over the shorter one, at least 1")
        if not -90 <= ranges.elevation_deg[0] <= ranges.elevation_deg[1] <= 90:
            _fail(f"rooms.{name}.elevation_deg", ranges.elevation_deg, "must lie between -90 and 90")


def _check_measured_rooms(experiment: Experiment) -> None:
    measured = experiment.rooms.measured
    if not measured.path and measured.share > 0:
        _fail("rooms.measured.share", measured.share, "`rooms.measured.path` is empty", MEASURED_REMEDY)
    if not measured.path and measured.test != "simulated":
        _fail("rooms.measured.test", measured.test, "`rooms.measured.path` is empty", MEASURED_REMEDY)
    if measured.test == "both" and experiment.data.eval_versions < 2:
        _fail(
            "data.eval_versions", experiment.data.eval_versions, "every other version of a test clip is in a measured room", "set it to 2"
        )


def _check_corpus(experiment: Experiment) -> None:
    corpus = experiment.data.corpus
    if isinstance(corpus, Esc50Config):
        if not corpus.root:
            _fail(
                "data.corpus.root",
                "",
                "the corpus esc50 is a folder on your disk",
                ESC50_REMEDY,
            )
        if not corpus.test_folds:
            _fail("data.corpus.test_folds", [], "something must be held out for test", "--set 'data.corpus.test_folds=[5]'")
        shared = sorted(set(corpus.val_folds) & set(corpus.test_folds))
        if shared:
            _fail("data.corpus.val_folds", corpus.val_folds, f"folds {shared} are test folds too")
    elif isinstance(corpus, ManifestConfig):
        if not corpus.path:
            _fail("data.corpus.path", "", "the corpus manifest is a file on your disk", "--set data.corpus.path=FILE.jsonl")
    elif isinstance(corpus, FoleyConfig):
        for name in ("train_clips", "val_clips", "test_clips"):
            if getattr(corpus, name) < 1:
                _fail(f"data.corpus.{name}", getattr(corpus, name), "must be greater than 0")


def _check_pcm(experiment: Experiment) -> None:
    data = experiment.data
    if data.pcm_cache and isinstance(data.corpus, FoleyConfig):
        _fail("data.pcm_cache", data.pcm_cache, "the corpus foley is synthesised and has no files", "leave data.pcm_cache empty")
    if data.pcm_precision != "float32" and not data.pcm_cache:
        remedy = "set data.pcm_cache to a folder made by `elsa data cache`, or data.pcm_precision=float32"
        _fail("data.pcm_precision", data.pcm_precision, "without `data.pcm_cache` sounds come from files", remedy)


def _check_negatives(experiment: Experiment) -> None:
    data, trainer = experiment.data, experiment.trainer
    if data.negatives != "hard_spatial":
        return
    if experiment.rooms.mode != "bank":
        remedy = "set rooms.mode=bank, or data.negatives=plain"
        _fail("data.negatives", data.negatives, f"`rooms.mode` is {experiment.rooms.mode}: only a bank's places are known before", remedy)
    if data.group % 2 and data.group != 1:
        _fail("data.group", data.group, "`data.negatives` is hard_spatial: pairs must not be parted", "set an even number, or 1")
    for key, size in (("trainer.batch_size", trainer.batch_size), ("pretraining.batch_size", experiment.pretraining.batch_size)):
        if size // (trainer.devices * trainer.nodes) % 2 and (key == "trainer.batch_size" or experiment.pretraining.steps):
            _fail(key, size, "`data.negatives` is hard_spatial: a device's share must hold whole pairs", "make each share an even number")


def _check_model(experiment: Experiment) -> None:
    model = experiment.model
    for key, value in leaves(model, "model."):
        name = key.rpartition(".")[2]
        if name in SIZES and value in (0, []) and key != "model.what_where.width":
            _fail(key, value, "must be greater than 0")
        if name in ("channels", "hidden", "depths") and (not value or min(value) < 1):
            _fail(key, value, "must be a list of numbers greater than 0")
    if isinstance(model.spatial, CoordCnnConfig) and len(model.spatial.hidden) != 2:
        _fail("model.spatial.hidden", model.spatial.hidden, "an MLP of three layers has two hidden widths")
    if hasattr(model.text, "hidden_size") and model.text.hidden_size % model.text.heads:
        _fail("model.text.heads", model.text.heads, f"must divide `model.text.hidden_size`, {model.text.hidden_size}")


def _check_what_where(experiment: Experiment) -> None:
    width, loss = experiment.model.what_where.width, experiment.loss
    for name in ("what", "where"):
        weight = getattr(loss, name).weight
        if weight and not width:
            remedy = "set model.what_where.width, such as 128"
            _fail(f"loss.{name}.weight", weight, "`model.what_where.width` is 0: there is no such space", remedy)
        if width and not weight:
            remedy = f"set loss.{name}.weight=1, or model.what_where.width=0"
            _fail(f"loss.{name}.weight", weight, f"`model.what_where.width` is {width}: the space would be judged untrained", remedy)


def _check_training(experiment: Experiment) -> None:
    trainer, loss = experiment.trainer, experiment.loss
    processes = trainer.devices * trainer.nodes
    for key, size in (("trainer.batch_size", trainer.batch_size), ("pretraining.batch_size", experiment.pretraining.batch_size)):
        if size % processes and (key == "trainer.batch_size" or experiment.pretraining.steps):
            _fail(key, size, f"it must divide by `trainer.devices` × `trainer.nodes` = {processes}")
    if trainer.batch_size // processes % trainer.chunks:
        _fail(
            "trainer.chunks",
            trainer.chunks,
            f"a device's share of `trainer.batch_size`, {trainer.batch_size // processes}, must divide by it",
        )
    if trainer.select == "best" and trainer.val_every == 0:
        remedy = "set trainer.val_every to some steps, or trainer.select=last"
        _fail("trainer.select", "best", "`trainer.val_every` is 0: there would be one validation to choose from", remedy)
    if trainer.steps == 0 and trainer.epochs == 0:
        _fail("trainer.epochs", 0, "`trainer.steps` is 0 too: nothing would be trained")
    if all(getattr(loss, f.name).weight == 0 for f in fields(loss)):
        _fail("loss.clip.weight", 0.0, "all other weights are 0 too: nothing would be trained")
    if not 0.01 <= loss.clip.sigmoid.temperature <= 1:
        _fail("loss.clip.sigmoid.temperature", loss.clip.sigmoid.temperature, "must lie between 0.01 and 1", "0.1 is SigLIP's start")
    if not all(beta < 1 for beta in experiment.optim.betas):
        _fail("optim.betas", experiment.optim.betas, "must be below 1")
    most = fewest_frames()
    if experiment.captions.per_clip > most:
        remedy = f"set captions.per_clip to at most {most}"
        _fail("captions.per_clip", experiment.captions.per_clip, f"a clip's captions have {most} sentence forms", remedy)


def _check_pretraining(experiment: Experiment) -> None:
    pretraining, spatial = experiment.pretraining, experiment.model.spatial
    if pretraining.steps == 0 or not isinstance(spatial, CoordCnnConfig) or spatial.checkpoint:
        return
    paper = pretraining.targets == "paper"
    if paper and experiment.rooms.mode != "bank":
        remedy = "set rooms.mode=bank, or pretraining.targets=regression"
        _fail(
            "pretraining.targets", "paper", f"`rooms.mode` is {experiment.rooms.mode}: third octaves are measured of a bank's rooms", remedy
        )
    if paper and spatial.attributes != PAPER_TARGETS:
        _fail("model.spatial.attributes", spatial.attributes, f"the paper's pre-training has {PAPER_TARGETS} targets")
    if spatial.attributes < REGRESSION_TARGETS:
        _fail("model.spatial.attributes", spatial.attributes, f"pre-training has {REGRESSION_TARGETS} targets")


def _check_captioner(experiment: Experiment) -> None:
    language = experiment.captioner.language
    if experiment.captioner.drafts and not experiment.captioner.word_keep:
        _fail("captioner.word_keep", 0.0, "drafts without spatial words have nothing to agree on", "set it above 0, or captioner.drafts=0")
    if isinstance(language, SmallGpt2Config):
        if language.vocab_size < LEAST_VOCABULARY:
            _fail("captioner.language.vocab_size", language.vocab_size, f"{LEAST_VOCABULARY} tokens are needed for all bytes and the end")
        if language.hidden_size % language.heads:
            _fail("captioner.language.heads", language.heads, f"must divide `captioner.language.hidden_size`, {language.hidden_size}")
    elif experiment.captioner.enabled and not language.checkpoint:
        remedy = "--set captioner.language.checkpoint=gpt2, or captioner.language.name=small for one from scratch"
        _fail("captioner.language.checkpoint", "", "this variant starts from pretrained weights", remedy)
