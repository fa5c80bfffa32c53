"""`elsa rooms import`: measured impulse responses into banks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load

LAYOUTS = ("acn_sn3d", "acn_n3d", "fuma")
SPLITS = ("rooms", "train", "val", "test")
DESCRIPTION = """
Measured first-order responses become banks of rooms, which training (rooms.measured.share) and tests (rooms.measured.test) mix with
simulated ones or use alone. FOLDER holds WAV or FLAC files with a table responses.csv (file, azimuth_deg, elevation_deg; optional
distance_m, floor_area_m2, volume_m3, room, split, layout; an empty cell is unknown), or SOFA files of rooms (pip install
'elsa-lightning[sofa]'), or both. Rate, length and octaves are the experiment's. OUT gets one bank a split.
"""


def add(group: Any) -> None:
    """Add the command."""
    command = group.add_parser("import", help="measured impulse responses (WAV, FLAC, SOFA) into banks", description=DESCRIPTION)
    command.add_argument("folder", type=Path, help="of the measured responses")
    command.add_argument("out", type=Path, help="folder to create, for rooms.measured.path")
    command.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    command.add_argument(
        "--split",
        choices=SPLITS,
        default="rooms",
        help="rooms: by room, as the table says or by a hash of the room's name (default); or all into one split, such as test",
    )
    command.add_argument(
        "--shares", type=float, nargs=3, default=(0.8, 0.1, 0.1), metavar=("TRAIN", "VAL", "TEST"), help="of rooms split by hash"
    )
    command.add_argument("--layout", choices=LAYOUTS, default="", help="channel order and normalisation of files that do not say theirs")
    command.add_argument("--labels", type=Path, metavar="FILE", help="the table (default: responses.csv in the folder)")
    command.add_argument("--clockwise", action="store_true", help="the table's azimuths run clockwise (+90° is right)")
    command.add_argument(
        "--skip-faulty", action="store_true", help="leave faulty responses out and name them, instead of importing nothing"
    )
    command.add_argument("--any-direction", action="store_true", help="accept stated directions that the direct sounds contradict")
    command.add_argument("--overwrite", action="store_true", help="replace an import that is there")
    add_overrides(command)
    command.set_defaults(command=_import)


def _import(arguments: argparse.Namespace) -> None:
    import sys

    from elsa_lightning.acoustics.measured.importing import Target, check_replaceable_banks, import_folder, save_banks
    from elsa_lightning.acoustics.measured.table import Stated
    from elsa_lightning.atomic import disk_faults
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.rooms_report import bank_lines

    cfg = load(arguments).experiment
    out = arguments.out
    if min(arguments.shares) < 0 or sum(arguments.shares) <= 0:
        raise ConfigError(f"--shares {arguments.shares}", "give three numbers, such as 0.8 0.1 0.1")
    with disk_faults(out):
        check_replaceable_banks(out)
        if out.exists() and any(out.iterdir()) and not arguments.overwrite:
            raise ConfigError(f"there are banks in {out}", "name a new folder, or replace them with --overwrite")
    found = import_folder(
        arguments.folder,
        Target(cfg.audio.sample_rate, cfg.rooms.rir_s, cfg.rooms.bands_hz),
        Stated(arguments.labels, arguments.layout, arguments.clockwise),
        arguments.split,
        arguments.shares,
        arguments.skip_faulty,
        arguments.any_direction,
    )
    with disk_faults(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        save_banks(found.banks, out)
    for fault in found.faults:
        print(f"left out: {fault}", file=sys.stderr)
    for bank in found.banks.values():
        print("\n".join(bank_lines(bank)), end="\n\n")
    left_out = f", {len(found.faults)} left out" if found.faults else ""
    print(f"{sum(map(len, found.banks.values()))} responses imported{left_out}: --set rooms.measured.path={out} rooms.measured.share=0.5")
