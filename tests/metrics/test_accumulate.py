"""Accumulating wrappers: many updates equal one, and two gloo processes with a padded sampler equal one process."""

import pytest
import torch
from torch.nn.functional import normalize

from elsa_lightning.errors import DataError, RunError
from elsa_lightning.metrics import caption_groups, localization_metrics, retrieval_metrics, zero_shot
from elsa_lightning.metrics.accumulate import LocalizationMetric, RetrievalMetric, ZeroShotMetric
from ranks import run_ranks

CLIPS, PER_CLIP, WIDTH = 9, 3, 8
WORDS = ["rain", "a dog", "A dog.", "bells", "steps", "wind"]


def data():
    draw = torch.Generator().manual_seed(0)
    audio = normalize(torch.randn(CLIPS, WIDTH, generator=draw), dim=1)
    text = normalize(audio.repeat_interleave(PER_CLIP, dim=0) + torch.randn(CLIPS * PER_CLIP, WIDTH, generator=draw), dim=1)
    prompts, labels = torch.randn(4, WIDTH, generator=draw), torch.randint(-1, 4, (CLIPS,), generator=draw)
    directions, distances = torch.randn(2, CLIPS, 3, generator=draw), torch.rand(2, CLIPS, generator=draw)
    return audio, text, prompts, labels, directions, distances


def key(i):
    return 10_000_000_019 - 7 * i  # big, descending: keys are no row numbers


def captions_of(i):
    return [f"{WORDS[(i + j) % len(WORDS)]}" for j in range(PER_CLIP)]


def filled(batches, expected=None):
    """The three metrics after these batches of clip numbers."""
    audio, text, prompts, labels, directions, distances = data()
    retrieval, zero, places = RetrievalMetric(expected), ZeroShotMetric(expected), LocalizationMetric(expected)
    for batch in batches:
        rows = [i * PER_CLIP + j for i in batch for j in range(PER_CLIP)]
        keys = torch.tensor([key(i) for i in batch])
        captions = [caption for i in batch for caption in captions_of(i)]
        retrieval.update(audio[batch], text[rows], keys, captions, keys.repeat_interleave(PER_CLIP))
        zero.update(audio[batch], prompts, labels[batch], keys)
        places.update(directions[0, batch], directions[1, batch], keys, distances[0, batch], distances[1, batch])
    return retrieval, zero, places


def direct():
    audio, text, prompts, labels, directions, distances = data()
    group = caption_groups([caption for i in range(CLIPS) for caption in captions_of(i)])
    return [
        retrieval_metrics(audio, text, torch.arange(CLIPS).repeat_interleave(PER_CLIP), group),
        zero_shot(audio, prompts, labels),
        localization_metrics(*directions, *distances),
    ]


def assert_same(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        ours, theirs = dict(ours), dict(theirs)
        if "confusion" in ours:
            torch.testing.assert_close(ours.pop("confusion"), theirs.pop("confusion"))
        assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(
    "batches",
    [[list(range(CLIPS))], [[i] for i in range(CLIPS)], [[5, 2, 8, 0], [7, 1, 3], [6, 4]], [[0, 1, 2, 3, 4], [4, 5, 6, 7], [8, 0, 1, 2]]],
    ids=["one batch", "one by one", "shuffled", "repeated"],
)
def test_batches_their_order_and_repeated_items_do_not_matter(batches):
    assert_same([metric.compute() for metric in filled(batches, expected=CLIPS)], direct())


def on_a_rank(rank, world):
    half = {0: [[8, 6, 4], [2, 0]], 1: [[7, 5], [3, 1, 8], [0]]}  # 8 and 0 twice: a padded sampler; unequal numbers of batches
    alone = [[], [list(range(CLIPS))]]  # the first rank gets no data at all
    results = {name: [m.compute() for m in filled(batches[rank], CLIPS)] for name, batches in (("padded", half), ("one rank", alone))}
    metrics = filled(half[rank], CLIPS)
    before = metrics[2].compute()
    metrics[2].reset()
    return results | {"reset": {"before": before["n"], "after": metrics[2].update_count}}


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_two_processes_equal_one(tmp_path):
    for result in run_ranks(__file__, "on_a_rank", 2, tmp_path):
        assert_same(result["padded"], direct())
        assert_same(result["one rank"], direct())
        assert result["reset"] == {"before": CLIPS, "after": 0}


def test_a_lost_item_is_noticed():
    for metric in filled([[0, 1, 2], [3, 4, 5], [6, 7]], expected=CLIPS):
        with pytest.raises(RunError, match=f"saw 8 items instead of {CLIPS}"):
            metric.compute()


def test_reset_forgets():
    for metric, wanted in zip(filled([[0, 1], [2, 3]]), filled([[4, 5, 6]]), strict=True):
        metric.reset()
        for name in metric.columns:
            getattr(metric, name).extend(getattr(wanted, name))
        metric._update_count = 1
        assert_same([metric.compute()], [wanted.compute()])


def test_one_key_for_two_clips_is_noticed():
    audio, text, prompts, labels, directions, _ = data()
    same = torch.tensor([3, 3])
    retrieval, zero, places = RetrievalMetric(), ZeroShotMetric(), LocalizationMetric()
    retrieval.update(audio[:2], text[:2], same)
    zero.update(audio[:2], prompts, labels[:2], same)
    places.update(*directions[:, :2], same)
    for metric in (retrieval, zero, places):
        with pytest.raises(DataError, match="occurs twice with different values"):
            metric.compute()


def test_a_repeat_may_differ_by_half_precision():
    audio, text, *_ = data()
    metric, keys = RetrievalMetric(CLIPS), torch.arange(CLIPS)
    metric.update(audio, text[::PER_CLIP], keys)
    metric.update(audio[:2].bfloat16(), text[::PER_CLIP][:2].bfloat16(), keys[:2])
    assert metric.compute() == pytest.approx(retrieval_metrics(audio, text[::PER_CLIP], keys), abs=1e-6)


def test_captions_may_come_apart_from_clips_and_must_belong_to_one():
    audio, text, *_ = data()
    keys = torch.arange(CLIPS)
    metric, none = RetrievalMetric(), torch.empty(0, WIDTH)
    metric.update(none, text, keys[:0], text_key=keys.repeat_interleave(PER_CLIP), text_id=torch.arange(len(text)))
    metric.update(audio, none, keys, text_key=keys[:0])
    assert metric.compute() == pytest.approx(retrieval_metrics(audio, text, keys.repeat_interleave(PER_CLIP)), rel=1e-6)
    metric.update(none, text[:1], keys[:0], text_key=torch.tensor([77]))
    with pytest.raises(DataError, match=r"1 captions belong to clips without an embedding .first key: 77"):
        metric.compute()


def test_distances_come_always_or_never():
    metric, v = LocalizationMetric(), torch.randn(4, 3)
    metric.update(v[:2], v[:2], torch.arange(2), torch.ones(2), torch.ones(2))
    metric.update(v[2:], v[2:], torch.arange(2, 4))
    with pytest.raises(ValueError, match="4 directions but 2 distances"):
        metric.compute()


def test_diverged_embeddings_are_an_error():
    metric, audio = RetrievalMetric(), torch.full((3, 4), float("nan"))
    metric.update(audio, audio, torch.arange(3))
    with pytest.raises(DataError, match="3 of 3 rows are not finite"):
        metric.compute()
