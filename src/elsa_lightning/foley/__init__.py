"""foley: a synthetic corpus of everyday sounds, drawn from parameters and captioned. NumPy and SciPy only; nothing to download."""

from elsa_lightning.foley.catalog import CLASSES
from elsa_lightning.foley.clip import FoleyClip, draw
from elsa_lightning.foley.export import export

__all__ = ["CLASSES", "FoleyClip", "draw", "export"]
