"""Stage `rooms`: simulate the banks of training, validation and test rooms, and add the measured ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from elsa_lightning.acoustics.bank import RoomBank, build_bank
from elsa_lightning.acoustics.measured.mixing import fitted, joined
from elsa_lightning.schema import Experiment
from elsa_lightning.stages.execute import Stage

SPLITS = ("train", "val", "test")


def run(stage: Stage) -> dict:
    """One bank per split, in folders of the split's name. Finished splits of an interrupted run are kept."""
    cfg = stage.cfg
    counts = {split: getattr(cfg.rooms, split) for split in SPLITS}
    total, before = sum(counts.values()), 0
    for split in SPLITS:
        folder = stage.folder / split
        if not (folder / "manifest.json").exists():

            def progress(done: int, of: int, before: int = before, split: str = split) -> None:
                stage.status(before + done, total, f"simulating {split} rooms")

            build_split(cfg, split, progress).save(folder)
        before += counts[split]
    return {"rooms": counts}


def build_split(cfg: Experiment, split: str, progress: Callable[[int, int], None]) -> RoomBank:
    """The split's rooms: simulated, with the measured ones after them, or measured alone, as `rooms.measured` says.

    Raises:
        DataError: the measured bank is missing or damaged, or does not fit.
    """
    measured = cfg.rooms.measured
    added = None
    if {"train": measured.share > 0, "test": measured.test != "simulated"}.get(split):
        added = fitted(RoomBank.load(Path(measured.path) / split), cfg.rooms, cfg.audio.sample_rate)
        if split == "test" and measured.test == "measured":
            return added
    simulated = build_bank(cfg.rooms, cfg.audio.sample_rate, split, progress=progress)
    return simulated if added is None else joined(simulated, added)


def load_banks(stage: Stage) -> dict[str, RoomBank]:
    """The banks of a stage's parent, by split."""
    return {split: RoomBank.load(stage.parents["rooms"] / split) for split in SPLITS}
