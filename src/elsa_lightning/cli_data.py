"""Looking at corpora and putting single sounds into rooms; the larger commands of `elsa data` have modules of their own."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from elsa_lightning import cli_cache, cli_doctor, cli_download, cli_prepare, cli_recorded, cli_render, cli_rewrite, cli_trust
from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load


def add(commands: Any) -> None:
    """Add the commands."""
    group = commands.add_parser("data", help="look at a corpus").add_subparsers(required=True, metavar="COMMAND")
    summary = group.add_parser(
        "summary",
        help="samples, hours and captions of each split (the paper's table A1), and its classes",
        description="Samples, hours and captions (plain and spatial) of each split: the paper's table A1, of a manifest or of an "
        "experiment's corpus. The paper's figures stand beside where it is one of its corpora; a dagger marks unconfirmed ones.",
    )
    what = f"a manifest (.jsonl, .parquet), or an experiment's YAML file (default: {DEFAULT_EXPERIMENT})"
    summary.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, metavar="MANIFEST_OR_EXPERIMENT", help=what)
    add_overrides(summary)
    of = "the paper's corpus to show beside (default: the one that the corpus' name holds)"
    summary.add_argument("--paper", choices=("audiocaps", "clotho", "freesound", "all"), help=of)
    summary.add_argument("--hash", action="store_true", help="with the content hash, for which every audio file is opened")
    summary.add_argument("--json", metavar="FILE", help="write it as JSON too (-: to standard output, instead of the text)")
    summary.set_defaults(command=_summary)
    for module in (cli_download, cli_prepare, cli_cache, cli_recorded, cli_trust, cli_doctor, cli_rewrite, cli_render):
        module.add(group)
    foley = group.add_parser("foley", help="write clips of the embedded synthetic corpus as WAV files, with captions.jsonl")
    foley.add_argument("folder", type=Path, help="where to")
    foley.add_argument("--clips", type=int, default=100, help="number of clips (default: 100)")
    foley.add_argument("--split", choices=("train", "val", "test"), default="train")
    foley.add_argument("--seed", type=int, default=0)
    foley.add_argument("--rate", type=int, default=16000, help="sample rate, Hz (default: 16000)")
    foley.set_defaults(command=_foley)
    _add_spatialize(commands)


def _add_spatialize(commands: Any) -> None:
    spatialize = commands.add_parser("spatialize", help="place a mono sound in a simulated room: first-order ambisonics out")
    spatialize.add_argument("input", type=Path, help="mono audio file")
    spatialize.add_argument("output", type=Path, help="WAV file, 4 channels, ACN order W Y Z X, SN3D, float")
    spatialize.add_argument("--azimuth", type=float, default=0.0, metavar="DEG", help="counter-clockwise: 90 is left (default: 0, front)")
    spatialize.add_argument("--elevation", type=float, default=0.0, metavar="DEG", help="upwards (default: 0)")
    spatialize.add_argument("--distance", type=float, default=1.5, metavar="M", help="from the listener (default: 1.5)")
    for name, unit in (("azimuth", "DEG"), ("elevation", "DEG"), ("distance", "M")):
        moved = "end there: the source moves evenly while it sounds (default: it stays)"
        spatialize.add_argument(f"--to-{name}", type=float, default=None, metavar=unit, help=moved)
    spatialize.add_argument("--room", type=_room, default=(6.0, 5.0, 3.0), metavar="LxWxH", help="size in metres (default: 6x5x3)")
    spatialize.add_argument(
        "--t30",
        type=float,
        default=0.4,
        metavar="S",
        help="reverberation time of the rendered room (default: 0.4); the measured one is printed",
    )
    spatialize.add_argument("--seed", type=int, default=0, help="of the late field and of the place in the room")
    spatialize.add_argument("--rate", type=int, default=None, help="sample rate of the output, Hz (default: the input's)")
    spatialize.add_argument("--binaural", type=Path, metavar="WAV", help="write a stereo preview for headphones too (extra: binaural)")
    spatialize.set_defaults(command=_spatialize)


def _room(text: str) -> tuple[float, ...]:
    try:
        size = tuple(float(word) for word in text.lower().replace("×", "x").split("x"))
    except ValueError:
        size = ()
    if len(size) != 3 or not all(0 < side < 1000 for side in size):
        raise argparse.ArgumentTypeError(f"{text!r} is not LENGTHxWIDTHxHEIGHT in metres, such as 6x5x3")
    return size


def _open(arguments: argparse.Namespace) -> Any:
    from elsa_lightning.data.readers import open_corpus
    from elsa_lightning.schema import ManifestConfig

    if Path(arguments.experiment).suffix.lower() in (".jsonl", ".parquet"):
        return open_corpus(ManifestConfig(path=arguments.experiment))
    return open_corpus(load(arguments).experiment.data.corpus)


def _summary(arguments: argparse.Namespace) -> None:
    from elsa_lightning.data.readers import corpus_summary
    from elsa_lightning.data.table_a1 import paper_figures, paper_name, table_text
    from elsa_lightning.data.trust.report import json_place, write_report

    place = json_place(Path(arguments.json)) if arguments.json not in (None, "-") else None
    found = corpus_summary(_open(arguments), arguments.hash)
    name = paper_name(found["name"], arguments.paper)
    found["paper"] = paper_figures(name)
    if arguments.json == "-":
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    write_report(place, found)
    kind = "synthetic sounds, not recordings" if found["synthetic"] else "recordings"
    content = f", content {found['content_hash']}" if arguments.hash else ""
    print(f"{found['name']}: {kind}, {len(found['labels'])} classes, licence {found['licence']}{content}")
    print("\n".join(table_text(found["splits"], name)))
    for split, sizes in found["splits"].items():
        labels = [f"{label} {count}" for label, count in sizes["labels"].items() if label]
        if labels:
            print(f"{split:6s} " + ", ".join(labels))


def _foley(arguments: argparse.Namespace) -> None:
    from elsa_lightning.foley.export import export

    print(export(arguments.folder, arguments.clips, seed=arguments.seed, split=arguments.split, sample_rate=arguments.rate))


def _spatialize(arguments: argparse.Namespace) -> None:
    from elsa_lightning.spatialize_file import spatialize, summary

    names = ("input", "output", "azimuth", "elevation", "distance", "room", "t30", "seed", "rate")
    to = (arguments.to_azimuth, arguments.to_elevation, arguments.to_distance)
    facts = spatialize(**{name: getattr(arguments, name) for name in names}, to=to, preview=arguments.binaural)
    print(summary(arguments.output, facts))
