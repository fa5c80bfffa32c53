"""What splits and manifests share; training on what is tested is the fault."""

import itertools
import os

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.trust.overlap import overlap
from elsa_lightning.data.trust.overlap_report import overlap_text
from elsa_lightning.errors import ConfigError, DataError


def row(name, split, source="", captions=(), audio=None):
    return {
        "clip_id": name,
        "split": split,
        "audio": f"{name}.wav" if audio is None else audio,
        "source": source,
        "captions": list(captions),
    }


def shares(found, kind=None):
    """(kind, part, part) → number shared."""
    names = [part.name for part in found.parts]
    return {(pair.kind, names[pair.first], names[pair.second]): len(pair.keys) for pair in found.shared if kind in (None, pair.kind)}


def test_sources_between_splits_and_manifests(manifest):
    a = manifest([row("1", "train", "freesound:1"), row("2", "train", "freesound:2"), row("3", "test", "freesound:2")])
    b = manifest([row("4", "val", "freesound:1"), row("5", "train", "freesound:2"), row("6", "test", "youtube:1")], "b.jsonl")
    found = overlap([a, b])
    assert shares(found, "source") == {
        ("source", "a.jsonl train", "a.jsonl test"): 1,
        ("source", "a.jsonl train", "b.jsonl train"): 1,
        ("source", "a.jsonl train", "b.jsonl val"): 1,
        ("source", "a.jsonl test", "b.jsonl train"): 1,
    }
    assert found.exit_code == 1 and len(found.leaks) == 3
    text = overlap_text(found)
    assert "LEAK: a.jsonl train and a.jsonl test share 1 recordings" in text and "freesound:2 (clips 2 and 3)" in text
    assert text.index("LEAK") < text.index("a.jsonl train and b.jsonl train share")


def test_every_pair_is_counted_as_sets_say(manifest):
    """Against the definition: intersections of sets."""
    rng = np.random.default_rng(0)
    sets, paths = {}, []
    for name in ("a.jsonl", "b.jsonl"):
        rows = []
        for split in ("train", "val", "test"):
            sources = [f"freesound:{number}" for number in rng.integers(0, 60, 15)]
            sets[f"{name} {split}"] = set(sources)
            rows += [row(f"{name}{split}{i}", split, source) for i, source in enumerate(sources)]
        paths.append(manifest(rows, name))
    found = overlap(paths)
    expected = {("source", a, b): len(sets[a] & sets[b]) for a, b in itertools.combinations(sets, 2) if sets[a] & sets[b]}
    assert shares(found) == expected and len(expected) > 5
    assert [len(part.keys["source"]) for part in found.parts] == [len(each) for each in sets.values()]


def test_equal_captions_alone_are_no_leak(manifest):
    a = manifest(
        [row("1", "train", "x:1", ["A dog barks."]), row("2", "test", "x:2", ["the dog barks", "rain"]), row("3", "val", "x:3", ["."])]
    )
    found = overlap([a])
    assert shares(found) == {("caption", "a.jsonl train", "a.jsonl test"): 1}
    assert found.exit_code == 0 and "no leak" in overlap_text(found) and "dog barks (clips 1 and 2)" in overlap_text(found)


def test_only_training_leaks(manifest):
    a = manifest([row("1", "val", "x:1"), row("2", "test", "x:1"), row("3", "train", "x:2")])
    found = overlap([a, manifest([row("4", "train", "x:2")], "b.jsonl")])
    assert len(found.shared) == 2 and found.leaks == () and found.exit_code == 0


def test_bare_ids_are_compared_within_their_manifest_only(manifest):
    a = manifest([row("1", "train", "7"), row("2", "test", "7")])
    b = manifest([row("3", "test", "7"), row("4", "test")], "b.jsonl")
    found = overlap([a, b])
    assert shares(found) == {("source", "a.jsonl train", "a.jsonl test"): 1}
    counts = {reason: count for reason, (count, _) in found.left_out.items()}
    assert counts["clips without a source"] == 1 and sum(counts.values()) == 4


def test_audio_files_by_where_they_lie(manifest, tmp_path):
    (tmp_path / "sub").mkdir()
    os.symlink(tmp_path / "sub", tmp_path / "link")
    a = manifest([row("1", "train", audio="sub/x.wav"), row("2", "train", audio="y.wav")])
    b = manifest([row("3", "test", audio="x.wav"), row("4", "test", audio=str(tmp_path / "link" / ".." / "y.wav"))], "sub/b.jsonl")
    assert shares(overlap([a, b])) == {("audio", "a.jsonl train", "b.jsonl test"): 2}
    assert overlap([a, b]).exit_code == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_decoded_samples(manifest, tmp_path, workers):
    rng = np.random.default_rng(0)
    one, two = (np.round(rng.standard_normal(4000) * 3000).astype(np.int16) for _ in range(2))
    soundfile.write(tmp_path / "1.wav", one, 16000)
    soundfile.write(tmp_path / "2.flac", one, 16000)
    soundfile.write(tmp_path / "3.wav", two, 16000)
    (tmp_path / "4.wav").write_bytes(b"")
    soundfile.write(tmp_path / "5.wav", np.zeros(100), 16000)
    soundfile.write(tmp_path / "6.wav", np.zeros(100), 16000)
    a = manifest(
        [row("1", "train"), row("5", "train"), row("2", "val", audio="2.flac"), row("3", "test"), row("4", "test"), row("6", "test")]
    )
    found = overlap([a], decode=True, workers=workers)
    assert shares(found) == {("sound", "a.jsonl train", "a.jsonl val"): 1} and found.exit_code == 1
    count, names = found.left_out["audio files without sound to compare"]
    assert count == 3 and any("4.wav: 0 bytes" in name for name in names)
    assert shares(overlap([a])) == {} and overlap([a]).exit_code == 0


def test_the_matrix_and_the_json(manifest):
    a = manifest([row(str(i), "train", f"x:{i}") for i in range(3)] + [row(f"t{i}", "test", f"x:{i}") for i in range(2)])
    found = overlap([a])
    lines = overlap_text(found).splitlines()
    start = lines.index("shared recordings that clips were cut from")
    assert [line.split() for line in lines[start + 1 : start + 4]] == [
        ["1", "2"],
        ["1", "a.jsonl", "train", "3"],
        ["2", "a.jsonl", "test", "2", "2"],
    ]
    facts = found.to_dict()
    assert facts["parts"][0] == {"manifest": "a.jsonl", "split": "train", "clips": 3, "different": {"source": 3, "audio": 3, "caption": 0}}
    (pair,) = facts["shared"]
    assert pair["leak"] and pair["count"] == 2 and pair["shared"][1] == {"key": "x:1", "is": "x:1", "clips": ["1", "t1"]}


def test_manifests_of_one_name_are_told_apart(manifest):
    a, b = (manifest([row("1", "train", "x:1")], f"{folder}/m.jsonl") for folder in ("one", "two"))
    assert [part.name for part in overlap([a, b]).parts] == [f"{a} train", f"{b} train"]
    assert overlap([a, b]).exit_code == 0, "two training sets may share"


def test_nothing_to_compare(manifest):
    a = manifest([row("1", "train", "x:1")])
    with pytest.raises(DataError, match="all there is"):
        overlap([a])
    with pytest.raises(ConfigError, match="named twice"):
        overlap([a, a.parent / "." / a.name])
