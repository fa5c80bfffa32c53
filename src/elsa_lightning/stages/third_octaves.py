"""Stage `third_octaves`: DRR and T30 of the training rooms in third octaves, for the pre-training of the spatial branch."""

from __future__ import annotations

from torch import Tensor

from elsa_lightning.acoustics.bank import RoomBank, saved_hash
from elsa_lightning.acoustics.third_octave_labels import ThirdOctaves, measure_bank
from elsa_lightning.stages.execute import Stage


def run(stage: Stage) -> dict:
    """Measure the bank of training rooms; parts of an interrupted run are kept."""
    folder = stage.parents["rooms"] / "train"

    def progress(done: int, total: int) -> None:
        stage.status(done, total, "measuring third octaves")

    labels = measure_bank(RoomBank.load(folder), saved_hash(folder), stage.cfg.rooms, stage.folder, progress)
    return {"rooms": len(labels), "drr_known": _share_known(labels.drr_db), "t30_known": _share_known(labels.t30_s)}


def _share_known(values: Tensor) -> list[float]:
    """Of each band, the share of rooms that have a label."""
    return [round(share, 4) for share in (~values.isnan()).float().mean(0).tolist()]


def load_third_octaves(stage: Stage) -> ThirdOctaves:
    """The labels of a stage's training rooms, in the bank's order."""
    return ThirdOctaves.load(stage.parents["third_octaves"], saved_hash(stage.parents["rooms"] / "train"))
