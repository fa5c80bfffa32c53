"""ELSA: one embedding space for text and first-order ambisonic audio (arXiv 2409.11369). Importing this package imports no torch."""

from elsa_lightning import torchaudio_loading
from elsa_lightning.version import __version__

__all__ = ["__version__"]

torchaudio_loading.install()
