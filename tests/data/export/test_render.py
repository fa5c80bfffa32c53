"""Shards, workers, kills and full disks change nothing; another export's folder is refused."""

import dataclasses
import errno
import json
import multiprocessing
import os
import pathlib
import random
import signal
import sys

import pytest
import soundfile

from elsa_lightning.data.export import render as module
from elsa_lightning.data.export.job import plan
from elsa_lightning.data.export.lines import join, known_lines, tidy, write_tasks
from elsa_lightning.data.export.render import render
from elsa_lightning.data.export.tars import write_tars
from elsa_lightning.data.journal import Journal
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import ConfigError, DataError, RunError
from elsa_lightning.schema import ManifestConfig

from .conftest import tree


def test_workers_change_nothing(rough, export, tmp_path):
    rough.data.versions = 3  # 72 items: more than this process would do alone
    told = []
    job, lines = export(rough, tmp_path / "alone")
    many = dataclasses.replace(job, out=tmp_path / "many")
    assert render(many, open_corpus(rough.data.corpus), workers=2, progress=lambda *at: told.append(at)) == 72
    assert join(many.out, many.counts) == lines
    tidy(many.out)
    assert tree(tmp_path / "many") == tree(tmp_path / "alone")
    assert told[0] == ("rendering", 0, 72) and told[-1] == ("rendering", 72, 72) and len(told) == 73


def test_shards_joined_are_the_whole(rough, corpus, export, tmp_path):
    splits = ("train", "val", "test")
    job, _ = export(rough, tmp_path / "whole", splits)
    parts = dataclasses.replace(job, out=tmp_path / "parts")
    done = [render(parts, corpus, (index, 3), workers=0) for index in (3, 1)]
    with open(parts.out / "parts/1-of-3.jsonl", "ab") as journal:
        journal.write((parts.out / "parts/3-of-3.jsonl").read_bytes()[:90])  # it is being written to
    assert done == [27, 26] and len(known_lines(parts.out, parts.counts)) == 53
    with pytest.raises(DataError, match=r"27 of 80 items are not rendered yet, the first is number 26 \(shards begun: 1-of-3, 3-of-3\)"):
        join(parts.out, parts.counts)
    with Journal(parts.out / "parts/2-of-3.jsonl"), pytest.raises(RunError, match="in use by another process"):
        render(parts, corpus, (2, 3), workers=0)
    assert render(parts, corpus, (2, 3), workers=0) == 27
    assert render(parts, corpus, (2, 5), workers=0) == 0  # otherwise divided: all is there
    join(parts.out, parts.counts)
    tidy(parts.out)
    assert tree(parts.out) == tree(tmp_path / "whole")
    assert sorted(path.name for path in parts.out.iterdir()) == ["audio", "export.json", "manifest.jsonl"]


def test_what_is_lost_or_cut_is_rendered_again(cfg, corpus, export, tmp_path):
    job, lines = export(cfg, tmp_path / "out")
    before = tree(job.out)
    (job.out / lines[3]["audio"]).unlink()
    (job.out / lines[20]["audio"]).write_bytes(b"fLaC")
    with pytest.raises(DataError, match="2 of 48 items are not rendered"):
        join(job.out, job.counts)
    assert render(job, corpus, workers=0) == 2
    join(job.out, job.counts)
    tidy(job.out)
    assert tree(job.out) == before


# kills


PHASES = {"start": module.render, "rendering": Journal.add, "joining": join}


def counted(job, calls, phase, kill_at):
    """Do the whole export, count the calls since the first of a phase, and SIGKILL this process at one of them: no clock.

    `calls` becomes how many there were until the next phase began, or the end.
    """
    counts, now = dict.fromkeys(PHASES, 0), "start"
    codes = {function.__code__: name for name, function in PHASES.items()}

    def profile(frame, event, argument):
        nonlocal now
        now = codes.get(frame.f_code, now) if event == "call" else now
        counts[now] += event == "call"
        if now == phase and counts[now] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)
    render(job, open_corpus(job.cfg.data.corpus), workers=0)
    finish(job)
    sys.setprofile(None)
    for position, name in enumerate(PHASES):
        calls[position] = counts[name]


def finish(job):
    lines = join(job.out, job.counts)
    write_tasks(job.out, lines, job.cfg.captions.per_clip)
    write_tars(job.out, lines, 9, workers=0)
    tidy(job.out)


def in_a_process(job, phase="", kill_at=0):
    context = multiprocessing.get_context("forkserver")
    calls = context.Array("q", len(PHASES))
    process = context.Process(target=counted, args=(job, calls, phase, kill_at))
    process.start()
    process.join()
    return process.exitcode, dict(zip(PHASES, calls, strict=True))


def test_ten_kills_change_nothing(rough, corpus, bank_folders, tmp_path):
    """Files, manifest, tasks and tars are, byte for byte, those of a run that nobody stopped; nothing is left over."""
    pytest.importorskip("webdataset", reason="tars are an extra: pip install 'elsa-lightning[shards]'")
    multiprocessing.get_context("forkserver").set_forkserver_preload(["elsa_lightning.data.export.render"])
    job = plan(rough, corpus, bank_folders, ["train", "test"], tmp_path / "whole", "flac")
    code, calls = in_a_process(job)
    assert code == 0 and all(count > 500 for count in calls.values())
    killed, draw, begun = dataclasses.replace(job, out=tmp_path / "killed"), random.Random(4), []
    for phase, share in (*[("start", 0.9)] * 2, *[("rendering", 0.14)] * 5, ("start", 0.9), *[("joining", 0.4)] * 2):
        if phase == "joining":  # let it come so far
            render(killed, corpus, workers=0)
        kill_at = draw.randint(1, int(share * calls[phase]))
        code, _ = in_a_process(killed, phase, kill_at)
        assert code == -signal.SIGKILL, f"{phase}: ended before its call {kill_at} of {calls[phase]}"
        begun.append(len(known_lines(killed.out, killed.counts)))
    assert len(set(begun)) > 5 and 3 < begun[4] < 60, begun
    stray = killed.out / "audio/train/00000/.00000003.flac.999.tmp"
    stray.write_bytes(b"half")
    render(killed, corpus, workers=0)
    finish(killed)
    assert tree(killed.out) == tree(job.out) and not (killed.out / "parts").exists()


