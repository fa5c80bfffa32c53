"""Where an experiment's sounds come from: the corpus' files, or its PCM cache."""

from __future__ import annotations

import numpy as np

from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.pcm.cache import PcmCache
from elsa_lightning.data.pcm.layout import Recipe, is_cached
from elsa_lightning.data.readers import Corpus
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import Experiment


class CachedSounds:
    """A corpus' sounds from a cache; in float32 the same bits as from the files, less their edge silence. What is in no cache
    (`is_cached`) comes from its file.

    Args:
        corpus: of files.
        cache: of these files.
    """

    def __init__(self, corpus: Corpus, cache: PcmCache) -> None:
        self.corpus, self.root, self.cache = corpus, corpus.root, cache

    def load(self, record: ClipRecord, sample_rate: int) -> np.ndarray:
        """A clip's sound, as the corpus gives it.

        Raises:
            DataError: see `PcmCache.load`.
        """
        if not is_cached(record):
            return self.corpus.load(record, sample_rate)
        return self.cache.load(record.audio, self.root / record.audio)


def sounds_of(cfg: Experiment, corpus: Corpus) -> Corpus | CachedSounds:
    """What loads an experiment's sounds: `data.pcm_cache` if it is set, else the corpus.

    Raises:
        ConfigError: a cache for a corpus without files.
        DataError: the cache is not complete, or of another rate, level of silence, precision or resampler.
    """
    if not cfg.data.pcm_cache:
        return corpus
    if getattr(corpus, "root", None) is None:
        raise ConfigError(f"data.pcm_cache: the corpus '{corpus.name}' is synthesised", "leave data.pcm_cache empty")
    return CachedSounds(corpus, PcmCache(cfg.data.pcm_cache, Recipe.of(cfg.audio, cfg.data.pcm_precision)))
