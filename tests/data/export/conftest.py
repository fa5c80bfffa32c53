"""Small exports of the miniature corpus in artificial rooms."""

from __future__ import annotations

import pytest

from elsa_lightning.data.export.job import plan
from elsa_lightning.data.export.lines import join, tidy
from elsa_lightning.data.export.render import render
from elsa_lightning.schema import AugmentationConfig

ROUGH = {"noise_snr_db": [5.0, 20.0], "mismatch_db": 1.0, "low_cut_hz": [20.0, 80.0], "mask_frames": 5, "mel_gain_db": 2.0}


@pytest.fixture(scope="session")
def bank_folders(banks, tmp_path_factory):
    """Split → its stored bank."""
    folder = tmp_path_factory.mktemp("banks")
    for split, bank in banks.items():
        bank.save(folder / split)
    return {split: folder / split for split in banks}


@pytest.fixture
def rough(cfg):
    """An experiment that turns, mirrors and roughens its training clips, and draws near sources more often."""
    cfg.rooms.near_balance = 3.0
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True, **ROUGH)
    return cfg


@pytest.fixture
def export(corpus, bank_folders):
    """Render and join; the job and the lines."""

    def make(cfg, out, splits=("train",), file_format="flac", workers=0, banks=None):
        job = plan(cfg, corpus, bank_folders if banks is None else banks, list(splits), out, file_format)
        render(job, corpus, workers=workers)
        lines = join(out, job.counts)
        tidy(out)
        return job, lines

    return make


def tree(folder):
    """Path → content of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
