"""Rewritten captions reach training: the task holds what training says, and accepted rewrites, no others, take the templates' place."""

import dataclasses
import json
import logging
from collections import Counter

import pytest
import torch

from captions.stub_writer import StubWriter
from elsa_lightning.captions.attributes import SpatialWords
from elsa_lightning.captions.rewrite import rewrite_all
from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewritten import read_rewrites, stamp
from elsa_lightning.captions.templates import plain_caption
from elsa_lightning.captions.verify import verify
from elsa_lightning.cli_rewrite import write_outcomes
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.rewrite_tasks import task_id, tasks_of
from elsa_lightning.data.text_states import TextStates, write_manifest, write_part
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import AugmentationConfig
from elsa_lightning.stages.train import report_captions


@pytest.fixture
def cached(cfg):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True)
    cfg.data.rendering = "cached"
    return cfg


def captions_of(cfg, corpus, banks, tokenizer, path=""):
    """All captions of the training and the datamodule that foresaw them."""
    experiment = dataclasses.replace(cfg, captions=dataclasses.replace(cfg.captions, rewrites=str(path)))
    data = SpatialAudioText(experiment, corpus, {"train": banks["train"]}, tokenizer)
    return [caption for batch in data.training_captions() for caption in batch], data


def rewritten(requests, folder, name="rewritten.jsonl"):
    """What `elsa data rewrite` makes of a task, with the stub for a model."""
    outcomes, _ = rewrite_all(requests, StubWriter(), AnswerCache(folder / "cache"), retries=1)
    write_outcomes(folder / name, requests, outcomes)
    return folder / name, outcomes


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_tasks_are_the_different_templates_of_the_training(cached, corpus, banks, tokenizer):
    requests, draws = tasks_of(cached, corpus, banks["train"])
    said, data = captions_of(cached, corpus, banks, tokenizer)
    assert draws == data.captions_drawn["template"] and len({request.id for request in requests}) == len(requests) <= draws
    assert {request.template for request in requests} <= set(said)
    for request in requests:
        assert request.words and verify(request.caption, dict(request.words), request.template).ok


def test_accepted_rewrites_stand_where_their_templates_stood_and_nothing_else_changes(cached, corpus, banks, tokenizer, tmp_path):
    requests, _ = tasks_of(cached, corpus, banks["train"])
    path, outcomes = rewritten(requests, tmp_path)
    before, plain = captions_of(cached, corpus, banks, tokenizer)
    after, data = captions_of(cached, corpus, banks, tokenizer, path)
    steps = SpatialAudioText(cached, corpus, {"train": banks["train"]}, tokenizer).training_templates()
    keys = {drawn.text: task_id(caption, drawn.words) for step in steps for caption, drawn in step}
    accepted = {request.id: out.text for request, out in zip(requests, outcomes, strict=True) if out.accepted}
    assert 0 < len(accepted) < len(requests)
    assert after == [accepted.get(keys.get(text, ""), text) for text in before]
    counts = Counter("rewrite" if text in set(accepted.values()) else "template" if text in keys else "plain" for text in after)
    assert data.captions_drawn == dict(sorted(counts.items())) and counts["rewrite"] > 10 and counts["template"] > 0
    assert sum(plain.captions_drawn.values()) == len(before) and plain.captions_drawn["plain"] == counts["plain"]


def test_batches_carry_them_with_live_tokens_and_with_shared_states(cached, corpus, banks, tokenizer, tmp_path):
    path, _ = rewritten(tasks_of(cached, corpus, banks["train"])[0], tmp_path)
    cached.captions.rewrites = str(path)
    foreseen = list(SpatialAudioText(cached, corpus, {"train": banks["train"]}, tokenizer).training_captions())
    different = list(dict.fromkeys(caption for batch in foreseen for caption in batch))
    states = tmp_path / "states"
    states.mkdir()
    write_part(states, 0, different, [torch.full((2, 3), float(number)) for number in range(len(different))])
    write_manifest(states, 1, len(different))
    caches = {"train": render_cache(cached, corpus, banks["train"], "train", tmp_path / "c", workers=0)}
    for tokens in (None, TextStates(states)):
        data = SpatialAudioText(cached, corpus, banks, tokenizer, caches, tokens)
        for batch, captions in zip(data.train_dataloader(), foreseen, strict=True):
            batch = data.on_before_batch_transfer(batch)
            assert batch.captions == captions
            if tokens is None:
                assert torch.equal(batch.tokens["input_ids"], torch.as_tensor(tokenizer(captions)["input_ids"]))
            else:
                assert batch.tokens["states"][:, 0, 0].tolist() == [different.index(caption) for caption in captions]
        assert data.captions_drawn["rewrite"] > 10


def test_tasks_of_a_stream_are_what_its_batches_say(cfg, corpus, banks, tokenizer):
    cfg.data.rendering, cfg.trainer.steps, cfg.augmentation.yaw = "stream", 9, True
    requests, draws = tasks_of(cfg, corpus, banks["train"])
    data = SpatialAudioText(cfg, corpus, banks, tokenizer)
    said = [caption for batch in data.train_dataloader() for caption in data.on_before_batch_transfer(batch).captions]
    assert data.captions_drawn["template"] == draws and {request.template for request in requests} <= set(said)
    cfg.rooms.mode = "pool"
    with pytest.raises(ConfigError, match=r"rooms\.mode"):
        tasks_of(cfg, corpus, banks["train"])


