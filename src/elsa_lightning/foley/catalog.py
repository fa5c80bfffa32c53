"""All sound classes, in a fixed order: the index of a class is its label in training."""

from __future__ import annotations

from elsa_lightning.foley import alarms, animals, birds, household, music, people, tools, transport, water, weather
from elsa_lightning.foley.sound import Sound

_MODULES = (weather, water, household, tools, transport, alarms, animals, birds, people, music)

SOUNDS: dict[str, Sound] = {sound.label: sound for module in _MODULES for sound in module.SOUNDS}
"""Label → sound class."""

CLASSES: tuple[str, ...] = tuple(SOUNDS)
"""Labels, in their fixed order."""
