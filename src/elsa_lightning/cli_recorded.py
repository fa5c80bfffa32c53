"""`elsa data segments`: single-source segments of labelled first-order recordings, as a manifest to train on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

CORPORA = ("tut2018", "tau-nigens", "starss", "spatial-librispeech", "folder")


def add(group: Any) -> None:
    """Add the command to the sub-parsers of `elsa data`."""
    one = group.add_parser("segments", help="cut the parts with one sound source out of labelled first-order recordings")
    one.add_argument("corpus", choices=CORPORA, help="layout of the corpus; folder: any WAV or FLAC files with a CSV of directions")
    one.add_argument("--root", type=Path, required=True, metavar="DIR", help="its folder, as unpacked")
    one.add_argument("--out", type=Path, metavar="JSONL", help="the manifest: each segment a clip to train on or to test with")
    one.add_argument("--segments", type=Path, metavar="JSONL", help="also, or only, write the segments as such, with their rooms")
    one.add_argument("--csv", type=Path, metavar="CSV", help="also, or only, write the labels for elsa data doctor")
    one.add_argument("--json", type=Path, metavar="JSON", help="also write the report, with every file that was left out")
    one.add_argument("--min-s", type=float, default=1.0, metavar="S", help="shortest segment (default: 1)")
    one.add_argument("--guard-s", type=float, default=0.2, metavar="S", help="time kept from any other sound (default: 0.2)")
    one.add_argument("--max-move-deg", type=float, default=10.0, metavar="DEG", help="cut where the source moves more (default: 10)")
    one.add_argument("--only", default="", metavar="PATTERN", help="only recordings whose source id matches, such as '*ov1_split1/*'")
    one.add_argument("--rate", type=int, metavar="HZ", help="sample rate of a resampled copy (default: the corpus' own)")
    one.add_argument("--order", default="", help="channel order, acn or fuma (default: the corpus' own; a folder's table may say)")
    one.add_argument("--normalisation", default="", help="sn3d, n3d, fuma or unknown (default: likewise)")
    one.add_argument("--labels", type=Path, metavar="CSV", help="folder: its table of directions (default: labels.csv in it)")
    one.add_argument("--clockwise", action="store_true", help="folder: azimuths of the table count clockwise, +90 is right")
    one.add_argument("--lite", action="store_true", help="spatial-librispeech: the lite version only")
    one.add_argument("--strict", action="store_true", help="stop at the first file that cannot be used")
    one.set_defaults(command=_segments)


def _segments(arguments: argparse.Namespace) -> None:
    import json

    from elsa_lightning.data.recorded import Options, Rule, read_corpus, write_doctor_csv, write_segments, write_text
    from elsa_lightning.data.recorded.report import lines, summary
    from elsa_lightning.data.recorded.to_manifest import clips_of, write_clips
    from elsa_lightning.errors import ConfigError, DataError

    if not (arguments.out or arguments.segments or arguments.csv):
        raise ConfigError("nothing is asked for", "name the manifest with --out, or --segments or --csv")
    rule = Rule(arguments.min_s, arguments.guard_s, arguments.max_move_deg)
    names = ("strict", "rate", "order", "normalisation", "only", "labels", "clockwise", "lite")
    options = Options(rule, **{name: getattr(arguments, name) for name in names})
    reading = read_corpus(arguments.corpus, arguments.root, options)
    found = summary(reading)
    print("\n".join(lines(found)))
    if not reading.segments:
        raise DataError("no segment fulfils the rule", "lower --min-s or --guard-s, or raise --max-move-deg; nothing was written")
    if arguments.out:
        clips, notes = clips_of(reading.segments, arguments.root, arguments.out)
        print("".join(f"note: {note}\n" for note in notes), end="")
        found["notes"] += notes
        write_clips(arguments.out, clips)
    if arguments.segments:
        write_segments(arguments.segments, reading.segments)
    if arguments.csv:
        write_doctor_csv(arguments.csv, reading.segments)
    if arguments.json:
        write_text(arguments.json, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
