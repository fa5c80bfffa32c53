"""From a folder to a manifest: what is left out is named, nothing is looked at twice, a kill costs nothing."""

import argparse
import json
import multiprocessing
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from elsa_lightning import cli_prepare
from elsa_lightning.data import journalled_facts
from elsa_lightning.data.audio_facts import inspect
from elsa_lightning.data.journal import Journal
from elsa_lightning.data.layouts import LAYOUTS, Entry
from elsa_lightning.data.layouts.sharing import shared_recordings
from elsa_lightning.data.manifest import read_manifest
from elsa_lightning.data.parallel import each
from elsa_lightning.data.prepare import prepare
from elsa_lightning.errors import ConfigError, DataError, RunError

from .miniatures import audiocaps, clotho, freesound_tars, sound, table, urbansound8k


def many(root, count):
    """An ESC-50 of many short clips, some of them faulty, some stereo, some missing."""
    rows = [[f"{i % 5 + 1}-{i}-A-0.wav", i % 5 + 1, 0, "dog", "True", i, "A"] for i in range(count)]
    table(root / "meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take", rows)
    for number, row in enumerate(rows):
        if number % 50 != 7:
            sound(root / "audio" / row[0], channels=1 + (number % 10 == 3), seconds=0.1, rate=8000)
    (root / "audio" / rows[9][0]).write_bytes(b"RIFF")


def run(*arguments):
    """`elsa data prepare …`."""
    parser = argparse.ArgumentParser()
    cli_prepare.add(parser.add_subparsers())
    parsed = parser.parse_args(["prepare", *map(str, arguments)])
    return parsed.command(parsed)


# what is left out


def test_missing_and_faulty_clips_are_named_and_left_out_or_fatal(tmp_path, capsys):
    many(tmp_path / "root", 200)
    arguments = ["esc50", "--root", tmp_path / "root", "--out", tmp_path / "m.jsonl", "--workers", "0", "--json", tmp_path / "r.json"]
    with pytest.raises(DataError, match=r"4 clips are missing, 21 faulty, 0 tables") as caught:
        run(*arguments, "--strict")
    assert "3-7-A-0.wav" in caught.value.message and not (tmp_path / "m.jsonl").exists()
    assert len(json.loads((tmp_path / "r.json").read_text())["faulty"]) == 21
    assert not run(*arguments)
    shown, report = capsys.readouterr().out, json.loads((tmp_path / "r.json").read_text())
    assert "esc50: 200 clips expected, 196 with a file, 175 for" in shown and "missing: 4: 3-7-A-0.wav, 3-57-A-0.wav" in shown
    assert "faulty: 21" in shown and "… and 11 more" in shown and "has 2 channels" in shown and "--mix-down" in shown
    assert report["missing"] == [f"3-{i}-A-0.wav" for i in (7, 57, 107, 157)] and report["written"] == 175
    assert {fault["clip_id"] for fault in report["faulty"]} == {"5-9-A-0.wav"} | {f"4-{i}-A-0.wav" for i in range(3, 200, 10)}
    written = {record.clip_id for record in read_manifest(tmp_path / "m.jsonl")}
    assert len(written) == 175 and not written & ({fault["clip_id"] for fault in report["faulty"]} | set(report["missing"]))
    assert sum(sizes["captions"] for sizes in report["splits"].values()) == 5 * 175


def test_a_whole_corpus_passes_strict_and_mono_copies_replace_stereo(tmp_path):
    urbansound8k(tmp_path / "root")
    (tmp_path / "root/mono/audio/fold1").mkdir(parents=True)  # copies may lie within the corpus: they are not taken for it
    found = prepare("urbansound8k", tmp_path / "root", tmp_path / "m.jsonl", mix_down=tmp_path / "root/mono", workers=0, strict=True)
    again = prepare("urbansound8k", tmp_path / "root", tmp_path / "m.jsonl", mix_down=tmp_path / "root/mono", workers=0, strict=True)
    assert found.records == again.records and again.unlisted == [] and len(found.records) == 20
    copy = tmp_path / "root/mono/audio/fold2/102-3-0-0.wav.flac"
    content = copy.read_bytes()
    copy.unlink()  # lost: made again, though the journal knows the original
    prepare("urbansound8k", tmp_path / "root", tmp_path / "m.jsonl", mix_down=tmp_path / "root/mono", workers=0)
    assert copy.read_bytes() == content


