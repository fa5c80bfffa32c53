"""Stage `rooms`: simulate the banks of training, validation and test rooms."""

from __future__ import annotations

from elsa_lightning.acoustics.bank import RoomBank, build_bank
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

            build_bank(cfg.rooms, cfg.audio.sample_rate, split, progress=progress).save(folder)
        before += counts[split]
    return {"rooms": counts}


def load_banks(stage: Stage) -> dict[str, RoomBank]:
    """The banks of a stage's parent, by split."""
    return {split: RoomBank.load(stage.parents["rooms"] / split) for split in SPLITS}
