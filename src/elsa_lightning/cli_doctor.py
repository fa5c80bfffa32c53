"""`elsa data doctor`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(group: Any) -> None:
    """Add the command to those of `elsa data`."""
    doctor = group.add_parser(
        "doctor",
        help="which channel order, normalisation, axes and microphone mounting explain labelled FOA recordings",
        description="Compares the intensity direction of first-order recordings with their labels under every convention. "
        "Exit code: 0 if the declared convention fits and none fits clearly better; 1 if another does, if none fits, or if there are too "
        "few stretches to tell; 2 for bad input.",
    )
    doctor.add_argument(
        "labels", type=Path, help="CSV: audio, azimuth_deg, elevation_deg and, for parts of files, start_s, end_s; or a manifest"
    )
    doctor.add_argument("--root", type=Path, help="folder of the audio files (default: the table's)")
    doctor.add_argument("--order", choices=("acn", "fuma"), default="acn", help="declared channel order (default: acn, W Y Z X)")
    doctor.add_argument("--normalisation", choices=("sn3d", "n3d", "fuma"), default="sn3d", help="declared (default: sn3d)")
    doctor.add_argument("--azimuth", choices=("ccw", "cw"), default="ccw", help="declared sense (default: ccw, +90 is left)")
    doctor.add_argument("--upside-down", action="store_true", help="declare that the microphone hung by its foot")
    doctor.add_argument("--yaw", type=float, default=0.0, metavar="DEG", help="declared azimuth of its front, left positive (default: 0)")
    doctor.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    doctor.add_argument("--max-clips", type=int, default=200, metavar="N", help="rows to listen to, drawn from the table (default: 200)")
    doctor.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from elsa_lightning.atomic import write_json
    from elsa_lightning.data.doctor.conventions import Convention
    from elsa_lightning.data.doctor.diagnosis import Stretch
    from elsa_lightning.data.doctor.examine import examine
    from elsa_lightning.data.doctor.labels import read_labels, read_stretch
    from elsa_lightning.data.doctor.report import as_dict, lines
    from elsa_lightning.errors import ConfigError, DataError
    from elsa_lightning.seeding import rng_of

    if arguments.max_clips < 1:
        raise ConfigError(f"--max-clips {arguments.max_clips}", "give a number above 0")
    if arguments.json and not arguments.json.parent.is_dir():
        raise DataError(f"folder {arguments.json.parent} does not exist", "create it, or choose another for --json")
    declared = Convention(arguments.order, arguments.normalisation, arguments.azimuth, arguments.upside_down, arguments.yaw)
    rows = read_labels(arguments.labels, arguments.root)
    count = len(rows)
    if count > arguments.max_clips:
        drawn = rng_of("foa-doctor", count, arguments.max_clips).choice(count, arguments.max_clips, replace=False)
        rows = [rows[index] for index in sorted(drawn)]
    stretches = (Stretch(row.name, *read_stretch(row), row.azimuth, row.elevation) for row in rows)
    diagnosis = examine(stretches, declared)
    print(f"{arguments.labels}: {len(rows)} of {count} rows")
    print("\n".join(lines(diagnosis)))
    if arguments.json:
        write_json(arguments.json, {"labels": str(arguments.labels), "rows": count, "rows_looked_at": len(rows)} | as_dict(diagnosis))
    return 0 if diagnosis.verdict == "fits" else 1