def test_audio_is_named_relative_to_the_manifest_where_it_lies_below_it(tmp_path):
    urbansound8k(tmp_path / "root")
    inside = prepare("urbansound8k", tmp_path / "root", tmp_path / "root" / "m.jsonl", workers=0)
    outside = prepare("urbansound8k", tmp_path / "root", tmp_path / "lists" / "m.jsonl", workers=0)
    assert inside.records[0].audio == "audio/fold1/101-3-0-0.wav"
    assert outside.records[0].audio == str(tmp_path / "root/audio/fold1/101-3-0-0.wav")


def test_a_manifest_whose_splits_would_share_a_recording_is_never_written(tmp_path):
    entries = [
        Entry("a", "train", ("x",), ("a",), source="freesound:1"),
        Entry("b", "val", ("x",), ("b",), source="freesound:1"),
        Entry("c", "test", ("x",), ("c",), source="freesound:1"),
        Entry("d", "train", ("x",), ("d",), source="freesound:2"),
        Entry("e", "train", ("x",), ("e",)),
        Entry("f", "test", ("x",), ("e",)),  # the same file
        Entry("g", "train", ("x",), ("g",)),  # unknown sources are not one source, nor are missing files one file
    ]
    left_out = shared_recordings(entries, ["a.wav", "", "", "d.wav", "e.wav", "e.wav", ""])
    assert [(one["clip_id"], one["kept_in"], one["by"]) for one in left_out] == [
        ("a", "test", "freesound:1"),
        ("b", "test", "freesound:1"),
        ("e", "test", "e.wav"),
    ]


def test_a_clip_that_the_tables_hold_twice_and_names_that_are_no_text(tmp_path):
    audiocaps(tmp_path)
    clotho(tmp_path / "clotho")
    with open(tmp_path / "clotho/clotho_captions_validation.csv", "a") as file:
        file.write("Same.wav,a,b,c,d,e\n")
    os.rename(sound(tmp_path / "clotho/validation/x.wav"), os.fsencode(tmp_path / "clotho/validation") + b"/\xff.wav")
    found = prepare("clotho", tmp_path / "clotho", tmp_path / "m.jsonl", workers=0, report=tmp_path / "r.json")
    assert sorted((fault.clip_id.rpartition("/")[2], fault.message) for fault in found.faults) == [
        ("Same.wav", "the tables hold this clip twice"),
        ("\\udcff.wav", "its name is not UTF-8"),
    ]
    assert len(read_manifest(tmp_path / "m.jsonl")) == 8


def test_links_to_folders_are_followed_once_and_dot_files_are_not_audio(tmp_path):
    clotho(tmp_path / "real")
    (tmp_path / "root").mkdir()
    for path in (tmp_path / "real").iterdir():
        (tmp_path / "root" / path.name).symlink_to(path)
    (tmp_path / "real/development/around").symlink_to(tmp_path / "real")
    sound(tmp_path / "real/development/x.wav").rename(tmp_path / "real/development/._Same.wav")
    found = prepare("clotho", tmp_path / "root", tmp_path / "m.jsonl", workers=0)
    assert len(found.records) == 8 and found.several == found.unlisted == []


def test_several_files_of_one_clip_are_said(tmp_path):
    audiocaps(tmp_path)
    sound(tmp_path / "waveforms/test/Yttttttttttt.flac")
    found = prepare("audiocaps", tmp_path, tmp_path / "m.jsonl", workers=0)
    assert [(one["clip_id"], one["taken"][-4:], len(one["others"])) for one in found.several] == [("ttttttttttt_30", ".wav", 1)]