def test_tasks_of_several_seeds_are_joined_without_repetition(cached, corpus, banks):
    one, both = tasks_of(cached, corpus, banks["train"])[0], tasks_of(cached, corpus, banks["train"], [0, 1])[0]
    assert [request.id for request in both[: len(one)]] == [request.id for request in one] and len(both) > len(one)
    other = {request.id for request in tasks_of(cached, corpus, banks["train"], [1])[0]}
    assert {request.id for request in both} == other | {request.id for request in one}


def test_several_rewrites_are_chosen_by_the_key_whatever_the_order_of_the_lines(cached, corpus, banks, tokenizer, tmp_path):
    requests, _ = tasks_of(cached, corpus, banks["train"])
    rows = [
        {"caption": one.caption, "words": dict(one.words), "rewrite": f"{text} ", "source": "model"}
        for one in requests
        for text in (one.template, one.template.rstrip("."), one.template.lower())
    ]
    here, _ = captions_of(cached, corpus, banks, tokenizer, write_rows(tmp_path / "a", rows))
    there, _ = captions_of(cached, corpus, banks, tokenizer, write_rows(tmp_path / "b", rows[::-1]))
    before, _ = captions_of(cached, corpus, banks, tokenizer)
    assert here == there and here != before
    different = Counter("kept" if text in before else "no stop" if not text.endswith(".") else "lower" for text in here)
    assert min(different.values()) > 5


def test_rewrites_that_fail_the_check_and_templates_are_not_used(tmp_path):
    good = {"caption": "A dog barks", "words": {"direction": "left"}, "rewrite": "On the left, a dog barks.", "source": "model"}
    stamped = good | {"checked": stamp("A dog barks", (("direction", "left"),), good["rewrite"])}
    rows = [
        stamped,
        good | {"rewrite": "A dog barks on the left.", "id": "a", "unknown": [1]},  # without a stamp: checked here
        stamped | {"rewrite": "On the right, a dog barks."},  # changed by hand after it was stamped
        good | {"rewrite": "On the left, a cat mews."},
        good | {"words": {}, "rewrite": "A dog barks."},  # no words: nothing to say
        good | {"source": "template", "rewrite": "A dog barks, heard on the left."},
    ]
    found = read_rewrites(write_rows(tmp_path / "file", rows))
    assert found("a dog barks.", SpatialWords(direction="left")) == ("A dog barks on the left.", "On the left, a dog barks.")
    assert (found.templates, found.failed, len(found.texts)) == (1, 3, 1)
    assert not found("A dog barks", SpatialWords(direction="left", distance="near")) and not found("A cat", SpatialWords(direction="left"))
    assert "2 rewrites of 1 captions" in str(found) and "1 lines are templates, 3 fail" in str(found)


def test_a_stamp_saves_the_check_and_holds_for_its_own_line_alone(tmp_path, monkeypatch):
    said = ("A dog barks", (("direction", "left"), ("distance", "near")), "A dog barks nearby on the left.")
    row = {"caption": said[0], "words": dict(said[1]), "rewrite": said[2], "source": "model", "checked": stamp(*said)}
    path = write_rows(tmp_path / "file", [row])
    monkeypatch.setattr("elsa_lightning.captions.rewritten.verify", lambda *_: pytest.fail("checked again"))
    assert len(read_rewrites(path).texts) == 1
    assert stamp(*said) == stamp(said[0], said[1][::-1], said[2]) != stamp("A dog", *said[1:]) != stamp(*said[:2], "A dog")
    monkeypatch.setattr("elsa_lightning.captions.rewritten.VERIFIER", 0)
    with pytest.raises(pytest.fail.Exception, match="checked again"):
        read_rewrites(path)


GOOD = '{"caption": "c", "words": {"direction": "left"}, "rewrite": "c on the left", "source": "model"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no lines"),
        (GOOD + "{", "line 2 is not JSON"),
        (GOOD.replace("model", "me"), "line 1: source is 'me', not model or template"),
        (GOOD.replace('"left"', '"north"'), "line 1: direction has no word 'north'"),
        (GOOD.replace('"direction"', '"size"'), "line 1: no attribute 'size'"),
        ('{"id": "a", "caption": "c", "words": {"direction": "left"}, "template": "t"}', "line 1: rewrite is null"),
    ],
)
def test_a_wrong_file_is_named_with_what_to_do(cached, corpus, banks, tokenizer, tmp_path, content, message):
    (tmp_path / "file.jsonl").write_text(content)
    with pytest.raises(DataError, match=message) as fault:
        captions_of(cached, corpus, banks, tokenizer, tmp_path / "file.jsonl")
    assert "captions.rewrites" in fault.value.message and "elsa data rewrite" in fault.value.remedy


def test_what_was_drawn_is_told_once_and_a_file_of_another_experiment_too(cached, corpus, banks, tokenizer, tmp_path, caplog):
    _, data = captions_of(cached, corpus, banks, tokenizer, write_rows(tmp_path / "file", [json.loads(GOOD)]))
    with caplog.at_level(logging.INFO):
        told = report_captions(data.cfg, data)
    assert told == {"captions_drawn": data.captions_drawn} and "rewrite" not in told["captions_drawn"]
    assert f"{data.captions_drawn['template']} template" in caplog.text and "made for this experiment" in caplog.text
    assert report_captions(cached, data) == {}


def test_ids_of_tasks_do_not_depend_on_how_a_caption_is_capitalised():
    words = SpatialWords(direction="left")
    assert task_id("A dog barks.", words) == task_id("a dog barks", words) != task_id("a dog barks", SpatialWords(direction="right"))
    assert plain_caption("a dog barks") == plain_caption("A dog barks.")
