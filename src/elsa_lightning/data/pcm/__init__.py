"""Prepared sounds in memory-mapped shards (decoded, resampled, edge silence stripped), so that epochs decode nothing. Imports no torch."""

from __future__ import annotations

from elsa_lightning.data.pcm.build import build_cache
from elsa_lightning.data.pcm.cache import PcmCache
from elsa_lightning.data.pcm.layout import Recipe
from elsa_lightning.data.pcm.sounds import sounds_of

__all__ = ["PcmCache", "Recipe", "build_cache", "sounds_of"]
