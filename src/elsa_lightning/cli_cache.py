"""`elsa data cache`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning.cli_progress import progress_bar


def add(group: Any) -> None:
    """Add the command to those of `elsa data`."""
    command = group.add_parser(
        "cache",
        help="decode, resample and strip a corpus' sounds once, so that epochs are cheap",
        description="Decode, resample (soxr HQ) and strip of edge silence each sound of a corpus once, into memory-mapped shards that "
        "`data.pcm_cache` names. Files that cannot be used are named and counted. Stopped at any moment and started again, it goes on "
        "where it was; started again later, it makes anew what has changed.",
    )
    command.add_argument("manifest", type=Path, metavar="MANIFEST", help="manifest, or a folder in ESC-50's layout")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the cache")
    command.add_argument("--rate", type=int, metavar="HZ", help="audio.sample_rate of the trainings (default: the paper's 48000)")
    command.add_argument("--strip-db", type=float, metavar="DB", help="their audio.strip_db (default: -60)")
    command.add_argument(
        "--precision",
        choices=("float32", "int16"),
        default="float32",
        help="of the samples: float32 gives the bits that the files give; int16 takes half the room, at an error 101 dB below the peak",
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one per processor; 0: none but this one)")
    command.add_argument("--strict", action="store_true", help="fail if a file cannot be used")
    command.add_argument("--json", type=Path, metavar="FILE", help="write a report that names every file that cannot be used")
    command.set_defaults(command=_cache)


def _cache(arguments: argparse.Namespace) -> None:
    from elsa_lightning.atomic import write_json
    from elsa_lightning.data.pcm import Recipe, build_cache
    from elsa_lightning.data.readers import open_corpus
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.schema import AudioConfig, Esc50Config, ManifestConfig

    if arguments.workers is not None and arguments.workers < 0:
        raise ConfigError(f"--workers {arguments.workers}", "give 0 or more")
    audio = AudioConfig()
    audio.sample_rate = audio.sample_rate if arguments.rate is None else arguments.rate
    audio.strip_db = audio.strip_db if arguments.strip_db is None else arguments.strip_db
    if audio.sample_rate <= 0 or not audio.strip_db < 0:
        raise ConfigError(f"--rate {audio.sample_rate} --strip-db {audio.strip_db}", "give a rate above 0 Hz and a level below 0 dB")
    place = str(arguments.manifest)
    corpus = open_corpus(Esc50Config(root=place) if arguments.manifest.is_dir() else ManifestConfig(path=place))
    with progress_bar() as progress:
        recipe = Recipe.of(audio, arguments.precision)
        built = build_cache(corpus, arguments.out, recipe, arguments.workers, arguments.strict, progress)
    if arguments.json:
        write_json(arguments.json, built.to_dict())
    precision = "" if arguments.precision == "float32" else f" data.pcm_precision={arguments.precision}"
    print("\n".join(built.lines()))
    print(f"use it with --set data.pcm_cache={arguments.out}{precision}")