def test_nothing_usable_and_unwritable_places_are_errors(tmp_path):
    audiocaps(tmp_path / "a")
    for path in (tmp_path / "a").rglob("*.wav"):
        path.unlink()
    with pytest.raises(DataError, match=r"none of the 10 clips of audiocaps .*missing: \w+_3\d, "):
        prepare("audiocaps", tmp_path / "a", tmp_path / "m.jsonl", workers=0)
    with pytest.raises(RunError, match="cannot be written"):
        prepare("audiocaps", tmp_path / "a", tmp_path / "a/dataset/val.csv/m.jsonl", workers=0)
    with pytest.raises(ConfigError, match="--workers -1"):
        run("audiocaps", "--root", tmp_path, "--out", tmp_path / "m.jsonl", "--workers", "-1")


# tars


def test_tars_need_a_folder_and_a_damaged_one_is_named(tmp_path):
    freesound_tars(tmp_path / "disk")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/freesound_no_overlap").symlink_to(tmp_path / "disk/freesound_no_overlap")
    (tmp_path / "disk/freesound_no_overlap/around").symlink_to(tmp_path / "root")
    with pytest.raises(ConfigError, match="3 tars"):
        prepare("freesound", tmp_path / "root", tmp_path / "m.jsonl", workers=0)
    tar = tmp_path / "root/freesound_no_overlap/train_2/0.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[: len(whole) // 2])
    found = prepare("freesound", tmp_path / "root", tmp_path / "m.jsonl", extract=tmp_path / "x", workers=2)
    assert [fault.clip_id for fault in found.faults] == ["freesound_no_overlap/train_2/0.tar"] and "is damaged" in found.faults[0].message
    assert 7 <= len(found.records) < 11 and not list((tmp_path / "x").rglob("*.part"))
    tar.write_bytes(whole)
    mended = prepare("freesound", tmp_path / "root", tmp_path / "m.jsonl", extract=tmp_path / "x", workers=0, strict=True)
    assert len(mended.records) == 11
    folder = tmp_path / "x/freesound_no_overlap/train_2/0"
    (folder / ".extracted.json").unlink()  # as if killed, and one file lost
    (folder / "6.flac").unlink()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("*.flac")}
    prepare("freesound", tmp_path / "root", tmp_path / "m.jsonl", extract=tmp_path / "x", workers=0)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").rglob("*.flac")}
    assert after.pop(folder / "6.flac") and after == times
    tar.write_bytes(whole.replace(b"rain 1007.", b"hail 1007."))  # packed anew, of the same size
    found = prepare("freesound", tmp_path / "root", tmp_path / "m.jsonl", extract=tmp_path / "x", workers=0)
    assert [record.captions[0] for record in found.records if record.source == "freesound:1007"] == ["hail 1007."]


# work is not done twice, nor lost


def test_only_new_and_changed_files_are_looked_into_again(tmp_path, monkeypatch):
    many(tmp_path / "root", 30)
    looked = []
    monkeypatch.setattr(journalled_facts, "inspect", lambda task: looked.append(pathlib.Path(task[0]).name) or inspect(task))
    prepare("esc50", tmp_path / "root", tmp_path / "m.jsonl", workers=0)
    assert len(looked) == 29
    looked.clear()
    sound(tmp_path / "root/audio/5-9-A-0.wav")  # mended
    sound(tmp_path / "root/audio/3-7-A-0.wav")  # came later
    found = prepare("esc50", tmp_path / "root", tmp_path / "m.jsonl", workers=0)
    assert sorted(looked) == ["3-7-A-0.wav", "5-9-A-0.wav"] and len(found.records) == 27


