"""`elsa index build | query`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning.cli_progress import progress_bar

LEFT_OUT = 1
"""Exit code of a build whose index is whole but lacks recordings that cannot be used."""
LAYOUTS = ("mono", "foa_acn_sn3d", "foa_acn_n3d", "foa_fuma")


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("index", help="search in a folder of recordings by text or sound").add_subparsers(
        required=True, metavar="COMMAND"
    )
    build = group.add_parser(
        "build",
        help="embed every recording of a folder",
        description="Embed every recording below a folder. Stopped at any moment and started again, it goes on where it was; started "
        "again later, it adds what is new or changed and drops what is gone.",
        epilog="Exit code 1: the index is whole, but recordings that cannot be used were left out; they are named.",
    )
    build.add_argument("folder", type=Path, metavar="FOLDER", help="of the recordings, with all folders below it")
    build.add_argument("--model", required=True, metavar="DIR", help="a model's folder (make model), or OWNER/NAME on the hub")
    build.add_argument("--out", type=Path, required=True, metavar="INDEX", help="folder of the index")
    build.add_argument(
        "--layout", choices=LAYOUTS, help="of all files (default: mono of one channel, foa_acn_sn3d of four; stereo is left out)"
    )
    build.add_argument("--json", action="store_true", help="print what was done as JSON")
    build.set_defaults(command=_build)
    query = group.add_parser("query", help="the recordings nearest to a text, or to another recording")
    query.add_argument("index", type=Path, metavar="INDEX")
    query.add_argument("text", nargs="?", metavar="TEXT", help='such as "a dog barking on the left"')
    query.add_argument("--audio", type=Path, metavar="FILE", help="ask with a recording instead")
    query.add_argument("--top", type=int, default=10, metavar="N", help="how many (default: 10)")
    query.add_argument("--engine", choices=("exact", "faiss"), default="exact", help="faiss: an extra, with the same answers")
    query.add_argument("--model", metavar="DIR", help="where the model lies now (default: where it lay)")
    query.add_argument("--json", action="store_true", help="print JSON")
    query.set_defaults(command=_query)


def _build(arguments: argparse.Namespace) -> int:
    import json
    import sys

    from elsa_lightning.search.building import build

    with progress_bar() as progress:
        built = build(arguments.folder, arguments.model, arguments.out, arguments.layout, progress)
    for name, fault in built.faults.items():
        print(f"left out: {name}: {fault}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(built.to_dict(), indent=1))
    else:
        print(f"{built.files} recordings in {arguments.out} ({built.new} looked at now), {len(built.faults)} left out")
    return LEFT_OUT if built.faults else 0


def _query(arguments: argparse.Namespace) -> None:
    import json

    from elsa_lightning.search.asking import ask

    hits = ask(arguments.index, arguments.text, arguments.audio, arguments.top, arguments.engine, arguments.model)
    if arguments.json:
        print(json.dumps([hit.to_dict() for hit in hits], indent=1))
        return
    for hit in hits:
        print(f"{hit.rank:4d}  {hit.similarity:7.4f}  {hit.file}")
