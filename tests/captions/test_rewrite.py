"""Rewriting: rounds, cache, shards, kills, the command line, and the real transformers code with a tiny random model."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from elsa_lightning import cli_rewrite
from elsa_lightning.captions.attributes import SpatialWords
from elsa_lightning.captions.rewrite import rewrite_all, shard_of
from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewrite_request import Request, read_requests
from elsa_lightning.captions.templates import Dice, compose, frames_for
from elsa_lightning.captions.verify import verify
from elsa_lightning.errors import ConfigError, DataError, RunError
from elsa_lightning.seeding import rng_of, seed_of

from .stub_writer import StubWriter

CAPTIONS = ("A dog barks", "Rain falls on a roof", "A man speaks while birds chirp", "A bell rings twice")
WORDS = (
    {"direction": "left", "distance": "near"},
    {"direction": "back", "elevation": "up", "area": "small"},
    {"distance": "far", "area": "large", "reverberation": "highly reverberant"},
    {"direction": "front", "reverberation": "acoustically dampened"},
    {"elevation": "down"},
)


def task(lines=60):
    rows = []
    for index in range(lines):
        caption, words = CAPTIONS[index % 4] + ("" if index < 40 else " again"), WORDS[index % 5]
        given, dice = SpatialWords(**words), Dice(rng_of("template", index))
        template = compose(caption, given, dice, frames_for(given)[0])
        rows.append({"id": f"clip-{index}", "caption": caption, "words": words, "template": template})
    return rows


def write_task(folder, rows):
    path = folder / "task.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def requests_of(rows):
    return [Request(row["id"], row["caption"], tuple(row["words"].items()), row["template"]) for row in rows]


class Forbidden(StubWriter):
    def __call__(self, prompts, seeds):
        raise AssertionError("the model was asked")


# ---- rounds and figures


def by_hand(request, retries, seed=0):
    """One request alone: the first try that passes, and the first verdict."""
    key, first = request.key(StubWriter.identity, seed), None
    for number in range(retries + 1):
        text = StubWriter.answer(request.prompt, seed_of("rewrite", seed, key, number)).strip()
        verdict = verify(request.caption, dict(request.words), text)
        first = first or verdict
        if verdict.ok:
            return (text, number + 1, True), first
    return (request.template, retries + 1, False), first


@pytest.mark.parametrize(("retries", "batch"), [(0, 7), (1, 1), (3, 16)])
def test_outcomes_and_figures_are_those_of_one_request_at_a_time(tmp_path, retries, batch):
    requests = requests_of(task())
    outcomes, figures = rewrite_all(requests, StubWriter(), AnswerCache(tmp_path / "cache"), batch=batch, retries=retries)
    expected = {request.key(StubWriter.identity, 0): by_hand(request, retries) for request in requests}
    kept = [expected[request.key(StubWriter.identity, 0)][0] for request in requests]
    assert [(outcome.text, outcome.tries, outcome.accepted) for outcome in outcomes] == [
        each if each[2] else (request.template, *each[1:]) for request, each in zip(requests, kept, strict=True)
    ]
    assert (figures.lines, figures.requests) == (60, len(expected)) and len(expected) < 60
    counts = Counter("fell" if not done[2] else "first" if done[1] == 1 else "later" for done, _ in expected.values())
    assert (figures.first_try, figures.retried, figures.fell_back) == (counts["first"], counts["later"], counts["fell"])
    faults = figures.first_faults
    for kind in ("lost", "added", "contradicted", "meta"):
        assert faults.kinds[kind] == sum(first.has(kind) for _, first in expected.values()) > 0
    wrong = sum(first.has("added") or first.has("contradicted") for _, first in expected.values())
    assert faults.hallucination_rate == wrong / len(expected) and f"hallucination rate: {wrong} (" in figures.text()
    assert figures.faulty_templates == 0


def test_each_try_has_its_own_seed_and_no_try_is_wasted(tmp_path):
    requests, writer = requests_of(task()), StubWriter()
    outcomes, _ = rewrite_all(requests, writer, AnswerCache(tmp_path / "cache"), retries=3)
    assert len(set(writer.asked)) == len(writer.asked) == len({seed for _, seed in writer.asked})
    tries = {request.key("", 0): outcome.tries for request, outcome in zip(requests, outcomes, strict=True)}
    assert len(writer.asked) == sum(tries.values())


def test_a_faulty_template_is_counted(tmp_path):
    request = Request("one", "A dog barks", (("direction", "left"),), "A dog barks on the right.")
    bad = next(seed for seed in range(100) if not by_hand(request, 0, seed)[0][2])
    _, figures = rewrite_all([request], StubWriter(), AnswerCache(tmp_path / "cache"), seed=bad, retries=0)
    assert (figures.fell_back, figures.faulty_templates) == (1, 1)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"retries": -1}, {"requests": []}])
def test_nonsense_is_refused(tmp_path, wrong):
    with pytest.raises(ConfigError):
        rewrite_all(**{"requests": requests_of(task(2)), "generator": StubWriter(), "cache": AnswerCache(tmp_path / "c")} | wrong)


def test_the_prompt_says_every_word_and_the_key_depends_on_all_of_it():
    request = requests_of(task())[2]
    for fact in ("A man speaks while birds chirp", "far away", "a large room", "a highly reverberant room"):
        assert fact in request.prompt
    keys = {request.key("model", 0), request.key("model", 1), request.key("other", 0), requests_of(task())[3].key("model", 0)}
    keys.add(Request("x", request.caption, request.words[:-1], "t").key("model", 0))
    assert len(keys) == 5 and request.key("model", 0) == Request("x", request.caption, request.words, "t").key("model", 0)


# ---- cache


def test_kept_answers_are_not_asked_for_again(tmp_path):
    requests = requests_of(task())
    first = rewrite_all(requests, StubWriter(), AnswerCache(tmp_path / "cache"))
    assert rewrite_all(requests, Forbidden(), AnswerCache(tmp_path / "cache")) == first


def test_half_a_line_is_dropped_and_the_rest_is_kept(tmp_path):
    requests, path = requests_of(task()), tmp_path / "cache"
    first, _ = rewrite_all(requests, StubWriter(), AnswerCache(path))
    whole = path.read_bytes()
    for cut in (1, 30, len(whole.splitlines()[-1]), len(whole.splitlines()[-1]) + 2, len(whole) - 3, len(whole)):
        path.write_bytes(whole[:-cut])
        writer = StubWriter()
        again, _ = rewrite_all(requests, writer, AnswerCache(path))
        assert again == first and writer.asked
        assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_resumed_run_asks_for_whole_batches_of_the_uninterrupted_one(tmp_path):
    requests, path, calm = requests_of(task()), tmp_path / "cache", StubWriter()
    rewrite_all(requests, calm, AnswerCache(path), batch=8)
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in (3, 8, 21, 40, len(lines) - 1):
        path.write_bytes(b"".join(lines[:kept]))
        again = StubWriter()
        rewrite_all(requests, again, AnswerCache(path), batch=8)
        assert again.calls == calm.calls[-len(again.calls) :] and len(again.asked) < len(lines) - kept + 8


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "cache"
    path.write_text('{"key": "a", "try": 0, "text": "b"}\n{"key": "a", "try"\n')
    with pytest.raises(DataError, match="cache, line 2 is damaged"):
        AnswerCache(path)


def test_two_writers_of_one_cache_are_refused(tmp_path):
    one, two = AnswerCache(tmp_path / "cache"), AnswerCache(tmp_path / "cache")
    with one.writing(), pytest.raises(RunError, match="another process writes"), two.writing():
        pass
    with two.writing():
        two.add({("key", 0): "text"})
    assert AnswerCache(tmp_path / "cache")["key", 0] == "text"


# ---- shards and kills


def test_shards_share_the_work_and_gather_to_the_same_result(tmp_path):
    requests = requests_of(task())
    whole = rewrite_all(requests, StubWriter(), AnswerCache(tmp_path / "whole"))
    parts = [shard_of(requests, StubWriter.identity, 0, index, 3) for index in (1, 2, 3)]
    assert sorted(request.id for part in parts for request in part) == sorted(request.id for request in requests)
    assert all(parts) and shard_of(requests, StubWriter.identity, 0, 1, 1) == requests
    for index, part in enumerate(parts):
        rewrite_all(part, StubWriter(), AnswerCache(tmp_path / f"part-{index}"), batch=5)
    gathered = AnswerCache(tmp_path / "main", [tmp_path / f"part-{index}" for index in range(3)])
    assert rewrite_all(requests, Forbidden(), gathered) == whole


def test_ten_kills_end_with_the_same_bytes(tmp_path):
    """The process kills itself at a counted call, drawn from each tenth of the work in turn: no clock decides what is hit."""
    source = write_task(tmp_path, task(80))
    script = [sys.executable, str(Path(__file__).parent / "stub_writer.py"), str(source)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def run(name, kill_at=0):
        command = [*script, str(tmp_path / f"{name}.jsonl"), str(tmp_path / f"{name}.cache"), str(kill_at)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)

    calm = run("calm")
    assert calm.returncode == 0, calm.stderr
    expected = (tmp_path / "calm.jsonl").read_bytes()
    least = int(run("calm").stdout)  # calls of a run that need not ask for anything: no run has fewer
    assert (tmp_path / "calm.jsonl").read_bytes() == expected and 1000 < least < int(calm.stdout)
    moments, sizes, cache = random.Random(5), [0], tmp_path / "killed.cache"
    for tenth in range(10):
        killed = run("killed", moments.randrange(tenth * least // 10, (tenth + 1) * least // 10) + 1)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not (tmp_path / "killed.jsonl").exists()
        sizes.append(cache.stat().st_size if cache.exists() else 0)
    assert sizes == sorted(sizes) and len(set(sizes)) > 5
    assert run("killed").returncode == 0
    assert (tmp_path / "killed.jsonl").read_bytes() == expected
    assert sorted(cache.read_bytes().splitlines()) == sorted((tmp_path / "calm.cache").read_bytes().splitlines())


# ---- input


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 is not a JSON object"),
        ('{"id": "b", "caption": " ", "words": {}, "template": "t"}', "line 2: caption is"),
        ('{"id": "b", "caption": "c", "words": ["left"], "template": "t"}', "line 2: words is"),
        ('{"id": "b", "caption": "c", "words": {"direction": "north"}, "template": "t"}', "line 2: direction has no word 'north'"),
        ('{"id": "a", "caption": "c", "words": {}, "template": "t"}', "id 'a' was used in line 1"),
    ],
)
def test_a_faulty_line_is_named(tmp_path, line, message):
    path = tmp_path / "task.jsonl"
    path.write_text('{"id": "a", "caption": "c", "words": {"direction": "left", "area": null}, "template": "t"}\n' + line + "\n")
    with pytest.raises(DataError, match=message):
        read_requests(path)


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.jsonl cannot be read"):
        read_requests(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"empty\.jsonl has no lines"):
        read_requests(tmp_path / "empty.jsonl")


# ---- the command line


def run_cli(*arguments):
    parser = argparse.ArgumentParser()
    cli_rewrite.add(parser.add_subparsers(required=True))
    parsed = parser.parse_args([str(argument) for argument in arguments])
    return parsed.command(parsed) or 0


@pytest.fixture
def with_stub(monkeypatch):
    made = []

    def build(*settings):
        made.append(StubWriter())
        return made[-1]

    monkeypatch.setattr("elsa_lightning.models.rewriter.TransformersRewriter", build)
    return made


def test_rewrite_command_by_shards_and_alone(tmp_path, with_stub, capsys):
    rows = [row | {"licence": "CC0"} for row in task()]
    source = write_task(tmp_path, rows)
    assert run_cli("rewrite", source, tmp_path / "alone.jsonl", "--model", "any", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    lines = [json.loads(line) for line in (tmp_path / "alone.jsonl").read_text().splitlines()]
    assert [{name: line[name] for name in rows[0]} for line in lines] == rows
    assert {line["source"] for line in lines} <= {"model", "template"} and figures["first_faults"]["hallucination_rate"] > 0
    for index in (1, 2):
        assert run_cli("rewrite", source, tmp_path / "shared.jsonl", "--model", "any", "--shard", f"{index}/2") == 0
        assert not (tmp_path / "shared.jsonl").exists()
    assert run_cli("rewrite", source, tmp_path / "shared.jsonl", "--model", "any") == 0
    assert not with_stub[-1].asked and (tmp_path / "shared.jsonl").read_bytes() == (tmp_path / "alone.jsonl").read_bytes()
    assert run_cli("verify-captions", tmp_path / "alone.jsonl") == 0
    assert "hallucination rate: 0 (0.0 %)" in capsys.readouterr().out


def test_verify_command_names_faulty_lines(tmp_path, capsys):
    path = tmp_path / "rewrites.jsonl"
    rewrites = ("A dog barks on the left.", "A dog barks on the right.", "A dog barks.", "A dog barks on the left in a small room.")
    rows = ({"caption": "A dog barks", "words": {"direction": "left"}, "rewrite": text} for text in rewrites)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_cli("verify-captions", path) == 1
    printed = capsys.readouterr().out
    assert "line 2: lost: left (direction); contradicted: right (direction)" in printed and "line 1" not in printed
    assert "hallucination rate: 2 (50.0 %)" in printed and "lost rate: 2 (50.0 %)" in printed
    assert run_cli("verify-captions", path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [line["line"] for line in found["lines"]] == [2, 3, 4] and found["hallucination_rate"] == 0.5


def test_wrong_options_are_refused(tmp_path, capsys):
    source = write_task(tmp_path, task(2))
    for shard in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(SystemExit):
            run_cli("rewrite", source, tmp_path / "out.jsonl", "--model", "any", "--shard", shard)
    with pytest.raises(ConfigError, match="--temperature 0"):
        run_cli("rewrite", source, tmp_path / "out.jsonl", "--model", "any", "--temperature", "0")


def test_help_needs_no_torch():
    code = "import elsa_lightning.cli_rewrite, elsa_lightning.captions.rewrite, sys; sys.exit(bool({'torch', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