def test_a_journal_survives_a_half_written_line_and_has_one_writer(tmp_path):
    with Journal(tmp_path / "j") as journal:
        for number in range(3):
            journal.add(["file", number], {"frames": number})
        with pytest.raises(RunError, match="in use by another process"):
            Journal(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    for rest in range(1, 30, 7):
        (tmp_path / "j").write_bytes(whole + b'[["file", 9], {"frames": 9, "rate": 4'[:rest])
        with Journal(tmp_path / "j") as journal:
            assert [journal.get(["file", number]) for number in (0, 2, 9)] == [{"frames": 0}, {"frames": 2}, None]
            journal.add(["file", 9], {"frames": 1})
        with Journal(tmp_path / "j") as journal:
            assert journal.get(["file", 9]) == {"frames": 1} and journal.get(["file", 1]) == {"frames": 1}


def counted(root, manifest, mono, workers, calls, kill_at):
    """Run prepare, count the calls of its own thread, and SIGKILL this process at one of them: no clock, so no race with the work.

    `calls` becomes how many there were, before the first file's facts were kept and in all.
    """
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event == "call"
        if frame.f_code is Journal.add.__code__ and not calls[0]:
            calls[0] = count
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)
    prepare("esc50", root, manifest, workers=workers, mix_down=mono)
    sys.setprofile(None)
    calls[1] = count


def in_a_process(folder, workers, kill_at=0):
    """Exit code of a `counted` run in a process of its own, and its calls."""
    context = multiprocessing.get_context("forkserver")
    calls = context.Array("q", 2)
    process = context.Process(target=counted, args=(folder.parent / "root", folder / "m.jsonl", folder / "mono", workers, calls, kill_at))
    process.start()
    process.join()
    return process.exitcode, tuple(calls)


def test_ten_kills_change_nothing(tmp_path):
    """Manifest and mono copies are, byte for byte, those of a run that nobody stopped."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["elsa_lightning.data.prepare", "elsa_lightning.data.readers.esc50"])
    many(tmp_path / "root", 600)
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    folder.mkdir()
    code, (before, calls) = in_a_process(whole, workers=0)
    assert code == 0 and 1000 < before < calls - 10_000
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    for number in range(10):  # some while tables and folders are read, most while files are; each run goes on from the one before
        workers = 2 * (number == 7)  # they leave this process few calls for each file
        kill_at = draw.randint(1, before) if number % 3 == 0 else before + draw.randint(1, (calls - before) // (200 if workers else 12))
        code, _ = in_a_process(folder, workers, kill_at)
        assert code == -signal.SIGKILL, f"seed {seed}: run {number} ended before its call {kill_at} of {calls}"
    assert not (folder / "m.jsonl").exists(), seed
    assert 10 < (folder / "m.jsonl.journal").read_bytes().count(b"\n") < 588, seed
    prepare("esc50", tmp_path / "root", folder / "m.jsonl", mix_down=folder / "mono", workers=0)
    for name in ("m.jsonl", *(path.relative_to(whole) for path in (whole / "mono").rglob("*.flac"))):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), (seed, name)
    assert not list(folder.rglob(".*.part")) and len(list(folder.rglob("*.flac"))) == 60


SLEEPER = """
import sys, time
from elsa_lightning.data.parallel import each
if __name__ == "__main__":
    for _ in each(time.sleep, [0.0] * 4 + [60.0] * 96, 2, chunk=1):
        print("working", flush=True)
"""


def test_workers_die_with_the_process_that_started_them(tmp_path):
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    parent.stdout.readline()
    children = [int(pid) for pid in pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    assert len(children) >= 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(pathlib.Path(f"/proc/{child}").exists() for child in children):
        time.sleep(0.02)
    assert not [child for child in children if pathlib.Path(f"/proc/{child}").exists()]


def test_each_returns_all_results_and_says_when_a_worker_died():
    assert sorted(each(abs, list(range(-150, 0)), 2)) == [(index, 150 - index) for index in range(150)]
    with pytest.raises(RunError, match="a worker process died"):
        list(each(os._exit, [3] * 100, 2))


# the command


def test_help_lists_the_corpora_and_imports_little():
    code = (
        "import argparse, sys; from elsa_lightning import cli_prepare; p = argparse.ArgumentParser(); cli_prepare.add(p.add_subparsers());"
        "assert not {'torch', 'numpy', 'soundfile', 'rich'} & set(sys.modules); p.parse_args(['prepare', '--help'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {name} " in shown for name in LAYOUTS) and "--extract" in shown
