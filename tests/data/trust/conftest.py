"""A small corpus in ESC-50's layout that may be damaged, and ways to damage it."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.readers import open_corpus
from elsa_lightning.schema import Esc50Config

RATE = 44100


class Miniature:
    """A corpus on disk.

    Args:
        root: its folder, with meta/esc50.csv and audio/.
        names: of its clips, as their records name the files.
    """

    def __init__(self, root, names):
        self.root, self.names = root, names

    @property
    def corpus(self):
        return open_corpus(Esc50Config(root=str(self.root), val_folds=[4], test_folds=[5]))

    def path(self, number):
        return self.root / self.names[number]

    def cut(self, number, share=0.6):
        data = self.path(number).read_bytes()
        self.path(number).write_bytes(data[: int(len(data) * share)])

    def empty(self, number):
        self.path(number).write_bytes(b"")

    def rename(self, number, name):
        self.path(number).rename(self.path(number).with_name(name))

    def copy(self, number, to):
        shutil.copy(self.path(number), self.path(to) if isinstance(to, int) else self.path(number).with_name(to))

    def rewrite(self, number, change, rate=RATE, subtype=None):
        """Replace a file's samples; OGG stays OGG."""
        samples, _ = soundfile.read(self.path(number))
        path = self.path(number)
        soundfile.write(path, change(samples), rate, subtype=subtype if path.suffix == ".wav" else None)


@pytest.fixture
def miniature(tmp_path):
    """Five folds of six half-second WAV files."""
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").mkdir()
    rng = np.random.default_rng(5)
    names = []
    with open(tmp_path / "meta" / "esc50.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filename", "fold", "category", "src_file"])
        for number in range(30):
            fold = 1 + number // 6
            table.writerow([f"{fold}-{number}.wav", fold, "dog", 100 + number])
            names.append(f"audio/{fold}-{number}.wav")
            soundfile.write(tmp_path / names[-1], rng.standard_normal(RATE // 2) * 0.1, RATE)
    return Miniature(tmp_path, names)


@pytest.fixture
def manifest(tmp_path):
    """Writes rows as a JSONL manifest, without any check."""

    def write(rows, name="a.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write
