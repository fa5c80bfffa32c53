"""Readers: one per layout of a corpus, all with the same interface. Imports no torch."""

from __future__ import annotations

from elsa_lightning.data.readers.corpus import Corpus, corpus_summary
from elsa_lightning.data.readers.esc50 import Esc50Corpus
from elsa_lightning.data.readers.foley import FoleyCorpus
from elsa_lightning.data.readers.manifest import ManifestCorpus
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import Esc50Config, FoleyConfig, ManifestConfig

__all__ = ["Corpus", "Esc50Corpus", "FoleyCorpus", "ManifestCorpus", "corpus_summary", "open_corpus"]

READERS = {FoleyConfig: FoleyCorpus, Esc50Config: Esc50Corpus, ManifestConfig: ManifestCorpus}
"""Config's dataclass → reader."""


def open_corpus(cfg: FoleyConfig | Esc50Config | ManifestConfig) -> Corpus:
    """The corpus that a config describes.

    Raises:
        ConfigError: an unknown kind of corpus, or one without its folder.
        DataError: its table is missing or faulty.
    """
    if type(cfg) not in READERS:
        raise ConfigError(f"data.corpus: no reader for {type(cfg).__name__}", "choose foley, esc50 or manifest")
    return READERS[type(cfg)](cfg)
