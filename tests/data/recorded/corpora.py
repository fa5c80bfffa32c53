"""Every recorded corpus in miniature with training, validation and test recordings, as `elsa data segments` reads it."""

from __future__ import annotations

import json

from . import test_folder, test_spatial_librispeech, test_starss, test_tau_nigens, test_tut2018
from .miniatures import SIX, TO_LAYOUT, in_turn, scene, write

EVENTS = in_turn(SIX)
PLACES = {"REAL": "ov1_split1", "ANSYN": "ov1_split2", "RESYN": "ov1_split3"}


def tut2018(part):
    def make(root):
        for name, convert in (("train_0", None), ("train_1", None), ("test_0", None)):
            test_tut2018.recording(root / part, PLACES[part], f"{name}_desc_30_100", EVENTS, "102305-6-0-0.wav", 2, convert)
        return ["tut2018", "--normalisation", "sn3d"]

    return make


def tau_nigens(year):
    names = ("fold3_room1_mix001_ov1", "fold2_room7_mix003_ov1", "fold1_room1_mix001_ov1")
    names = names if year == 2020 else ("dev-train/fold1_room1_mix001", "dev-val/fold5_room1_mix001", "dev-test/fold6_room1_mix001")

    def make(root):
        for name in names:
            test_tau_nigens.recording(root, name, EVENTS, test_starss.frame_rows(EVENTS, 4, 0), 12)
        return ["tau-nigens"]

    return make


def starss(distance_cm):
    def make(root):
        for i, name in enumerate(("train-sony/fold3_room21_mix001", "train-tau/fold3_room4_mix001", "test-tau/fold4_room2_mix001")):
            rows = test_starss.frame_rows(EVENTS, 1 + i, 0, distance_cm and distance_cm + 50 * i)
            test_starss.recording(root, f"dev-{name}", EVENTS, rows, 12, i)
        return ["starss"]

    return make


def spatial_librispeech(root, monkeypatch):
    for sample, direction in enumerate(SIX):
        write(root / "ambisonics" / f"{sample:06}.flac", scene([(0, 2, *direction)], 2, 16000, sample), 16000)
    columns = test_spatial_librispeech.table(**{"speech/distance": [0.8, 2.5, 1.2, 3.0, 0.9, 1.5]})
    reader = test_spatial_librispeech.spatial_librispeech
    monkeypatch.setattr(reader, "read_table", lambda path, names: {name: columns[name] for name in names})
    return ["spatial-librispeech", "--normalisation", "sn3d"]


def folder(layout):
    order, normalisation = layout.split()

    def make(root):
        for i, split in enumerate(("train", "val", "test")):
            write(root / f"{split}.wav", scene(EVENTS, 12, 48000, i), 48000, TO_LAYOUT[layout], "FLOAT")
        rows = [f"{split}.wav,{az},{el},{start},{end},{split}" for split in ("train", "val", "test") for start, end, az, el in EVENTS]
        test_folder.write_table(root, rows, "audio,azimuth_deg,elevation_deg,start_s,end_s,split")
        return ["folder", "--order", order, "--normalisation", normalisation]

    return make


CORPORA = {
    **{f"tut2018 {part}": tut2018(part) for part in PLACES},
    "tau-nigens 2020": tau_nigens(2020),
    "tau-nigens 2021": tau_nigens(2021),
    "starss22": starss(None),
    "starss23": starss(120),
    "spatial-librispeech": spatial_librispeech,
    **{f"folder {layout}": folder(layout) for layout in TO_LAYOUT},
}
"""Name → makes it below a folder, returns the arguments of `elsa data segments`."""


def lines_of(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]
