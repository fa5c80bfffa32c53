"""Search: an index that survives kills and bad files, and answers as a plain comparison of all embeddings would."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from api.conftest import RATE, folder, model, noise, parts, write  # noqa: F401 - fixtures
from elsa_lightning import Elsa, cli
from elsa_lightning.data.journal import Journal
from elsa_lightning.errors import ConfigError, DataError, ElsaError, RunError
from elsa_lightning.search import building
from elsa_lightning.search.asking import ask, by_faiss, exact
from elsa_lightning.search.building import build, recordings
from elsa_lightning.search.index_folder import VectorFile, open_index

FILES = ("a.wav", "deep/b.flac", "deep/c.WAV", "d ünï.wav", "mono.wav")


@pytest.fixture
def sounds(tmp_path):
    """Five recordings and three files that are none that can be used."""
    place = tmp_path / "sounds"
    (place / "deep").mkdir(parents=True)
    for seed, name in enumerate(FILES):
        subtype = "PCM_24" if name.endswith("flac") else "FLOAT"
        write(place / name, noise(1.0 + seed / 2, 1 if name == "mono.wav" else 4, RATE, seed), subtype=subtype)
    write(place / "stereo.wav", noise(1.0)[:2])
    (place / "torn.wav").write_bytes((place / "a.wav").read_bytes()[:5000])
    (place / "deep" / "empty.mp3").write_bytes(b"")
    (place / "notes.txt").write_text("not audio")
    (place / ".hidden.wav").write_text("not looked at")
    return place


FAULTY = {"stereo.wav": "stereo", "torn.wav": "truncated", "deep/empty.mp3": "0 bytes"}


def test_an_index_holds_what_each_file_embeds_to(folder, sounds, tmp_path):  # noqa: F811
    told = []
    built = build(sounds, str(folder), tmp_path / "index", progress=lambda what, done, total: told.append((done, total)))
    assert built.files == 5 and built.new == 8 and built.faults.keys() == FAULTY.keys()
    assert all(words in built.faults[name] for name, words in FAULTY.items())
    assert told[0] == (0, 8) and told[-1] == (8, 8)
    index, one = open_index(tmp_path / "index"), Elsa.from_pretrained(folder, device="cpu")
    assert index.files == sorted(FILES) and index.faults == built.faults
    wanted = np.stack([one.embed_audio(sounds / name) for name in index.files])
    assert np.abs(index.vectors - wanted).max() < 1e-5
    hits = ask(tmp_path / "index", "a dog barking on the left", None, 3)
    cosines = dict(zip(index.files, wanted @ one.embed_text("a dog barking on the left"), strict=True))
    assert [hit.file for hit in hits] == sorted(cosines, key=lambda name: -cosines[name])[:3]
    assert [hit.similarity for hit in hits] == pytest.approx([cosines[hit.file] for hit in hits], abs=1e-5)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    (first, *_) = ask(tmp_path / "index", None, sounds / "deep" / "b.flac", 100)
    assert first.file == "deep/b.flac" and first.similarity == pytest.approx(1, abs=1e-5)
    assert len(ask(tmp_path / "index", "rain", None, 100)) == 5


def test_later_builds_do_only_what_is_new(folder, sounds, tmp_path, monkeypatch):  # noqa: F811
    build(sounds, str(folder), tmp_path / "index")
    before = dict(zip(open_index(tmp_path / "index").files, np.array(open_index(tmp_path / "index").vectors), strict=True))
    (sounds / "deep" / "b.flac").unlink()
    write(sounds / "new.wav", noise(1.3, seed=77))
    write(sounds / "a.wav", noise(1.3, seed=78))
    shutil.copy(sounds / "new.wav", sounds / "torn.wav")  # mended
    built = build(sounds, str(folder), tmp_path / "index")
    assert built.new == 5 and built.faults.keys() == {"stereo.wav", "deep/empty.mp3"}  # faulty ones are tried again
    index = open_index(tmp_path / "index")
    after = dict(zip(index.files, index.vectors, strict=True))
    assert after.keys() == {"a.wav", "deep/c.WAV", "d ünï.wav", "mono.wav", "new.wav", "torn.wav"}
    assert all(np.array_equal(after[name], before[name]) for name in ("deep/c.WAV", "d ünï.wav", "mono.wav"))
    assert np.abs(after["a.wav"] - before["a.wav"]).max() > 1e-3 and np.allclose(after["torn.wav"], after["new.wav"], atol=1e-6)


KILLED = """
import os, signal, sys
from elsa_lightning.search.index_folder import VectorFile
from elsa_lightning.search.building import build
whole, rows = VectorFile.append, []
def append(self, vector):
    rows.append(whole(self, vector))
    if len(rows) == 3:
        self._file.write(b"half"); self._file.flush()  # of a fourth row
        os.kill(os.getpid(), signal.SIGKILL)
    return rows[-1]
