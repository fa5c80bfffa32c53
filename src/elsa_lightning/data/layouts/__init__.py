"""Layouts of published corpora of single-channel clips: tables and audio on disk → the clips they promise.

A layout's module states the corpus' files and columns and where that is known from; `data.prepare` turns its listing into a manifest. A new
corpus is a module with a function `Tree → Listing` and a line below. Imports neither torch nor numpy.
"""

from __future__ import annotations

from elsa_lightning.data.layouts.audiocaps import AUDIOCAPS, AUDIOCAPS2
from elsa_lightning.data.layouts.clotho import CLOTHO
from elsa_lightning.data.layouts.esc50 import ESC50
from elsa_lightning.data.layouts.freesound import FREESOUND
from elsa_lightning.data.layouts.fsd50k import FSD50K
from elsa_lightning.data.layouts.listing import Entry, Fault, Layout, Listing
from elsa_lightning.data.layouts.tree import Tree
from elsa_lightning.data.layouts.urbansound8k import URBANSOUND8K
from elsa_lightning.data.layouts.wavcaps import WAVCAPS
from elsa_lightning.errors import ConfigError

__all__ = ["LAYOUTS", "Entry", "Fault", "Layout", "Listing", "Tree", "layout_of"]

LAYOUTS = {layout.name: layout for layout in (AUDIOCAPS, AUDIOCAPS2, CLOTHO, FREESOUND, WAVCAPS, FSD50K, ESC50, URBANSOUND8K)}
"""Name → layout."""


def layout_of(name: str) -> Layout:
    """A layout by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"no layout is called '{name}'", f"choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