# what cannot be


def test_another_config_is_refused_and_what_is_not_heard_does_not_matter(cfg, corpus, bank_folders, export, tmp_path):
    job, _ = export(cfg, tmp_path / "out", ["val"])
    before = tree(job.out)
    cfg.trainer.steps, cfg.data.workers, cfg.model.embedding, cfg.data.rendering = 99, 3, 32, "cached"
    assert render(plan(cfg, corpus, bank_folders, ["val"], job.out, "flac"), corpus, workers=0) == 0
    about = json.loads((job.out / "export.json").read_text())
    del about["experiment"]["rooms"]["near_balance"], about["experiment"]["augmentation"]["eq_db"]  # keys that came later and are off
    (job.out / "export.json").write_text(json.dumps(about))
    assert render(plan(cfg, corpus, bank_folders, ["val"], job.out, "flac"), corpus, workers=0) == 0
    (job.out / "export.json").write_bytes(before["export.json"])
    cfg.audio.min_s = 0.6
    with pytest.raises(ConfigError, match=r"out holds the export of another config \(audio.min_s: 0.75 there, 0.6 here\)\n  → name a new"):
        render(plan(cfg, corpus, bank_folders, ["val"], job.out, "flac"), corpus, workers=0)
    cfg.audio.min_s = 0.75
    with pytest.raises(ConfigError, match='--format: "flac" there, "wav" here'):
        render(plan(cfg, corpus, bank_folders, ["val"], job.out, "wav"), corpus, workers=0)
    with pytest.raises(ConfigError, match="bank of test rooms: nothing there"):
        render(plan(cfg, corpus, bank_folders, ["test"], job.out, "flac"), corpus, workers=0)
    with pytest.raises(ConfigError, match="bank of val rooms"):
        render(plan(cfg, corpus, {"val": bank_folders["test"]}, ["val"], job.out, "flac"), corpus, workers=0)
    assert {name: content for name, content in tree(job.out).items() if not name.startswith("parts/")} == before


def test_strange_folders_are_left_alone(cfg, corpus, bank_folders, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for out, fault, message in (
        (tmp_path, DataError, "holds something else than an export: file, thesis.tex"),
        (tmp_path / "file", RunError, "file cannot be written"),
    ):
        with pytest.raises(fault, match=message):
            render(plan(cfg, corpus, bank_folders, ["val"], out, "flac"), corpus, workers=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "thesis.tex"]


def test_a_read_only_folder_is_one_message(cfg, corpus, bank_folders, tmp_path, monkeypatch):
    def refuse(path, *arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(pathlib.Path, "mkdir", refuse)
    with pytest.raises(
        RunError, match=r"out cannot be written \(Read-only file system\)\n  → make room, or name another folder with --out"
    ):
        render(plan(cfg, corpus, bank_folders, ["val"], tmp_path / "out", "flac"), corpus, workers=0)


def test_too_small_a_disk_is_told_before_anything_is_rendered(cfg, corpus, bank_folders, tmp_path, monkeypatch):
    job = plan(cfg, corpus, bank_folders, ["train"], tmp_path / "out", "wav")
    enough = 48 * (4 * 8000 * 4)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": enough})())  # not for headers and lines
    with pytest.raises(RunError, match=r"0.01 GB are needed in .*out, 0.01 GB are free\n  → make room, name another folder with --out"):
        render(job, corpus, workers=0)
    assert not (tmp_path / "out/audio").exists()


def test_a_disk_that_fills_up_costs_nothing_but_time(cfg, corpus, export, bank_folders, tmp_path, monkeypatch):
    export(cfg, tmp_path / "whole")
    job, write, left = plan(cfg, corpus, bank_folders, ["train"], tmp_path / "out", "flac"), pathlib.Path.write_bytes, [20]

    def fill(path, content):
        if path.name.endswith(".tmp"):
            left[0] -= 1
            if left[0] < 0:
                write(path, content[:100])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    monkeypatch.setattr(pathlib.Path, "write_bytes", fill)
    with pytest.raises(RunError, match=r"\.flac cannot be written \(No space left on device\)\n  → make room"):
        render(job, corpus, workers=0)
    monkeypatch.undo()
    assert not list(job.out.rglob("*.tmp")) and render(job, corpus, workers=0) == 48 - 19
    join(job.out, job.counts)
    tidy(job.out)
    assert tree(job.out) == tree(tmp_path / "whole")


def test_a_faulty_clip_is_named(cfg, bank_folders, tmp_path):
    rows = [f'{{"audio": "{name}.wav", "captions": ["a dog"], "split": "test"}}\n' for name in ("a", "b")]
    (tmp_path / "m.jsonl").write_text("".join(rows))
    soundfile.write(tmp_path / "a.wav", [0.1, -0.1] * 8000, 16000)
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    cfg.data.corpus = ManifestConfig(path=str(tmp_path / "m.jsonl"))
    corpus = open_corpus(cfg.data.corpus)
    job = plan(cfg, corpus, bank_folders, ["test"], tmp_path / "out", "flac")
    with pytest.raises(DataError, match=r"^audio file .*b.wav cannot be decoded"):
        render(job, corpus, workers=0)
