"""Stage `data_summary`: clips, hours and captions of each split (the paper's table A1), and of the spatial versions of an epoch."""

from __future__ import annotations

import math

from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.pairing import Pairing
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.table_a1 import sizes_of
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.facts import write_facts

UNKNOWN_HOURS = "no clip says its duration"
NO_CAPTIONS = "no caption is the corpus' own"


def run(stage: Stage) -> dict:
    """`<split>/{clips,hours,examples,spatial_hours,captions,different_captions,labels}`."""
    corpus = open_corpus(stage.cfg.data.corpus)
    metrics, absent = {}, {}
    for split in SPLITS:
        records = corpus.records(split)
        sizes = sizes_of(record.with_captions() for record in records)
        examples = len(Pairing(stage.cfg, records, split, None))
        found = {
            "clips": sizes["clips"],
            "hours": sizes["hours"],
            "examples": examples,
            "example_hours": examples * stage.cfg.audio.clip_s / 3600,
            "captions": sizes["captions"],
            "different_captions": sizes["different_captions"],
            "labels": len([label for label in sizes["labels"] if label]),
        }
        if sizes["unknown_hours"] == sizes["clips"]:
            found["hours"] = math.nan
            absent[f"{split}/hours"] = UNKNOWN_HOURS
        metrics |= {f"{split}/{name}": float(value) for name, value in found.items()}
    return write_facts(stage, metrics, absent)
