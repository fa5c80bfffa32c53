"""What jobs ask for: experiments/slurm/<profile>.yaml, a file of the user's own, and words of the command line. Imports no torch.

`default:` holds what all stages ask for, `stages: {train: …}` what one of them asks for instead; `max_array` and `at_once`
are the cluster's. A file may build on another by `base:`, as an experiment's may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from elsa_lightning.config import did_you_mean, field_types
from elsa_lightning.errors import ConfigError
from elsa_lightning.layers import Layer, override_layer, read_layers
from elsa_lightning.ranks import RANKED
from elsa_lightning.schema import Experiment
from elsa_lightning.schema_slurm import JobConfig, SlurmConfig
from elsa_lightning.sweep.arrays import ORDER
from elsa_lightning.typed_values import MEND, typed

FOLDER = "slurm"
"""Beside profiles/."""

TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}")
"""A limit as sbatch takes it."""

WORDS = "command line (--slurm)"
"""The source of what no file says."""

REFUSED = ("--array", "--dependency", "--job-name", "--output", "--open-mode", "--requeue", "--no-requeue", "--signal", "--wrap")
"""Options that the script sets itself."""


def load_resources(path: Path | None, overrides: Sequence[str] = ()) -> SlurmConfig:
    """What the jobs of each stage ask for.

    Args:
        path: a YAML file; None: defaults alone.
        overrides: `key=value` words, such as `default.account=abc`, `stages.train.time=1-0`.

    Raises:
        ConfigError: an unknown key or stage, a wrong type, a time or an option that sbatch would not take from us.
    """
    layers = read_layers(path) if path else []
    if overrides:
        layers.append(_words_layer(overrides))
    default: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    cluster: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.values.items():
            target, name = _place(key, layer.source, default, own, cluster)
            alone = (SlurmConfig, {"stages": {}, name: value}) if target is cluster else (JobConfig, {name: value})
            typed(*alone, layer.source, f"give one: --slurm {key}=…" if layer.source == WORDS else MEND)  # where the source is known
            target[name] = value
    where = " and the ".join([*([str(path)] if path else []), *([WORDS] if overrides else [])]) or "the defaults"
    stages = {stage: _checked(typed(JobConfig, default | own.get(stage, {}), where), where, stage) for stage in ORDER}
    found = typed(SlurmConfig, {**cluster, "stages": {}}, where)
    if found.max_array < 1 or found.at_once < 0:
        raise ConfigError(f"{where}: `max_array` is {found.max_array} and `at_once` is {found.at_once}", "give at least 1 and 0")
    return SlurmConfig(stages, found.max_array, found.at_once)


def _words_layer(words: Sequence[str]) -> Layer:
    """`key=value` words as a layer. What is text stays as it stands there: YAML takes 1:00:00 for 3600, and 0123 for 83."""
    types, values = field_types(JobConfig), {}
    for word in words:
        key, equals, text = (part.strip() for part in word.partition("="))
        place, _, name = key.rpartition(".")
        if equals and place and types.get(name) is str:
            quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
            values[key] = text[1:-1] if quoted else text
        else:
            values |= override_layer([word], WORDS).values
    return Layer(WORDS, values)


def find_resources(profile: str, experiment: Path) -> Path | None:
    """`slurm/<profile>.yaml` beside the experiment's file, or None."""
    path = experiment.parent / FOLDER / f"{Path(profile).stem}.yaml"
    return path if path.is_file() else None


def layout(stage: str, job: JobConfig, experiment: Experiment) -> tuple[int, int]:
    """Nodes and processes per node of a stage.

    Raises:
        ConfigError: a batch that so many processes cannot share.
    """
    if stage not in RANKED:
        return 1, 1
    trainer = experiment.trainer
    nodes, devices = job.nodes or trainer.nodes, job.devices or trainer.devices
    key, size, chunks = "trainer.batch_size", trainer.batch_size, trainer.chunks
    if stage == "pretraining":
        key, size, chunks = "pretraining.batch_size", experiment.pretraining.batch_size, 1
    share, rest = divmod(size, nodes * devices)
    if rest or share % chunks or (experiment.data.negatives == "hard_spatial" and share % 2):
        parts = f" in {chunks} chunks" if chunks > 1 else " in pairs" if experiment.data.negatives == "hard_spatial" else ""
        raise ConfigError(
            f"{nodes} nodes with {devices} processes each cannot share `{key}`, {size},{parts} evenly",
            f"set other numbers: --slurm stages.{stage}.nodes=… stages.{stage}.devices=…, or in the file of resources",
        )
    return nodes, devices


def _place(key: str, source: str, default: dict, own: dict, cluster: dict) -> tuple[dict[str, Any], str]:
    """Where a dotted key belongs, and its name there."""
    names = [f.name for f in fields(JobConfig)]
    first, _, rest = key.partition(".")
    if first == "default" and rest in names:
        return default, rest
    stage, _, name = rest.partition(".")
    if first == "stages" and stage in ORDER and name in names:
        return own.setdefault(stage, {}), name
    if key in ("max_array", "at_once"):
        return cluster, key
    places = ["default", *(f"stages.{stage}" for stage in ORDER)]
    near = did_you_mean(key, [*(f"{place}.{name}" for place in places for name in names), "max_array", "at_once"])
    remedy = f"`default.KEY` and `stages.STAGE.KEY` with KEY among {', '.join(names)}; max_array; at_once"
    raise ConfigError(f"{source}: there is no key `{key}`{near}", remedy)


def _checked(job: JobConfig, where: str, stage: str) -> JobConfig:
    if not TIME.fullmatch(job.time):
        raise ConfigError(f"{where}: `time` of {stage} is {job.time!r}", 'write "minutes", "hours:minutes:seconds" or "days-hours"')
    for name in ("nodes", "devices", "gpus", "signal_s"):
        if getattr(job, name) < 0:
            raise ConfigError(f"{where}: `{name}` of {stage} is {getattr(job, name)}", "give 0 or more")
    if job.cpus < 1:
        raise ConfigError(f"{where}: `cpus` of {stage} is {job.cpus}", "give 1 or more")
    for option in job.extra:
        name = option.split("=")[0].split()[0] if option.strip() else ""
        if not name.startswith("-") or "\n" in option or name in REFUSED:
            raise ConfigError(f"{where}: `extra` of {stage} holds {option!r}", f"give options of sbatch; not {', '.join(REFUSED)}")
    for name in ("partition", "account", "qos", "constraint", "memory"):
        if any(c.isspace() for c in getattr(job, name)):
            raise ConfigError(f"{where}: `{name}` of {stage} is {getattr(job, name)!r}", "it is one word")
    return job
