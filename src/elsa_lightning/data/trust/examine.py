"""One sound of a corpus, as a worker process sees it. Imports no reader unless a corpus without files is handed over."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.spatial_columns import CHANNELS
from elsa_lightning.data.trust.captions import caption_faults
from elsa_lightning.data.trust.clipping import CLIP_SHARE
from elsa_lightning.data.trust.probe import Found, Sound, probe_file, probe_samples
from elsa_lightning.errors import DataError

if TYPE_CHECKING:
    from elsa_lightning.data.readers.corpus import Corpus

Examined = tuple[Sound, list[tuple[str, list[Found]]]]
"""A sound; and clip_id, faults of its captions, for those of its clips whose captions have any."""


@dataclass(frozen=True)
class Wanted:
    """What a sound file should be like.

    Args:
        channels: of every file whose clips do not state a layout of recordings.
        min_rate: lowest sample rate, Hz; 0: any.
        clip_share: share of flat-topped samples from which on a file is called clipped.
        render_rate: Hz, for a corpus that synthesises its clips.
    """

    channels: int = 1
    min_rate: int = 0
    clip_share: float = CLIP_SHARE
    render_rate: int = 48000


def examine(corpus: Corpus | None, root: pathlib.Path | None, wanted: Wanted, records: list[ClipRecord]) -> Examined:
    """One sound and its clips' captions.

    Args:
        corpus: makes the sound where it is no file; None: all are files.
        root: folder of the files; None: none are.
        wanted: what the sound should be like.
        records: of the clips that have this sound.
    """
    texts = [(record.clip_id, found) for record in records if (found := caption_faults(record.captions))]
    if root is not None and records[0].audio:
        channels = CHANNELS[records[0].layout] if records[0].recorded else wanted.channels
        return probe_file(pathlib.Path(root) / records[0].audio, channels, wanted.clip_share), texts
    try:
        samples = corpus.load(records[0], wanted.render_rate)
    except DataError as fault:
        return Sound(found=(("unreadable", fault.message),)), texts
    return probe_samples(samples, wanted.render_rate, wanted.clip_share), texts


def died(records: list[ClipRecord]) -> Examined:
    """What is said of a sound whose decoding ended its process."""
    return Sound(found=(("unreadable", "decoding it killed the process"),)), []
