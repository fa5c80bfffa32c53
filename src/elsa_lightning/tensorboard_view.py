"""What `elsa tensorboard` shows: a folder in which every curve has the name of its row and seed. Imports no torch.

    runs/tables/<report>/                  the report as text, its figures
    runs/tables/<report>/<row>.<seed>/     overrides and final values (hparams); for each row's first seed the embeddings (projector)
    runs/tables/<report>/<row>.<seed>.training → the curves of the run that trained it (also .pretraining, .captioner)
    runs/tables/other/<experiment>.<seed>.<fingerprint>.training → trainings of no table

The curves are links, made when the table is started: they are there while it trains. Rows that share a training share its curves.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from elsa_lightning.errors import ElsaError
from elsa_lightning.runs import read_config
from elsa_lightning.tables import Plan

BOARD = "tables"
"""Folder below that of all runs."""

OTHER = "other"
"""Folder of trainings that no table has asked for."""

CURVES = {"pretraining": ("pretraining", "branch"), "train": ("training", "curves"), "captioner": ("captioner", "captioner")}
"""Stage → the word for its curves, and their folder below its `tb`."""


def link_curves(plan: Plan, runs: Path) -> None:
    """Links to the curves of a table's rows and seeds, whether they are there yet or not.

    Args:
        plan: of the table.
        runs: folder of all runs.
    """
    for (row, seed), stages in plan.runs.items():
        for ref in stages:
            if ref.stage in CURVES:
                _link(runs / BOARD / plan.name / f"{row}.{seed}", ref.stage, runs / ref.run_id)


def link_others(runs: Path) -> None:
    """Links to the curves of all other trainings; `elsa train` and tables of before have left them."""
    linked = {os.path.realpath(path) for path in (runs / BOARD).glob("*/*") if path.is_symlink()}
    for stage in CURVES:
        for folder in (runs / stage).glob("*"):
            if os.path.realpath(_curves(stage, folder)) in linked or not (folder / "config.yaml").exists():
                continue
            try:
                cfg = read_config(folder).experiment
            except ElsaError:  # a damaged or old config.yaml has no say here
                name = folder.name[:6]
            else:
                name = f"{cfg.name}.{cfg.seed}.{folder.name[:6]}"
            _link(runs / BOARD / OTHER / name, stage, folder)


def _curves(stage: str, folder: Path) -> Path:
    return folder / "tb" / CURVES[stage][1]


def _link(stem: Path, stage: str, folder: Path) -> None:
    """Link `<stem>.<word>` to the curves of a run, relatively, so that the runs may be moved."""
    link = stem.with_name(f"{stem.name}.{CURVES[stage][0]}")
    target = os.path.relpath(_curves(stage, folder), link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    with contextlib.suppress(FileExistsError):  # another process was faster
        link.symlink_to(target)
