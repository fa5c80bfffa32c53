"""Recorded first-order corpora with labels of direction → single-source segments. Imports no torch.

One module a corpus, each with `recordings(root, options, faults)`; `read_corpus` cuts their segments by one rule.
"""

from __future__ import annotations

import pathlib
from dataclasses import replace

from elsa_lightning.data.recorded import folder, spatial_librispeech, starss, tau_nigens, tut2018
from elsa_lightning.data.recorded.reading import read
from elsa_lightning.data.recorded.segments import (
    NORMALISATIONS,
    ORDERS,
    FoaSegment,
    read_segments,
    write_doctor_csv,
    write_segments,
    write_text,
)
from elsa_lightning.data.recorded.single_source import Piece, Rule, Tally, single_source
from elsa_lightning.data.recorded.types import Facts, Faults, LeftOut, Options, Reading, Recording
from elsa_lightning.errors import ConfigError, DataError

__all__ = [
    "CORPORA",
    "Facts",
    "FoaSegment",
    "LeftOut",
    "Options",
    "Piece",
    "Reading",
    "Recording",
    "Rule",
    "Tally",
    "read_corpus",
    "read_segments",
    "single_source",
    "write_doctor_csv",
    "write_segments",
    "write_text",
]

CORPORA = {module.FACTS.name: module for module in (tut2018, tau_nigens, starss, spatial_librispeech, folder)}
"""Name on the command line → module."""

OWN_OPTIONS = {"labels": "folder", "clockwise": "folder", "lite": "spatial-librispeech"}
"""Option → the one corpus that knows it."""


def read_corpus(name: str, root: str | pathlib.Path, options: Options | None = None) -> Reading:
    """The single-source segments of a corpus.

    Args:
        name: one of `CORPORA`.
        root: its folder.
        options: see `Options`; the defaults if None.

    Raises:
        ConfigError: an unknown corpus, an option of another corpus, or an unknown layout.
        DataError: the folder or a part of its layout is missing, nothing in it can be used, or (in strict mode) some file cannot.
    """
    options = options or Options()
    if name not in CORPORA:
        raise ConfigError(f"there is no reader for '{name}'", f"choose {', '.join(CORPORA)}")
    for option, owner in OWN_OPTIONS.items():
        if getattr(options, option) and name != owner:
            raise ConfigError(f"--{option} is an option of {owner}, not of {name}", f"leave --{option} out")
    for option, known in (("order", ORDERS), ("normalisation", NORMALISATIONS)):
        if getattr(options, option) not in ("", *known):
            raise ConfigError(f"--{option} {getattr(options, option)}", f"choose {', '.join(known)}")
    root = pathlib.Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is no folder", "--root must be the corpus' folder")
    faults = Faults(options.strict)
    facts, recordings = CORPORA[name].recordings(root, options, faults)
    facts = replace(facts, order=options.order or facts.order, normalisation=options.normalisation or facts.normalisation)
    return read(root, facts, recordings, faults, options)
