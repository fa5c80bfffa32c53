"""What is there of what should be."""

import hashlib

import pytest

from elsa_lightning.data.trust.coverage import coverage, coverage_text
from elsa_lightning.data.trust.ids import gallery_hash
from elsa_lightning.data.trust.official import OFFICIAL
from elsa_lightning.data.trust.rows import Row, of_split, read_ids, read_rows
from elsa_lightning.errors import DataError


def rows(split, ids, captions=5):
    return [Row(name, split, f"audio/{name}.flac", f"youtube:{name}", ("a dog barks",) * captions) for name in ids]


def test_missing_extra_misplaced_and_repeated_ids():
    have = rows("train", "abc", 1) + rows("test", "xyz") + rows("test", "x")
    want = [Row("a", "train"), Row("b", "test"), Row("x", "test"), Row("q", "val"), Row("p", "test")]
    found = coverage(have, want)
    assert (found.missing, found.extra, found.repeated) == (("p", "q"), ("c", "y", "z"), ("x",))
    assert found.misplaced == (("b", "test", "train"),)
    assert {name: split.expected for name, split in found.splits.items()} == {"train": 1, "val": 1, "test": 3}
    assert found.exit_code == 1
    text = coverage_text(found)
    assert "missing (2):\n    p\n    q" in text and "b: test in the list, train in the manifest" in text


def test_a_complete_manifest():
    have = rows("test", "xyz")
    found = coverage(have, [Row(name) for name in "zyx"])
    assert found.exit_code == 0 and coverage_text(found).endswith("complete")
    assert found.splits["test"].gallery == found.expected_gallery == hashlib.sha256(b"x\ny\nz").hexdigest()[:12]
    assert found.splits["test"].per_clip == {5: 3}
    alone = coverage(have)
    assert alone.exit_code == 0 and alone.expected is None and "compared with nothing" in coverage_text(alone)


def test_the_hash_does_not_depend_on_order():
    assert gallery_hash(["b", "a"]) == gallery_hash(["a", "b"]) != gallery_hash(["a", "c"])


def test_long_lists_are_cut_in_the_text_only():
    found = coverage(rows("test", "a"), [Row(f"{number:03d}") for number in range(100)])
    text = coverage_text(found)
    assert "missing (100):" in text and "    019\n    … and 80 more" in text and "020" not in text
    assert len(found.to_dict()["missing"]) == 100


@pytest.mark.parametrize(
    ("by", "ids"),
    [("audio", ["a", "b.wav", "some/where/c.flac"]), ("source", ["a", "youtube:b", "c"])],
)
def test_other_fields_may_be_what_the_list_speaks_of(by, ids):
    have = [Row(f"clip-{name}", "test", f"audio/{name}.flac", f"youtube:{name}", ("x",)) for name in "abc"]
    found = coverage(have, [Row(name) for name in ids], by=by)
    assert found.exit_code == 0
    assert coverage(have, have, by=by).exit_code == 0, "another manifest as the list"
    assert coverage(have, have[1:], by=by).extra == ("a",)
    wrong = coverage(have, [Row(name) for name in ids])
    assert len(wrong.missing) == 3 and wrong.others == {"audio": 3 if by == "audio" else 2, "source": 3 if by == "source" else 1}
    assert f"--by {by} (3 would match)" in coverage_text(wrong)


def test_clips_without_the_field_are_counted():
    found = coverage([Row("1", "test", source="x:a"), Row("2", "test"), Row("3", "test")], [Row("a")], by="source")
    assert found.unnamed == 2 and "2 clips have no source and match no id" in coverage_text(found)
    assert found.to_dict()["clips_without"] == 2


def test_ids_with_dots_keep_them():
    found = coverage([Row("x", "test", "a/Dog 1.5 m.flac")], [Row("Dog 1.5 m.wav")], by="audio")
    assert found.exit_code == 0
    assert coverage([Row("x", "test", "a/Dog 1.5 m")], [Row("Dog 1")], by="audio").missing == ("Dog 1",)


