"""Manifests of any size: the records and the errors of the plain reader, from an index that is kept, checked and shared."""

import dataclasses
import datetime
import decimal
import json
import math
import os
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_lightning.data import manifest_index, manifest_rows, manifest_table
from elsa_lightning.data.index_file import read_arrays
from elsa_lightning.data.manifest import (
    NUMBER_FIELDS,
    SPLITS,
    TEXT_FIELDS,
    ClipRecord,
    parse_line,
    read_manifest,
    write_manifest,
)
from elsa_lightning.data.manifest_quick import quick_rows
from elsa_lightning.data.manifest_rows import ManifestRows, open_manifest
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.spatial_columns import LABELS
from elsa_lightning.errors import DataError
from elsa_lightning.schema import ManifestConfig

GOOD = {"audio": "a.wav", "captions": ["a dog"], "split": "train"}


@pytest.fixture(params=["small", "indexed"])
def indexed(request, monkeypatch):
    """Both ways: checked at each opening, and by an index file."""
    if request.param == "indexed":
        monkeypatch.setattr(manifest_rows, "INDEXED_BYTES", 0)
    return request.param == "indexed"


def outcome(read):
    """Records, or the error's text."""
    try:
        return list(read())
    except DataError as fault:
        return str(fault)


NAMES = st.sampled_from(["a", "./a", "b", "c", "é", "x\u2028y", ""])
ROWS = st.fixed_dictionaries(
    {
        "audio": st.one_of(NAMES, st.integers(0, 40).map(str)),
        "split": st.sampled_from([*SPLITS, "train", "train", "dev"]),
        "captions": st.sampled_from([["a dog"], ["a dog", "ein Hund ü"], "one", []]),
    },
    optional={
        "clip_id": st.one_of(NAMES, st.integers(0, 200).map(str)),
        "source": st.one_of(st.just(""), st.integers(0, 30).map(str)),
        "label": st.sampled_from(["", "dog", "cat"]),
        "licence": st.sampled_from(["", "CC0"]),
        "duration_s": st.floats(0, 9),
        "sample_rate": st.sampled_from([0, 44100]),
    },
)
ODD = {
    "audio": [3, None, ""],
    "split": ["dev", ["train"], {}, None],
    "captions": [[], [""], [" ."], [3], ["a dog", None], {}, None, "two"],
    **{name: [3, None, [], True, ""] for name in ("clip_id", "label", "source", "licence")},
    "duration_s": [-1, math.nan, math.inf, True, "1", None, 2, 0.5],
    "sample_rate": [-1, 0.5, True, "1", None, math.nan, 8000],
    "layout": ["mono", "foa_fuma", "stereo"],
    "azimuth_deg": [3],
    "extra": [3],
}
LINES = st.one_of(
    ROWS.map(json.dumps),
    ROWS.map(lambda row: json.dumps(row, ensure_ascii=False)),
    st.sampled_from(["", " ", "[1]", "{", "{} x", "{}{}", "3", "\ufeff{}"]),
    st.tuples(st.sampled_from(["", " "]), ROWS.map(json.dumps), st.sampled_from(["", " ", "x"])).map("".join),
)
GOOD_LINES = st.integers(0, 400).map(lambda i: json.dumps({**GOOD, "audio": f"{i}.wav", "split": SPLITS[i % 3]}))


