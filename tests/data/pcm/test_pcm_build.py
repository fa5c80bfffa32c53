"""Making a cache: by any number of processes, killed, with damaged files, on a full disk."""

import os
import pathlib
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from elsa_lightning import atomic
from elsa_lightning.cli import main
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pcm import PcmCache, Recipe, build_cache
from elsa_lightning.data.pcm.layout import encode
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import ConfigError, DataError, RunError
from elsa_lightning.schema import AudioConfig, FoleyConfig, ManifestConfig

from .conftest import FILES, RATE, all_records, content

SCRIPT = pathlib.Path(__file__).with_name("killed_builds.py")


def test_processes_make_the_same_bytes_as_one(corpus, recipe, tmp_path):
    alone = build_cache(corpus, tmp_path / "a", recipe, workers=0)
    together = build_cache(corpus, tmp_path / "b", recipe, workers=2)
    assert (alone.files, alone.sounds, alone.made, alone.shards) == (FILES, FILES, 3, 3)
    assert together.made == 3 and content(tmp_path / "a") == content(tmp_path / "b")
    again = build_cache(corpus, tmp_path / "a", recipe, workers=0)
    assert again.made == 0 and content(tmp_path / "a") == content(tmp_path / "b")


def test_a_kill_at_any_call_and_a_rerun_give_the_same_bytes(root, corpus, recipe, tmp_path):
    rng = random.Random(11)
    moments = [str(rng.random()) for _ in range(10)]
    command = [sys.executable, str(SCRIPT), str(root / "m.jsonl"), str(tmp_path), str(RATE), *moments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(moments), done.stderr
    wanted = content(tmp_path / "whole")
    half = 0
    for number, moment in enumerate(moments):
        folder = tmp_path / f"killed-{number}"
        half += content(folder) != wanted
        build_cache(corpus, folder, recipe, workers=0)
        assert content(folder) == wanted, f"killed at {moment} of all calls"
    assert half >= 8  # the kills hit the work


def test_a_file_that_changes_or_comes_makes_its_shard_anew(root, corpus, recipe, tmp_path):
    build_cache(corpus, tmp_path / "cache", recipe, workers=0)
    soundfile.write(root / "1.flac", 0.1 * np.random.default_rng(1).standard_normal(3000), RATE, subtype="PCM_24")
    assert build_cache(corpus, tmp_path / "cache", recipe, workers=0).made == 1
    soundfile.write(root / "new.wav", 0.1 * np.random.default_rng(2).standard_normal(3000), RATE)
    write_manifest(root / "m.jsonl", [*all_records(corpus), ClipRecord("new", "train", "", ("new",), audio="new.wav")])
    grown = build_cache(open_corpus(ManifestConfig(path=str(root / "m.jsonl"))), tmp_path / "cache", recipe, workers=0)
    assert (grown.made, grown.sounds) == (1, FILES + 1)
    build_cache(open_corpus(ManifestConfig(path=str(root / "m.jsonl"))), tmp_path / "fresh", recipe, workers=0)
    fresh = {name: data for name, data in content(tmp_path / "fresh").items() if name.startswith("index")}
    assert fresh.keys() == {"index.npy"}
    cache = PcmCache(tmp_path / "cache", recipe)
    assert np.array_equal(cache.load("new.wav", root / "new.wav"), soundfile.read(root / "new.wav", dtype="float32")[0])


def test_faulty_files_are_named_counted_and_found_again_when_mended(root, corpus, recipe, tmp_path):
    good = (root / "2.wav").read_bytes()
    (root / "2.wav").write_bytes(good[:900])
    (root / "5.flac").unlink()
    found = build_cache(corpus, tmp_path / "cache", recipe, workers=0)
    assert list(found.faults) == ["2.wav", "5.flac"] and found.sounds == FILES - 2
    assert "truncated" in found.faults["2.wav"][0] and "does not exist" in found.faults["5.flac"][0]
    assert build_cache(corpus, tmp_path / "cache", recipe, workers=0).made == 0
    with pytest.raises(DataError, match=r"2\.wav is truncated"):
        PcmCache(tmp_path / "cache", recipe).load("2.wav", root / "2.wav")
    with pytest.raises(DataError, match=r"2 of 9 files cannot be used"):
        build_cache(corpus, tmp_path / "cache", recipe, workers=0, strict=True)
    (root / "2.wav").write_bytes(good)
    mended = build_cache(corpus, tmp_path / "cache", recipe, workers=0)
    assert mended.made == 1 and list(mended.faults) == ["5.flac"]


def test_another_recipe_needs_another_folder(corpus, recipe, tmp_path):
    build_cache(corpus, tmp_path / "cache", recipe, workers=0)
    with pytest.raises(DataError, match="rate 16000, not 8000"):
        build_cache(corpus, tmp_path / "cache", Recipe.of(AudioConfig(sample_rate=8000), "float32"), workers=0)


def test_a_disk_that_is_too_small_is_refused_before_work(corpus, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "free_gb", lambda path: 1e-4)
    with pytest.raises(RunError, match="GB are needed"):
        build_cache(corpus, tmp_path / "cache", recipe, workers=0)
    assert not list((tmp_path / "cache" / "shards").iterdir())


def test_a_synthesised_corpus_has_nothing_to_cache(recipe, tmp_path):
    with pytest.raises(ConfigError, match="synthesised"):
        build_cache(open_corpus(FoleyConfig()), tmp_path / "cache", recipe)


@pytest.mark.parametrize("peak", [1.0, 1e-4, 3.7])
def test_int16_is_within_half_a_step(peak):
    sound = np.random.default_rng(0).uniform(-peak, peak, 50_000).astype(np.float32)
    stored, scale = encode(sound, "int16")
    error = stored.astype(np.float64) * scale - sound
    largest = np.abs(sound).max()
    assert np.abs(error).max() <= largest / 65534 * 1.01
    assert 20 * np.log10(error.std() / largest) == pytest.approx(-101.1, abs=0.1)


def test_command(root, tmp_path, capsys):
    arguments = ["data", "cache", str(root / "m.jsonl"), "--out", str(tmp_path / "c"), "--rate", str(RATE), "--workers", "0"]
    assert main([*arguments, "--json", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "9 of 9 files" in said and f"--set data.pcm_cache={tmp_path / 'c'}\n" in said
    assert '"faults": {}' in (tmp_path / "r.json").read_text()
    os.truncate(root / "0.wav", 0)
    assert main([*arguments, "--strict"]) == 2
    assert "0.wav is empty" in capsys.readouterr().err
    assert main(["data", "cache", str(root / "m.jsonl"), "--out", str(tmp_path / "d"), "--rate", "0"]) == 2
