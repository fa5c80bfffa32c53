"""Captions of a batch, once its rooms' labels are known (in the main process: about 0.1 ms each)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from elsa_lightning.captions import evaluation_captions, plain_caption, spatial_caption
from elsa_lightning.captions.attributes import SpatialWords, words_of_all
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.pairing import rng_for_captions
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import rng_of

Tokenizer = Callable[[list[str]], dict[str, Tensor]]


class Captioner:
    """Fills in `captions`, `caption_sets` and `tokens`.

    Training draws one of the clip's captions and, for `captions.spatial_share` of the spatial examples, a sentence form with some of the
    words, by the example's key. Evaluation says every word in `captions.per_clip` forms, the same for any training seed.

    Args:
        cfg: the experiment.
        tokenizer: captions → tensors `(B, L)`.
        train_tokenizer: the same for training captions, such as `TextStates`; None: `tokenizer`.
    """

    def __init__(self, cfg: Experiment, tokenizer: Tokenizer, train_tokenizer: Tokenizer | None = None) -> None:
        self.cfg, self.tokenizer, self.train_tokenizer = cfg, tokenizer, train_tokenizer or tokenizer

    def __call__(self, batch: AudioTextBatch) -> AudioTextBatch:
        """The batch with its captions; `spatial` must be in place, turned as the sound is."""
        self.write(batch)
        tokenizer = self.train_tokenizer if batch.split == "train" else self.tokenizer
        batch.tokens = {name: torch.as_tensor(values) for name, values in tokenizer(batch.captions).items()}
        return batch

    def write(self, batch: AudioTextBatch) -> None:
        """The captions alone."""
        words = words_of_all({name: values.cpu().numpy() for name, values in batch.spatial.items()})
        said = [word if heard else SpatialWords() for word, heard in zip(words, batch.is_spatial.tolist(), strict=True)]
        if batch.split == "train":
            written = [self.training(*each) for each in zip(batch.records, batch.key.tolist(), said, strict=True)]
            batch.captions = [caption for caption, _ in written]
            batch.plain = torch.tensor([plain for _, plain in written])
        else:
            batch.caption_sets = [self.evaluation(*each) for each in zip(batch.records, batch.version.tolist(), said, strict=True)]
            batch.captions = [captions[0] for captions in batch.caption_sets]

    def training(self, record: ClipRecord, key: int, words: SpatialWords) -> tuple[str, bool]:
        """One caption, a function of the key, and whether it is without spatial words."""
        rng = rng_of("caption", key)
        which, share = rng.random(2)
        caption = record.captions[int(which * len(record.captions))]
        if share >= self.cfg.captions.spatial_share:
            return plain_caption(caption), True
        written = spatial_caption(caption, words, rng, self.cfg.captions.word_keep)
        return written, written == plain_caption(caption)

    def evaluation(self, record: ClipRecord, version: int, words: SpatialWords) -> list[str]:
        """`captions.per_clip` captions with every word."""
        rng = rng_for_captions(self.cfg, record.split, version, record.clip_id)
        return evaluation_captions(record, words, self.cfg.captions.per_clip, rng)
