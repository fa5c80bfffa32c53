"""Run one planned stage in this process."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from safetensors import SafetensorError

from elsa_lightning import runs
from elsa_lightning.atomic import disk_faults, write_json
from elsa_lightning.integrity import require_whole
from elsa_lightning.ranks import RANKED, process_rank
from elsa_lightning.schema import Experiment
from elsa_lightning.threads import use_threads

FACTS = "facts.json"
"""What a stage found out about itself (seconds of training, chosen checkpoint, …), for later stages and reports."""
WORK = {
    "rooms": "rooms:run",
    "features_train": "features:run_train",
    "features_eval": "features:run_eval",
    "intensity": "intensity:run",
    "text_states": "text_states:run",
    "third_octaves": "third_octaves:run",
    "pretraining": "pretraining:run",
    "train": "train:run",
    "embed": "embed:run",
    "embed_texts": "embed_texts:run",
    "captioner": "captioner:run",
    "captions": "captioner:run_captions",
    "evaluate": "evaluate:run",
    "room_ranges": "facts.room_ranges:run",
    "word_rules": "facts.word_rules:run",
    "architecture": "facts.architecture:run",
    "data_summary": "facts.data_summary:run",
}
"""Stage → module of this package and its function."""


@dataclass(frozen=True)
class Stage:
    """A stage at work.

    Attributes:
        name: of the stage.
        folder: its run directory.
        parents: stage name → run directory.
        cfg: the experiment.
    """

    name: str
    folder: pathlib.Path
    parents: dict[str, pathlib.Path]
    cfg: Experiment

    def status(self, done: int, total: int, text: str) -> None:
        """Tell the runner how far the stage is."""
        runs.write_status(self.folder, done / max(1, total), text)


def execute(run_dir: str | os.PathLike) -> None:
    """Compute a stage, or this process's share of it; its files and `facts.json` go into its folder. done.json is the caller's
    (`runs.perform`).

    Args:
        run_dir: a run directory with config.yaml, whose parents are done.

    Raises:
        RunError: the stage failed in a way that the user can mend, such as a damaged file of a stage before.
    """
    first = process_rank() == 0
    logging.basicConfig(level=logging.INFO if first else logging.WARNING, format="%(levelname)s %(message)s")
    planned = runs.read_config(run_dir)
    require_whole(list(planned.parents.values()))
    stage = Stage(planned.stage, pathlib.Path(run_dir), planned.parents, planned.experiment)
    beside = stage.cfg.trainer.devices if stage.name in RANKED else 1  # processes of this stage on this machine
    use_threads(stage.cfg.trainer.threads or -(-int(os.environ.get("ELSA_THREADS", "0")) // beside))
    with disk_faults(stage.folder), tensor_file_faults():
        facts = work_of(stage.name)(stage)
        if first:
            write_json(stage.folder / FACTS, facts)


def work_of(name: str) -> Callable[[Stage], dict]:
    """The function that computes a stage. Its module is imported alone: rooms and features need no Lightning, seconds of each process."""
    module, _, function = WORK[name].partition(":")
    return getattr(importlib.import_module(f"elsa_lightning.stages.{module}"), function)


@contextlib.contextmanager
def tensor_file_faults() -> Iterator[None]:
    """Let the system's faults that safetensors wraps ("… (os error 28)") be the `OSError`s that they are."""
    try:
        yield
    except SafetensorError as fault:
        number = re.search(r"os error (\d+)", str(fault))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from fault