@settings(max_examples=300, deadline=None)
@given(
    lines=st.one_of(
        st.lists(GOOD_LINES, max_size=30, unique=True), st.lists(LINES, max_size=12), st.lists(ROWS.map(json.dumps), max_size=6)
    ),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
)
def test_it_is_the_plain_reader(tmp_path_factory, lines, end, last):
    path = tmp_path_factory.mktemp("m") / "m.jsonl"
    path.write_bytes((end.join(lines) + end * last).encode())
    wanted = outcome(lambda: read_manifest(path))
    small = outcome(lambda: ManifestRows(open_manifest(path)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_rows, "INDEXED_BYTES", 0)
        patch.setattr(manifest_index, "BLOCK", 150)  # some lines
        first, again = (outcome(lambda: ManifestRows(open_manifest(path))) for _ in range(2))
    assert wanted == small == first == again
    if isinstance(wanted, list):
        opened = open_manifest(path)
        for split in SPLITS:
            assert list(ManifestRows(opened, split)) == [record for record in wanted if record.split == split]
        assert opened.about["labels"] == sorted({record.label for record in wanted} - {""})
        assert opened.about["licences"] == sorted({record.licence for record in wanted} - {""})


PLACED = {**GOOD, "layout": "foa_acn_sn3d", "axes": "front-right-up", "spatial_captions": ["left"], **dict.fromkeys(LABELS, 1.5)}


def test_the_quick_look_passes_only_what_the_full_check_does():
    whole = {**GOOD, "clip_id": "c", "label": "dog", "source": "s", "licence": "CC0", "duration_s": 1.5, "sample_rate": 44100}
    lines = [json.dumps({**whole, name: value}) for name, values in ODD.items() for value in values]
    lines += [json.dumps({key: value for key, value in whole.items() if key != name}) for name in whole]
    lines += [json.dumps(whole) + end for end in (" ", "\r", "x", "{}")] + ["", "3", "[]", "{", '{"split"}', "\r"]
    lines += [json.dumps({**PLACED, name: value}) for name in PLACED for value in (0, -1, 91, 181, 1e999, True, "x", "", None, [], [" "])]
    lines += [json.dumps({**PLACED, "extra": 3}), json.dumps({**PLACED, "azimut_deg": 3}), json.dumps({**PLACED, "layout": "mono"})]
    passed = 0
    for line, row in zip(lines, quick_rows([line.encode() for line in lines]), strict=True):
        if row is not None:
            record = parse_line(line, "x")
            said = {name: getattr(row, name) for name in (*TEXT_FIELDS, *NUMBER_FIELDS, "captions")}
            assert said | {"clip_id": row.clip_id or row.audio} == {name: getattr(record, name) for name in said}
            passed += 1
    assert passed == 39 and None not in quick_rows([json.dumps(row).encode() for row in (whole, PLACED, {**whole, "extra": 3})])


KINDS = {
    **{name: [["", "a", "./a", "b", None, "é", "c/../a"]] for name in ("audio", "clip_id", "source")},
    "split": [[*SPLITS, "train", "train"], ["train"] * 9 + ["dev", None]],
    "captions": [[["a dog"], ["x", "ü"]], [["a dog"]] * 9 + [[], None, [" ."], ["x", None]], ["one", "two"], [3]],
    "label": [["", "dog", None, "cat"], [3, None], [b"dog"]],
    "licence": [["CC0", None]],
    "duration_s": [[0.0, 2.5, None], [1, 2], [1.0] * 9 + [-1.0, math.nan, math.inf], [True], ["1"], [decimal.Decimal("1.5"), None]],
    "sample_rate": [[44100, None], [44100.0, None], [8000.0] * 9 + [0.5, -1.0, math.nan], [2**60 + 1], [datetime.date(2026, 1, 1), None]],
    "layout": [[None], ["mono", None], ["foa_fuma", "foa_acn_n3d"], ["foa_fuma"] * 9 + ["stereo", ""], ["foa_fuma", None]],
    "azimuth_deg": [[None], [-5.0, 180.0, None], [3, None], [3.0] * 9 + [181.0]],
    "t30_s": [[None], [0.5, None], [0.5] * 9 + [0.0, math.inf]],
    "c50_db": [[None], [-0.0, 3.5, None]],
    "start_s": [[None], [0.0, 1.5, None]],
    "axes": [[None], ["front-right-up", None], ["front-right-up"] * 9 + ["front"]],
    "spatial_captions": [[None], [["left"], None], [["left"]] * 9 + [[], [""]]],
    "azimut_deg": [[None], [None] * 9 + [3.0]],
    "extra": [[None], [3, None], [{"a": 1}]],
}


@settings(max_examples=400, deadline=None)
@given(data=st.data(), count=st.integers(0, 12), coded=st.booleans(), large=st.booleans())
def test_a_table_is_the_plain_reader_whatever_its_columns_hold(tmp_path_factory, data, count, coded, large):
    """Types of columns that say something, and types that do not; values that may be, and values that may not."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {}
    for name, kinds in KINDS.items():
        if name in GOOD or data.draw(st.booleans()):
            pool = data.draw(st.sampled_from(kinds[:1] * 4 + kinds))
            columns[name] = arrow.array([data.draw(st.sampled_from(pool)) for _ in range(count)])
    if data.draw(st.booleans()):  # else nearly each has a clip_id twice
        columns["clip_id"] = arrow.array([f"c{i}" for i in range(count)], arrow.large_string() if large else arrow.string())
    if coded and columns["split"].type != arrow.null():  # pyarrow cannot write a dictionary of nothing but nulls
        columns["split"] = columns["split"].dictionary_encode()
    path = tmp_path_factory.mktemp("m") / "m.parquet"
    parquet.write_table(arrow.table(columns), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_table, "ROWS", 5)
        found = [outcome(lambda: ManifestRows(open_manifest(path))) for _ in range(2)]
    wanted = outcome(lambda: read_manifest(path))
    assert found == [wanted, wanted]
    if isinstance(wanted, list):
        opened = open_manifest(path)
        for split in SPLITS:
            assert list(ManifestRows(opened, split)) == [record for record in wanted if record.split == split]
        assert opened.about["labels"] == sorted({record.label for record in wanted} - {""})
        assert opened.about["licences"] == sorted({record.licence for record in wanted} - {""})


def test_most_rows_of_a_table_need_no_line(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    records = [ClipRecord(f"c{i}", "train", "", ("x",), audio=f"{i}.wav", duration_s=1.0, sample_rate=8000) for i in range(3)]
    write_manifest(tmp_path / "m.parquet", [*records, parse_line(json.dumps(PLACED), "x")])
    monkeypatch.setattr(manifest_table, "lines_of", None)
    assert len(ManifestRows(open_manifest(tmp_path / "m.parquet"))) == 4


def test_a_sequence(tmp_path, indexed):
    records = [ClipRecord(f"c{i}", SPLITS[i % 2], "", ("x",), audio=f"{i}.wav") for i in range(9)]
    write_manifest(tmp_path / "m.jsonl", records)
    rows = ManifestRows(open_manifest(tmp_path / "m.jsonl"), "train")
    assert len(rows) == 5 and rows[1] == records[2] and rows[-1] == records[8] and rows[1:3] == records[2:6:2]
    assert records[4] in rows and rows.index(records[4]) == 2
    for wrong in (5, -6):
        with pytest.raises(IndexError):
            rows[wrong]
    assert len(ManifestRows(open_manifest(tmp_path / "m.jsonl"), "test")) == 0


def test_not_utf_8_missing_and_empty(tmp_path, indexed):
    with pytest.raises(DataError, match="does not exist"):
        open_manifest(tmp_path / "m.jsonl")
    (tmp_path / "m.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match="has no clips"):
        open_manifest(tmp_path / "m.jsonl")
    for text in (json.dumps(GOOD).encode() + b"\xe9", b'{"audio": "\xc3'):
        (tmp_path / "m.jsonl").write_bytes(text)
        assert outcome(lambda: open_manifest(tmp_path / "m.jsonl")) == outcome(lambda: read_manifest(tmp_path / "m.jsonl"))


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A manifest that gets an index, and how often it was checked whole."""
    monkeypatch.setattr(manifest_rows, "INDEXED_BYTES", 0)
    checks, build = [], manifest_rows.build_index
    monkeypatch.setattr(manifest_rows, "build_index", lambda *given: checks.append(given) or build(*given))
    write_manifest(tmp_path / "m.jsonl", [ClipRecord(f"c{i}", SPLITS[i % 3], "", ("x",), audio=f"{i}.wav") for i in range(60)])
    return tmp_path / "m.jsonl", checks


def test_it_is_checked_once_until_it_changes(large):
    path, checks = large
    first = list(ManifestRows(open_manifest(path)))
    assert list(ManifestRows(open_manifest(path))) == first and len(checks) == 1
    os.utime(path, (1, 1))
    open_manifest(path)
    assert len(checks) == 1
    text = path.read_text()
    path.write_text(text.replace("7.wav", "x.wav", 1))  # the size stays
    assert [record.audio for record in ManifestRows(open_manifest(path))] == [r.audio for r in read_manifest(path)]
    assert len(checks) == 2
    path.write_text(text.replace('"c5"', '"c4"'))
    with pytest.raises(DataError, match="'c4' was used in line 5"):
        open_manifest(path)


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "magic"])
def test_a_damaged_index_is_made_again(large, damage):
    path, checks = large
    first = list(ManifestRows(open_manifest(path)))
    index = path.with_name("m.jsonl.index")
    data = bytearray(index.read_bytes())
    if damage == "flip":
        data[-60] ^= 1
    index.write_bytes({"cut": data[:-3], "flip": data, "garbage": b"\0" * 50, "magic": b"ELSAIDX1" + b"\xff" * 99}[damage])
    assert list(ManifestRows(open_manifest(path))) == first and len(checks) == 2
    assert read_arrays(index, {}) is not None


