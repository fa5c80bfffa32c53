"""ELSA: one embedding space for text and first-order ambisonic audio (arXiv 2409.11369). Importing this package imports no torch.

`from elsa_lightning import Elsa, Audio` is what users call (docs/api.md); torch is imported when `Elsa` is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elsa_lightning import torchaudio_loading
from elsa_lightning.version import __version__

if TYPE_CHECKING:
    from elsa_lightning.api.audio import Audio
    from elsa_lightning.api.elsa import Elsa

__all__ = ["Audio", "Elsa", "__version__"]

_HOMES = {"Elsa": "elsa_lightning.api.elsa", "Audio": "elsa_lightning.api.audio"}

torchaudio_loading.install()


def __getattr__(name: str) -> Any:
    """`Elsa` and `Audio`, imported when they are first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'elsa_lightning' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