VectorFile.append = append
from pathlib import Path
build(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), batch_size=1)
"""


def test_a_killed_build_goes_on_and_ends_as_one_that_was_not(folder, sounds, tmp_path, monkeypatch):  # noqa: F811
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(sounds), str(folder), str(tmp_path / "index")]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    with pytest.raises(DataError, match="not finished"):
        open_index(tmp_path / "index")
    asked = []
    whole = Elsa.embed_each
    monkeypatch.setattr(Elsa, "embed_each", lambda self, sounds, **how: whole(self, asked.extend(sounds) or asked, **how))
    build(sounds, str(folder), tmp_path / "index")
    assert len(asked) == 8 - 2  # of three rows that were written two had been noted
    monkeypatch.undo()
    build(sounds, str(folder), tmp_path / "other")
    one, other = open_index(tmp_path / "index"), open_index(tmp_path / "other")
    assert one.files == other.files and np.allclose(one.vectors, other.vectors, atol=1e-5)


def test_two_builds_do_not_meet(folder, sounds, tmp_path):  # noqa: F811
    build(sounds, str(folder), tmp_path / "index")
    with Journal(tmp_path / "index" / "journal.jsonl"), pytest.raises(RunError, match="in use by another process"):
        build(sounds, str(folder), tmp_path / "index")


def test_an_index_inside_the_folder_is_not_searched(folder, sounds):  # noqa: F811
    (sounds / "index").mkdir()
    write(sounds / "index" / "x.wav", noise(0.5))
    assert "index/x.wav" not in recordings(sounds, sounds / "index")
    assert "index/x.wav" in recordings(sounds, sounds / "elsewhere")
    assert ".hidden.wav" not in recordings(sounds, sounds / "index")


@pytest.mark.parametrize("top", [1, 7, 5000])
def test_engines_give_the_same_answers(top):
    pytest.importorskip("faiss", reason="faiss is an extra: pip install 'elsa-lightning[faiss]'")
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[300:305] = vectors[17]  # equal ones come in their order
    for query in (vectors[17], *vectors[:3]):
        assert by_faiss(vectors, query, top) == exact(vectors, query, top)


def test_exact_search_is_the_plain_one(monkeypatch):
    monkeypatch.setattr("elsa_lightning.search.asking.BLOCK", 7)
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((50, 8)).astype(np.float32)
    vectors[30] = vectors[4]
    found = exact(vectors, vectors[4], 50)
    scores = [sum(float(a) * float(b) for a, b in zip(row, vectors[4], strict=True)) for row in vectors]
    assert [row for row, _ in found] == sorted(range(50), key=lambda row: (-round(scores[row], 9), row))
    assert [value for _, value in found] == pytest.approx(sorted(scores, reverse=True))


def test_faiss_that_is_not_installed_is_one_message(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigError, match="faiss-cpu"):
        by_faiss(np.eye(3, dtype=np.float32), np.ones(3, np.float32), 1)


def test_half_rows_are_cut_off(tmp_path):
    held = VectorFile(tmp_path / "v", 3)
    assert held.append(np.array([1, 2, 3])) == 0
    held.close()
    with open(tmp_path / "v", "ab") as file:
        file.write(b"1234567")
    held = VectorFile(tmp_path / "v", 3)
    assert held.rows == 1 and held.append(np.array([4, 5, 6.5])) == 1
    held.close()
    assert np.fromfile(tmp_path / "v", "<f4").tolist() == [1, 2, 3, 4, 5, 6.5]


def spoil(name, content):
    return lambda place: (place / name).write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda place: shutil.rmtree(place), "is no index"),
        (lambda place: (place / "about.json").unlink(), "is no index"),
        (lambda place: (place / "files.json").unlink(), "damaged"),
        (spoil("vectors.f32", b""), "damaged"),
        (spoil("vectors.f32", b"1234" * 70), "damaged"),
        (spoil("files.json", b'{"files": ["a"], "rows": [0, 1], "faults": {}}'), "damaged"),
        (spoil("files.json", b'{"files": ["a"], "rows": [900], "faults": {}}'), "damaged"),
    ],
)
def test_damaged_indexes_are_one_message(folder, sounds, tmp_path, harm, words):  # noqa: F811
    build(sounds, str(folder), tmp_path / "index")
    harm(tmp_path / "index")
    with pytest.raises(ElsaError, match=words) as fault:
        ask(tmp_path / "index", "dog", None, 3)
    assert fault.value.remedy


def test_models_that_do_not_belong_are_refused(folder, sounds, tmp_path):  # noqa: F811
    build(sounds, str(folder), tmp_path / "index")
    other = tmp_path / "other model"
    one = Elsa.from_pretrained(folder, device="cpu")
    one.parts.network.logit_scale.data += 1
    one.save_pretrained(other)
    with pytest.raises(ConfigError, match="another identity"):
        build(sounds, str(other), tmp_path / "index")
    with pytest.raises(ConfigError, match="another layout"):
        build(sounds, str(folder), tmp_path / "index", layout="foa_fuma")
    with pytest.raises(DataError, match="not the model that the index was built with"):
        ask(tmp_path / "index", "dog", None, 3, model=str(other))
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert ask(tmp_path / "index", "dog", None, 3, model=str(moved)) == ask(tmp_path / "index", "dog", None, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": None, "audio": None}, "a text or a recording"),
        ({"text": "a", "audio": pathlib.Path("b")}, "a text or a recording"),
        ({"top": 0}, "--top 0"),
        ({"engine": "magic"}, "search engine"),
        ({"text": " "}, "is no text"),
    ],
)
def test_bad_questions(folder, sounds, tmp_path, options, words):  # noqa: F811
    build(sounds, str(folder), tmp_path / "index")
    with pytest.raises(ElsaError, match=words):
        ask(tmp_path / "index", **{"text": "dog", "audio": None, "top": 3, **options})


def test_places_that_are_no_place(folder, sounds, tmp_path):  # noqa: F811
    (tmp_path / "none").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("")
    for source, out, words in (
        (tmp_path / "nowhere", tmp_path / "i", "no folder"),
        (tmp_path / "none", tmp_path / "i", "no audio files"),
        (sounds, tmp_path / "mine", "is no index"),
        (sounds, tmp_path / "mine" / "letter.txt" / "i", "cannot be written"),
        (sounds, pathlib.Path("/proc/index"), "cannot be written"),
    ):
        with pytest.raises(ElsaError, match=words) as fault:
            build(source, str(folder), out)
        assert fault.value.remedy


def test_the_command_line(folder, sounds, tmp_path, capsys):  # noqa: F811
    index = str(tmp_path / "index")
    assert cli.main(["index", "build", str(sounds), "--model", str(folder), "--out", index]) == 1
    said = capsys.readouterr()
    assert "5 recordings" in said.out and "3 left out" in said.out
    assert all(f"left out: {name}: " in said.err for name in FAULTY)
    for name in FAULTY:
        (sounds / name).unlink()
    assert cli.main(["index", "build", str(sounds), "--model", str(folder), "--out", index, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": 5, "new": 0, "faults": {}}
    assert cli.main(["index", "query", index, "a dog barking on the left", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].split()[0] == "1"
    assert cli.main(["index", "query", index, "--audio", str(sounds / "a.wav"), "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5] and hits[0]["file"] == "a.wav"
    assert cli.main(["index", "query", index]) == 2
    assert "a text or a recording" in capsys.readouterr().err


def test_names_that_are_no_text(folder, sounds, tmp_path, capsys):  # noqa: F811
    os.rename(sounds / "a.wav", os.fsdecode(os.fsencode(sounds) + b"/\xff.wav"))
    os.rename(sounds / "torn.wav", os.fsdecode(os.fsencode(sounds) + b"/torn \xfe.wav"))
    assert cli.main(["index", "build", str(sounds), "--model", str(folder), "--out", str(tmp_path / "index")]) == 1
    assert "left out: torn \\xfe.wav" in capsys.readouterr().err
    assert "\\xff.wav" in open_index(tmp_path / "index").files
    assert cli.main(["index", "query", str(tmp_path / "index"), "dog"]) == 0


def test_thousands_of_files_are_noted_one_by_one(folder, tmp_path, monkeypatch):  # noqa: F811
    """The bookkeeping alone: 3,000 names, with embeddings that cost nothing."""
    place = tmp_path / "many"
    place.mkdir()
    for number in range(3000):
        (place / f"{number:04d}.wav").write_bytes(b"")
    vector = np.eye(1, 64, dtype=np.float32)[0]
    monkeypatch.setattr(Elsa, "embed_each", lambda self, sounds, **how: (vector for _ in sounds))
    start = time.perf_counter()
    assert build(place, str(folder), tmp_path / "index").new == 3000
    assert build(place, str(folder), tmp_path / "index").new == 0
    assert time.perf_counter() - start < 60
    assert len(open_index(tmp_path / "index").vectors) == 3000 and building.SUFFIXES
