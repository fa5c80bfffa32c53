"""Tars that webdataset reads back, with bytes that do not tell where and when they were written."""

import json
import tarfile

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.export import tars
from elsa_lightning.data.export.tars import write_tars
from elsa_lightning.errors import ConfigError, RunError

from .conftest import tree

webdataset = pytest.importorskip("webdataset", reason="tars are an extra: pip install 'elsa-lightning[shards]'")


@pytest.mark.parametrize("file_format", ["flac", "wav"])
def test_webdataset_reads_them_back(cfg, export, tmp_path, file_format):
    job, lines = export(cfg, tmp_path / "out", ["train", "val"], file_format)
    told = []
    assert write_tars(job.out, lines, 20, workers=0, progress=lambda *at: told.append(at)) == 4 and told[-1] == ("packing tars", 4, 4)
    names = sorted(path.name for path in (job.out / "webdataset").glob("*.tar"))
    assert names == ["train-000000.tar", "train-000001.tar", "train-000002.tar", "val-000000.tar"]
    paths = [str(job.out / "webdataset" / name) for name in names]
    seen = list(webdataset.WebDataset(paths, shardshuffle=False))
    assert [json.loads(sample["json"]) for sample in seen] == lines
    for sample, line in zip(seen, lines, strict=True):
        assert sample["__key__"] == f"{line['split']}-{line['item']:08d}"
        assert sample[file_format] == (job.out / line["audio"]).read_bytes()
    (tmp_path / f"x.{file_format}").write_bytes(seen[5][file_format])
    assert np.array_equal(soundfile.read(tmp_path / f"x.{file_format}")[0], soundfile.read(job.out / lines[5]["audio"])[0])


def test_the_same_bytes_each_time(cfg, export, tmp_path):
    job, lines = export(cfg, tmp_path / "out", ["val"])
    write_tars(job.out, lines, 6, workers=0)
    before = tree(job.out / "webdataset")
    with tarfile.open(job.out / "webdataset/val-000002.tar") as tar:
        members = tar.getmembers()
    assert len(members) == 8 and all((m.mtime, m.uid, m.gid, m.uname, m.gname) == (0, 0, 0, "", "") for m in members)
    (job.out / "webdataset/val-000001.tar").unlink()
    stamp = (job.out / "webdataset/val-000000.tar").stat().st_mtime_ns
    write_tars(job.out, lines, 6, workers=0)
    assert tree(job.out / "webdataset") == before and (job.out / "webdataset/val-000000.tar").stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match=r"holds tars of 6 items, not 7"):
        write_tars(job.out, lines, 7, workers=0)


def test_too_small_a_disk_and_a_missing_package(cfg, export, tmp_path, monkeypatch):
    job, lines = export(cfg, tmp_path / "out", ["val"])
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(RunError, match="GB are needed in"):
        write_tars(job.out, lines, 7, workers=0)
    assert not list((job.out / "webdataset").glob("*.tar"))
    monkeypatch.setitem(__import__("sys").modules, "webdataset", None)
    with pytest.raises(ConfigError, match=r"pip install 'elsa-lightning\[shards\]'"):
        tars.check_installed()
