"""Clips that several tests look at, drawn once."""

from __future__ import annotations

import pytest

from elsa_lightning import foley


@pytest.fixture(scope="session")
def clips() -> dict[str, list[foley.FoleyClip]]:
    """Three training clips of each class at 16 kHz."""
    return {label: [foley.draw(0, i, "train", label) for i in range(3)] for label in foley.CLASSES}
