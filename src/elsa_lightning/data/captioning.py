"""Captions of a batch, once its rooms' labels are known (in the main process: about 0.1 ms each)."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from elsa_lightning.captions import evaluation_captions, plain_caption
from elsa_lightning.captions.attributes import SpatialWords, words_of_all
from elsa_lightning.captions.rewritten import Rewrites, read_rewrites
from elsa_lightning.captions.templates import Drawn, draw_caption, no_rewrites
from elsa_lightning.captions.what_where import codes_heard, codes_said, what_caption, where_caption
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.pairing import rng_for_captions
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import rng_of

Tokenizer = Callable[[list[str]], dict[str, Tensor]]


class Captioner:
    """Fills in `captions`, `caption_sets` and `tokens`.

    Training draws one of the clip's captions and, for `captions.spatial_share` of the spatial examples, a sentence form with some of the
    words, by the example's key; where `captions.rewrites` holds rewrites of that caption with those words, one of these. Evaluation says
    every word in `captions.per_clip` forms, the same for any training seed. Words come from the labels that are known. A recording's own
    spatial captions take the place of sentence forms, but not where yaw or mirror turned it. With `model.what_where` each training example
    also gets the texts of these spaces: the same caption of the clip without spatial words, and a text of the words alone.

    Args:
        cfg: the experiment.
        tokenizer: captions → tensors `(B, L)`.
        train_tokenizer: the same for training captions, such as `TextStates`; None: `tokenizer`.

    Attributes:
        drawn: how many training captions of each kind (`plain`, `template`, `rewrite`, `own` of a recording) were written so far.
    """

    def __init__(self, cfg: Experiment, tokenizer: Tokenizer, train_tokenizer: Tokenizer | None = None) -> None:
        self.cfg, self.tokenizer, self.train_tokenizer = cfg, tokenizer, train_tokenizer or tokenizer
        self.drawn: Counter[str] = Counter()

    @functools.cached_property
    def rewrites(self) -> Rewrites | None:
        """Those of `captions.rewrites`, read when the first training caption is drawn.

        Raises:
            DataError: the file is missing, is no such file, or a line of it is faulty.
        """
        path = self.cfg.captions.rewrites
        if not path:
            return None
        found = read_rewrites(path)
        logging.getLogger(__name__).info("%s", found)
        return found

    def __call__(self, batch: AudioTextBatch) -> AudioTextBatch:
        """The batch with its captions; `spatial` must be in place, turned as the sound is."""
        self.write(batch)
        tokenizer = self.train_tokenizer if batch.split == "train" else self.tokenizer
        batch.tokens = _tensors(tokenizer(batch.captions))
        batch.text_tokens = {space: _tensors(tokenizer(texts)) for space, texts in batch.texts.items()}
        return batch

    def write(self, batch: AudioTextBatch) -> None:
        """The captions alone."""
        said = words_heard(batch)
        if batch.split == "train":
            written = [self.training(*each) for each in zip(batch.records, batch.key.tolist(), said, as_recorded(batch), strict=True)]
            batch.captions = [caption for caption, _ in written]
            batch.plain = torch.tensor([plain for _, plain in written])
            if self.cfg.model.what_where.width:
                self._write_apart(batch, said)
        else:
            batch.caption_sets = [self.evaluation(*each) for each in zip(batch.records, batch.version.tolist(), said, strict=True)]
            batch.captions = [captions[0] for captions in batch.caption_sets]

    def _write_apart(self, batch: AudioTextBatch, heard: list[SpatialWords]) -> None:
        """What is heard and where, each as a text of its own."""
        keys, labels = batch.key.tolist(), {name: values.tolist() for name, values in batch.spatial.items()}
        places = [self.place(key, words) for key, words in zip(keys, heard, strict=True)]
        what = [what_caption(_chosen(*each)) for each in zip(batch.records, keys, strict=True)]
        batch.texts = {"what": what, "where": [text for text, _ in places]}
        batch.said = torch.tensor([codes_said(words) for _, words in places])
        rows = [{name: values[row] for name, values in labels.items()} for row in range(len(batch))]
        batch.heard = torch.tensor([codes_heard(words, row) for words, row in zip(heard, rows, strict=True)])

    def place(self, key: int, words: SpatialWords) -> tuple[str, SpatialWords]:
        """A text of a training example's place and the words it says, a function of the key; `captions.word_keep` applies."""
        return where_caption(words, rng_of("place", key), self.cfg.captions.word_keep)

    def training(self, record: ClipRecord, key: int, words: SpatialWords, as_was: bool = False) -> tuple[str, bool]:
        """One caption, a function of the key, and whether it is without spatial words; `as_was`: the recording's place is the original."""
        caption, drawn = self._draw(record, key, words, as_was, self.rewrites)
        self.drawn[drawn.kind] += 1
        return drawn.text, drawn.text == plain_caption(caption)

    def templates(self, batch: AudioTextBatch) -> Iterator[tuple[str, Drawn]]:
        """Of each training caption with words: the clip's caption that it is made from, and the template that says both."""
        for each in zip(batch.records, batch.key.tolist(), words_heard(batch), as_recorded(batch), strict=True):
            caption, drawn = self._draw(*each, None)
            if drawn.kind == "template":
                yield caption, drawn

    def _draw(self, record: ClipRecord, key: int, words: SpatialWords, as_was: bool, rewrites: Rewrites | None) -> tuple[str, Drawn]:
        rng = rng_of("caption", key)
        which, share = rng.random(2)
        caption = _one_of(record.captions, which)
        if share >= self.cfg.captions.spatial_share:
            return caption, Drawn(plain_caption(caption), SpatialWords(), "plain")
        if as_was and record.spatial_captions:
            own = _one_of(record.spatial_captions, which)
            return caption, Drawn(plain_caption(own), words, "own")
        return caption, draw_caption(caption, words, rng, self.cfg.captions.word_keep, rewrites or no_rewrites)

    def evaluation(self, record: ClipRecord, version: int, words: SpatialWords) -> list[str]:
        """`captions.per_clip` captions with every word; the record's own spatial ones first."""
        count, rng = self.cfg.captions.per_clip, rng_for_captions(self.cfg, record.split, version, record.clip_id)
        own = [plain_caption(caption) for caption in record.spatial_captions[:count]]
        return (own + evaluation_captions(record, words, count, rng))[:count]


def _tensors(tokens: dict) -> dict[str, Tensor]:
    return {name: torch.as_tensor(values) for name, values in tokens.items()}


def _one_of(captions: Sequence[str], which: float) -> str:
    """The caption at `which` in [0, 1)."""
    return captions[int(which * len(captions))]


def _chosen(record: ClipRecord, key: int) -> str:
    """The clip's own caption that a training example's is made from."""
    return _one_of(record.captions, rng_of("caption", key).random())


def words_heard(batch: AudioTextBatch) -> list[SpatialWords]:
    """The words of each example, none where it is not spatial."""
    words = words_of_all({name: values.cpu().numpy() for name, values in batch.spatial.items()})
    return [word if heard else SpatialWords() for word, heard in zip(words, batch.is_spatial.tolist(), strict=True)]


def as_recorded(batch: AudioTextBatch) -> list[bool]:
    """Of each example, whether it is spatial and neither yaw nor mirror turned it."""
    return (batch.is_spatial if batch.yaw is None else batch.is_spatial & (batch.yaw == 0) & ~batch.mirror).tolist()
