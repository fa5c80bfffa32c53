"""Export: WAV files and captions that say they are synthetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from elsa_lightning import foley
from elsa_lightning.errors import DataError


def test_export_writes_clips_and_captions(tmp_path: Path) -> None:
    path = foley.export(tmp_path / "out", 3, seed=1, split="test", sample_rate=22050)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r["label"] for r in records] == list(foley.CLASSES[:3])
    for index, record in enumerate(records):
        assert record["synthetic"] is True and len(set(record["captions"])) >= 5
        audio, rate = soundfile.read(path.parent / record["file"], dtype="float32")
        assert rate == 22050
        assert np.allclose(audio, foley.draw(1, index, "test", sample_rate=22050).audio, atol=1e-4)


def test_export_into_a_file_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(DataError, match="taken"):
        foley.export(tmp_path / "taken", 1)