def test_pickled_by_path_and_opened_there_without_a_check(large):
    path, checks = large
    corpus = open_corpus(ManifestConfig(path=str(path)))
    state = pickle.dumps([corpus, corpus.records("val")])
    assert len(state) < 1500
    again, records = pickle.loads(state)
    assert list(records) == list(corpus.records("val")) == list(again.records("val")) and len(checks) == 1
    path.write_text(path.read_text().replace('"c5"', '"c4"'))
    with pytest.raises(DataError, match="'c4' was used"):
        pickle.loads(state)


def test_a_folder_that_cannot_be_written_to(large, tmp_path, monkeypatch, caplog):
    path, checks = large
    write = manifest_rows.write_arrays

    def only_elsewhere(place, *given):
        if place.parent == path.parent:
            raise PermissionError(13, "not allowed")
        write(place, *given)

    monkeypatch.setattr(manifest_rows, "write_arrays", only_elsewhere)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for _ in range(2):
        assert len(ManifestRows(open_manifest(path))) == 60
    assert len(checks) == 1 and not caplog.records
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))  # no folder
    for _ in range(2):
        assert len(ManifestRows(open_manifest(path))) == 60
    assert len(checks) == 3 and "no place for the index" in caplog.text


def test_parquet_is_the_same_manifest(tmp_path, indexed):
    pytest.importorskip("pyarrow")
    records = [
        ClipRecord("c1", "test", "hund", ("ein Hund", "ein „Bellen“"), "src", "CC0", "1.wav", 4.25, 44100),
        ClipRecord("c2", "train", "", ("x",), audio="2.wav"),
        ClipRecord("c3", "train", "", ("y",), audio="3.wav", layout="foa_fuma", start_s=0.0, azimuth_deg=-5.0, spatial_captions=("left",)),
    ]
    for name in ("m.jsonl", "m.parquet"):
        write_manifest(tmp_path / name, records)
        (tmp_path / "1.wav").write_bytes(b"1"), (tmp_path / "2.wav").write_bytes(b"2"), (tmp_path / "3.wav").write_bytes(b"3")
        assert read_manifest(tmp_path / name) == records
        for _ in range(2):
            assert list(ManifestRows(open_manifest(tmp_path / name))) == records
    hashes = {open_corpus(ManifestConfig(path=str(tmp_path / name))).content_hash for name in ("m.jsonl", "m.parquet")}
    assert len(hashes) == 1
    rows = pickle.loads(pickle.dumps(ManifestRows(open_manifest(tmp_path / "m.parquet"), "train")))
    assert list(rows) == records[1:]