def test_official_sizes():
    published = OFFICIAL["audiocaps"]
    short = (
        rows("train", (f"a{i}" for i in range(46230)), 1) + rows("val", (f"b{i}" for i in range(495))) + rows("test", map(str, range(975)))
    )
    found = coverage(short, published=published)
    assert found.exit_code == 1
    assert {name: split.as_published for name, split in found.splits.items()} == {"train": False, "val": True, "test": True}
    text = coverage_text(found, published)
    assert "46230" in text and "49838 (1 each)" in text and "92.76 %" in text and "ACL N19-1011" in text
    full = short + rows("train", (f"c{i}" for i in range(49838 - 46230)), 1)
    assert coverage(full, published=published).exit_code == 0
    few = coverage(full[:-1] + rows("train", ["last"], 2), published=published)
    assert few.exit_code == 1 and few.splits["train"].per_clip == {1: 49837, 2: 1}, "a clip with another number of captions"
    assert sum(clips for clips, _ in OFFICIAL["clotho"].splits.values()) == 5929
    assert coverage(rows("test", map(str, range(975))), published=published.only("test")).exit_code == 0


def test_lists_of_ids(tmp_path):
    def ids(name, text, **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return [(row.clip_id, row.split) for row in read_ids(tmp_path / name, **options)]

    assert ids("a.txt", "# clips\nx\n\n y \n") == [("x", ""), ("y", "")]
    assert ids("a.csv", "audiocap_id,youtube_id,start_time,caption\n7,x-Y,30,a dog\n8,x-Y,30,the dog\n") == [("x-Y", ""), ("x-Y", "")]
    assert ids("b.csv", '\ufefffile_name,caption_1\n"Dog, 1.wav",a dog\n') == [("Dog, 1.wav", "")]
    assert ids("j.csv", "youtube_id,start_time\nx-Y,30\n", column="youtube_id,start_time") == [("x-Y_30", "")], "as prepared AudioCaps"
    assert ids("c.tsv", "fname\tsplit\n12\ttrain\n") == [("12", "train")]
    assert ids("d.csv", "who,what\nx,y\n", column="what") == [("y", "")]
    assert ids("e.jsonl", '{"audio": "x.wav", "split": "val", "captions": "a dog"}\n') == [("x.wav", "val")]
    for name, text, message in (
        ("f.csv", "who,what\nx,y\n", "no column clip_id or youtube_id"),
        ("g.txt", "# nothing\n", "holds no ids"),
        ("h.csv", "clip_id\n", "holds no ids"),
        ("k.csv", "clip_id,split\na,test\n,test\n", "k.csv, line 3: no clip_id"),
    ):
        with pytest.raises(DataError, match=message):
            ids(name, text)
    with pytest.raises(DataError, match="does not exist"):
        read_ids(tmp_path / "nothing.csv")
    (tmp_path / "i.txt").write_bytes(b"PAR1\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_ids(tmp_path / "i.txt")
    (tmp_path / "i.parquet").write_bytes(b"PAR1\xff\xfe\x00")
    with pytest.raises(DataError, match=r"i\.parquet cannot be read|needs pyarrow"):
        read_ids(tmp_path / "i.parquet")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 is a list"),
        ("{}", "line 2 has neither clip_id nor audio"),
        ('{"clip_id": 5}', "line 2: 'clip_id' is not text"),
        ('{"clip_id": "a", "captions": [1]}', "line 2: 'captions' is not a list"),
    ],
)
def test_faulty_manifests(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text('{"clip_id": "x"}\n' + line + "\n")
    with pytest.raises(DataError, match=message):
        read_rows(tmp_path / "a.jsonl")


def test_one_split_of_a_list():
    some = [Row("a", "train"), Row("b", "test"), Row("c")]
    assert [row.clip_id for row in of_split(some, "test")] == ["b"]
    assert [row.clip_id for row in of_split(some, "test", unsaid=True)] == ["b", "c"]
