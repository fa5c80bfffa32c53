"""A corpus from a local server into a folder: what is there is left, the rest comes and is unpacked; kills; the command line."""

import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading

import pytest

from elsa_lightning.cli import main
from elsa_lightning.data.download import get as module
from elsa_lightning.data.download.fetch import Line, Stopped
from elsa_lightning.data.download.get import Download, Wishes
from elsa_lightning.data.download.manual import MANUAL
from elsa_lightning.data.download.table import ESC50, SOURCES, SPATIAL_LIBRISPEECH
from elsa_lightning.data.download.types import RemoteFile, Source, mirrored
from elsa_lightning.data.download.unpack import is_archive
from elsa_lightning.data.download.watching import Watching
from elsa_lightning.errors import ConfigError, DataError, RunError

from .server import Place
from .test_unpack import FILES, split, zipped

RECORD = 77


def checksum(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


@pytest.fixture
def source(server, tmp_path):
    """A corpus of a table, a zip and a zip in parts; of two files size and checksum are known."""
    made = tmp_path / "made"
    made.mkdir()
    zipped(made / "meta.zip", {"meta/table.csv": b"a,b\n"})
    split(made / "audio.zip", 21_000)
    (made / "table.csv").write_bytes(b"x,y\n" * 1000)
    files = []
    for path in sorted(made.iterdir()):
        content = path.read_bytes()
        server.places[f"/records/{RECORD}/files/{path.name}"] = Place(content, tag="")
        known = (len(content), checksum(content)) if path.name in ("meta.zip", "audio.z01") else (None, "")
        files.append(RemoteFile(f"sub/{path.name}", f"https://far/records/{RECORD}/files/{path.name}?download=1", *known))
    record = {"files": [{"key": p.name, "size": p.stat().st_size, "checksum": checksum(p.read_bytes())} for p in made.iterdir()]}
    server.places[f"/api/records/{RECORD}"] = Place(json.dumps(record).encode())
    return Source("tiny", "a tiny corpus", "CC BY-NC: no commerce", True, tuple(files), RECORD, ("elsa data check {root}",))


class Notes(Watching):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def bring(server, line, tmp_path):
    def bring(source, watching=None, root=tmp_path / "root", **wishes):
        with Download(source, root, Wishes(mirror=server.url, line=line, **wishes), watching) as download:
            standing = download.standing()
            download.bring(standing)
        return {one.file.path: one.state for one in standing}

    return bring


def asked(server):
    """Names of the files that were asked for since last time."""
    names = [path.rpartition("/")[2] for path, _ in server.asked]
    server.asked.clear()
    return sorted(names)


NAMES = ["audio.z01", "audio.z02", "audio.z03", "audio.zip", "meta.zip", "table.csv"]


def test_everything_comes_is_unpacked_and_never_comes_again(server, source, bring, tmp_path):
    assert bring(source) == {f"sub/{name}": "missing" for name in NAMES}
    root = tmp_path / "root" / "sub"
    for name, content in (FILES | {"meta/table.csv": b"a,b\n"}).items():
        assert (root / name).read_bytes() == content
    assert asked(server) == sorted(["77", *NAMES])
    unpacked = {f"sub/{name}": "whole" if name == "table.csv" else "unpacked" for name in NAMES}
    assert bring(source) == unpacked and asked(server) == ["77"]
    for name in ("audio.z01", "audio.zip", "meta.zip"):  # archives may go once they are unpacked
        (root / name).unlink()
    assert bring(source) == unpacked and asked(server) == ["77"]
    (root / "audio" / "dog.wav").unlink()  # something of it is gone: it comes again
    assert {path for path, state in bring(source).items() if state == "missing"} == {"sub/audio.z01", "sub/audio.zip"}
    assert (root / "audio" / "dog.wav").read_bytes() == FILES["audio/dog.wav"] and asked(server) == ["77", "audio.z01", "audio.zip"]


def test_what_zenodo_says_is_heeded(server, source, bring, tmp_path):
    server.places[f"/records/{RECORD}/files/table.csv"].content = b"x,z\n" * 1000
    with pytest.raises(DataError, match=r"table\.csv.* gave md5:.*, not md5:"):
        bring(source)
    assert (tmp_path / "root/sub/table.csv.bad").exists() and (tmp_path / "root/sub/audio.zip").exists()
    record = json.loads(server.places[f"/api/records/{RECORD}"].content)
    wrong = {"files": {"entries": {entry["key"]: entry | {"size": 5} for entry in record["files"]}}}
    server.places[f"/api/records/{RECORD}"].content = json.dumps(wrong).encode()
    with pytest.raises(DataError, match=r"audio\.z01 has 5 bytes.*known are 21000 bytes"):
        bring(source)
    server.places[f"/api/records/{RECORD}"].content = b"<html>"
    with pytest.raises(DataError, match=r"/api/records/77 does not answer as expected"):
        bring(source)


def test_a_server_without_that_record_leaves_sizes_unknown_and_says_so(server, source, bring, tmp_path):
    del server.places[f"/api/records/{RECORD}"]
    notes = Notes()
    bring(source, notes)
    assert "of 4 files size or checksum stay unknown" in notes.notes[0] and (tmp_path / "root/sub/audio/dog.wav").exists()


def test_only_some_files(server, source, bring, tmp_path):
    assert set(bring(source, only=["*/table.csv", "*meta*"])) == {"sub/table.csv", "sub/meta.zip"}
    assert asked(server) == ["77", "meta.zip", "table.csv"]
    notes = Notes()
    bring(source, notes, only=["*.zip"])
    assert "its parts sub/audio.z01, sub/audio.z02, sub/audio.z03 were not asked for" in notes.notes[0]
    assert not (tmp_path / "root/sub/audio").exists()
    with pytest.raises(ConfigError, match=r"no file of tiny matches \*\.wav"):
        bring(source, only=["*.wav"])
    bring(source, root=tmp_path / "packed", unpack=False)
    assert (tmp_path / "packed/sub/audio.z02").exists() and not (tmp_path / "packed/sub/audio").exists()


def test_a_file_that_is_not_what_it_should_be_is_kept_aside(server, source, bring, tmp_path):
    bring(source)
    (tmp_path / "root/sub/table.csv").write_bytes(b"mine" * 1000)  # of the right size
    notes = Notes()
    assert bring(source, notes)["sub/table.csv"] == "wrong"
    assert (tmp_path / "root/sub/table.csv.bad").read_bytes() == b"mine" * 1000 and "fetched anew" in notes.notes[0]
    assert (tmp_path / "root/sub/table.csv").read_bytes() == b"x,y\n" * 1000


def test_a_failing_file_does_not_hold_up_the_others(server, source, bring, tmp_path):
    del server.places[f"/records/{RECORD}/files/audio.z01"]
    with pytest.raises(RunError, match=r"audio\.z01\?download=1: the server answers 404"):
        bring(source, jobs=1)
    assert {path.name for path in (tmp_path / "root/sub").iterdir()} == set(NAMES) - {"audio.z01"}
    del server.places[f"/records/{RECORD}/files/audio.z02"]
    with pytest.raises(RunError, match=r"2 of 6 files did not come; the first: .*audio\.z0[12]\?download=1: the server answers 404"):
        bring(source, root=tmp_path / "other")


def test_no_more_files_at_a_time_than_asked(source, bring, monkeypatch):
    running, most, fetch, lock = set(), [], module.fetch, threading.Lock()

    def watched(file, *more):
        with lock:
            running.add(file.path)
            most.append(len(running))
        fetch(file, *more)
        with lock:
            running.discard(file.path)

    monkeypatch.setattr(module, "fetch", watched)
    bring(source, jobs=2)
    assert len(most) == 6 and max(most) <= 2


def test_the_disk_is_asked_before_anything_comes(server, source, bring, monkeypatch):
    monkeypatch.setattr("elsa_lightning.atomic.free_gb", lambda path: 1e-5)
    with pytest.raises(RunError, match=r"are needed in .*root") as fault:
        bring(source)
    assert "--only" in fault.value.remedy and asked(server) == ["77"]


def test_two_processes_do_not_share_a_folder(source, tmp_path):
    with Download(source, tmp_path / "root", Wishes()), pytest.raises(RunError, match="in use by another process"):
        Download(source, tmp_path / "root", Wishes())
    assert not (tmp_path / "root").exists()  # nothing was done: nothing is left


def test_kills_at_counted_calls_end_in_the_same_folder(server, source, bring, tmp_path):
    """The child kills itself at a counted call of the package's own functions: while fetching, checking, unpacking, keeping the journal."""
    code = (
        "import os, pickle, signal, sys; from pathlib import Path\n"
        "from elsa_lightning.data.download import fetch, get, unpack\n"
        "fetch.CHUNK = unpack.BLOCK = 4096\n"
        "source, at = pickle.loads(bytes.fromhex(sys.argv[1])), int(sys.argv[4])\n"
        "calls = 0\n"
        "def count(frame, event, argument):\n"
        "    global calls\n"
        "    if event in ('call', 'c_call') and 'elsa_lightning' in frame.f_code.co_filename:\n"
        "        calls += 1\n"
        "        if calls == at:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "import threading; sys.setprofile(count); threading.setprofile(count)\n"
        "with get.Download(source, Path(sys.argv[2]), get.Wishes(mirror=sys.argv[3], jobs=1)) as download:\n"
        "    download.bring(download.standing())\n"
        "sys.setprofile(None)\n"
        "print(calls)"
    )

    def run(root, at=0):
        command = [sys.executable, "-c", code, pickle.dumps(source).hex(), str(tmp_path / root), server.url, str(at)]
        return subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=100)

    calm = run("calm")
    assert calm.returncode == 0, calm.stderr
    least = int(run("calm").stdout)  # calls where nothing is left to do: no run has fewer
    moments = random.Random(1)
    ends = [run("killed", moments.randrange(1, int(calm.stdout) * 3 // 4 if kill < 6 else least)).returncode for kill in range(10)]
    assert set(ends) <= {-signal.SIGKILL, 0} and {ends[0], *ends[6:]} == {-signal.SIGKILL}
    assert run("killed").returncode == 0

    def content(root):
        return {
            path.relative_to(tmp_path / root).as_posix(): path.read_bytes()
            for path in (tmp_path / root).rglob("*")
            if path.is_file() and path.name != module.JOURNAL
        }

    assert content("killed") == content("calm")


# ---- the table


def test_the_table_is_well_formed():
    for source in SOURCES.values():
        paths = [file.path for file in source.files]
        assert len(set(paths)) == len(paths) and source.licence and source.then and source.name not in MANUAL
        for file in source.files:
            kind, _, digits = file.checksum.partition(":")
            assert file.url.startswith("https://") and (not file.checksum or (kind == "md5" and len(bytes.fromhex(digits)) == 16))
            assert file.size is None or file.size > 0
            assert not source.record or (file.url == mirrored(file.url, "https://zenodo.org") and f"/records/{source.record}/" in file.url)
            if file.path.rpartition(".")[2][:2] in ("z0", "z1"):
                assert f"{file.path.rpartition('.')[0]}.zip" in paths
    everything = [file.checksum for source in SOURCES.values() for file in source.files if file.checksum]
    assert len(set(everything)) == len(everything) > 30
    assert any(is_archive(file.path) for file in ESC50.files) and len(SPATIAL_LIBRISPEECH.files) == 1


def test_spatial_librispeech_takes_its_files_from_the_metadata(server, bring, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="an extra: pip install 'elsa-lightning[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")

    base = "/ml-research/datasets/spatial-librispeech/v1"
    sounds = {number: random.Random(number).randbytes(5000 + number) for number in (0, 7, 123456)}
    table = {
        "sample_id": list(sounds),
        "lite_version": [True, False, True],
        "audio_info/size/ambisonics": [len(sound) for sound in sounds.values()],
        "audio_info/checksum/ambisonics": [hashlib.sha256(sound).hexdigest().upper() for sound in sounds.values()],
    }
    parquet.write_table(pyarrow.table(table), tmp_path / "metadata.parquet")
    server.places[f"{base}/metadata.parquet"] = Place((tmp_path / "metadata.parquet").read_bytes())
    for number, sound in sounds.items():
        server.places[f"{base}/ambisonics/{number:06}.flac"] = Place(sound)
    assert set(bring(SPATIAL_LIBRISPEECH, lite=True)) == {"metadata.parquet", "ambisonics/000000.flac", "ambisonics/123456.flac"}
    found = bring(SPATIAL_LIBRISPEECH)
    assert found.pop("ambisonics/000007.flac") == "missing" and set(found.values()) == {"whole"}
    for number, sound in sounds.items():
        assert (tmp_path / f"root/ambisonics/{number:06}.flac").read_bytes() == sound
    server.places[f"{base}/ambisonics/000007.flac"].content = b"?" * 5007
    (tmp_path / "root/ambisonics/000007.flac").unlink()
    with pytest.raises(DataError, match="gave sha256:"):
        bring(SPATIAL_LIBRISPEECH)


# ---- the command line


@pytest.fixture
def known(source, monkeypatch):
    monkeypatch.setitem(SOURCES, "tiny", source)
    return source


def test_the_command_lists_asks_for_the_licence_fetches_and_says_how_to_go_on(server, known, tmp_path, capsys):
    root = tmp_path / "root"
    command = ["data", "download", "tiny", "--root", str(root), "--mirror", server.url]
    assert main([*command, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "licence: CC BY-NC: no commerce" in printed and "6 files, 0.1 MB to come" in printed and not root.exists()
    assert f"4000 B  missing         checksum  sub/table.csv  {server.url}/records/77/files/table.csv" in printed
    assert asked(server) == ["77"]
    assert main(command) == 2
    assert "--accept-licence" in capsys.readouterr().err and not root.exists() and not server.asked
    assert main([*command, "--accept-licence", "--jobs", "2"]) == 0
    assert f"elsa data check {root}" in capsys.readouterr().out and (root / "sub/audio/dog.wav").exists()
    assert main([*command, "--dry-run"]) == 0
    assert "0 B to come" in capsys.readouterr().out
    assert main([*command, "--accept-licence", "--only", "nothing"]) == 2
    assert main(["data", "download", "tiny"]) == 2 and "--root is missing" in capsys.readouterr().err


@pytest.mark.parametrize("corpus", ["audiocaps", "audiocaps2", "freesound", "wavcaps"])
def test_corpora_that_are_not_fetched_say_how_to_get_them(corpus, capsys):
    assert main(["data", "download", corpus]) == 2
    printed = capsys.readouterr().out
    assert f"elsa data prepare {corpus} " in printed
    assert any(word in printed for word in ("academic", "research purposes"))


def test_esc50_from_its_archive_to_a_manifest(server, tmp_path, esc50_root, capsys):
    """The whole way for one corpus, by the real table: GitHub's archive (no length, no ranges) → folder → manifest."""
    files = {f"ESC-50-master/{path.relative_to(esc50_root).as_posix()}": path.read_bytes() for path in esc50_root.rglob("*.*")}
    zipped(tmp_path / "a.zip", files)
    server.places["/karolpiczak/ESC-50/archive/master.zip"] = Place((tmp_path / "a.zip").read_bytes(), ranges=False, length=False, tag="")
    root, out = tmp_path / "root", tmp_path / "esc50.jsonl"
    assert main(["data", "download", "esc50", "--root", str(root), "--mirror", server.url, "--accept-licence"]) == 0
    assert f"DATA={root}/ESC-50-master" in capsys.readouterr().out
    assert main(["data", "prepare", "esc50", "--root", str(root), "--out", str(out), "--workers", "0"]) == 0
    assert len(out.read_text().splitlines()) == 40


def test_a_line_waits_no_longer_than_it_is_told_to_stop():
    line = Line()
    line.stop.set()
    with pytest.raises(Stopped):
        line.pause(failures=20)