def test_faults_of_a_parquet_manifest(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "m.parquet"
    write_manifest(path, [ClipRecord("c1", "train", "", ("x",), audio="1.wav"), ClipRecord("c1", "train", "", ("x",), audio="2.wav")])
    assert outcome(lambda: open_manifest(path)) == outcome(lambda: read_manifest(path))
    with pytest.raises(DataError, match="line 2: clip_id 'c1' was used in line 1"):
        open_manifest(path)
    ends, text = (arrow.py_buffer(part) for part in ((0).to_bytes(4, "little") + (1).to_bytes(4, "little"), b"\xff"))
    columns = {"audio": arrow.Array.from_buffers(arrow.string(), 1, [None, ends, text]), "split": ["train"], "captions": [["a dog"]]}
    parquet.write_table(arrow.table(columns), path)
    assert outcome(lambda: open_manifest(path)) == outcome(lambda: read_manifest(path))
    with pytest.raises(DataError, match=r"m\.parquet cannot be read \(.*UTF8"):
        open_manifest(path)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"m\.parquet cannot be read"):
        open_manifest(path)


def test_a_table_written_by_others(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{**GOOD, "sample_rate": 44100.0, "extra": 3}, {**GOOD, "audio": "b.wav", "sample_rate": None, "label": None, "extra": None}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "m.parquet")
    assert [record.sample_rate for record in read_manifest(tmp_path / "m.parquet")] == [44100, 0]


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    for action in (lambda: open_manifest(tmp_path / "m.parquet"), lambda: write_manifest(tmp_path / "n.parquet", [])):
        with pytest.raises(DataError, match="needs pyarrow") as caught:
            action()
        assert "elsa-lightning[parquet]" in caught.value.remedy


def test_records_are_what_lines_say_after_the_file_was_replaced(large):
    """An open manifest is the one that was checked, whatever takes its place."""
    path, _ = large
    rows = ManifestRows(open_manifest(path))
    before = list(rows)
    write_manifest(path, [dataclasses.replace(record, label="other") for record in before])
    assert list(rows) == before
