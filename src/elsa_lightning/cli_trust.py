"""`elsa data check | coverage | overlap`: may this corpus be trusted? Exit codes are for scripts."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load

CHECK_CODES = (
    "exit code: 0 no fault; 1 faults that only lessen quality (rate, length, clipped, duplicate, unlisted, captions); 2 something \
cannot be used (missing, empty, unreadable, truncated, not finite, silent, channels), or bad input"
)
COVERAGE_CODES = "exit code: 0 all is there and nothing else; 1 something is missing, extra, misplaced or repeated; 2 bad input"
OVERLAP_CODES = "exit code: 0 no leak (equal captions alone are none); 1 training shares a source, file or sound with validation or test; \
2 bad input"


def add(group: Any) -> None:
    """Add the commands to the sub-parsers of `elsa data`."""
    check = group.add_parser("check", help="open every file and name each one that is faulty", epilog=CHECK_CODES)
    check.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    add_overrides(check)
    check.add_argument("--channels", type=_positive, default=1, help="that every file should have (default: 1)")
    check.add_argument("--min-rate", type=_positive, default=0, metavar="HZ", help="lower sample rates are faults (default: any rate)")
    check.add_argument(
        "--clip-share", type=_share, default=None, metavar="SHARE", help="of flat-topped samples from which on a file is clipped (0.0005)"
    )
    _add_common(check, "opened")
    check.set_defaults(command=_check)
    coverage = group.add_parser("coverage", help="expected against present: counts, missing ids, gallery hash", epilog=COVERAGE_CODES)
    coverage.add_argument("manifest", type=Path, help="JSONL, one clip a line")
    coverage.add_argument("--expected", type=Path, metavar="FILE", help="ids that should be there: text, csv, tsv or another manifest")
    coverage.add_argument(
        "--id-column",
        default="",
        metavar="NAME",
        help="of a csv or tsv; several, with commas between, are joined by _ (default: the first that is known)",
    )
    coverage.add_argument(
        "--by",
        choices=("clip_id", "audio", "source"),
        default="clip_id",
        help="what the ids are: clip_id (default), the audio file's name, source",
    )
    coverage.add_argument("--split", help="look at this split only; the list's ids are its ids")
    coverage.add_argument("--official", choices=("audiocaps", "clotho"), help="compare with the published sizes too")
    _add_json(coverage)
    coverage.set_defaults(command=_coverage)
    overlap = group.add_parser("overlap", help="what splits and manifests share: sources, files, captions", epilog=OVERLAP_CODES)
    overlap.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST", help="JSONL, one clip a line")
    overlap.add_argument("--audio", action="store_true", help="compare decoded samples too (opens every file)")
    _add_common(overlap, "decoded")
    overlap.set_defaults(command=_overlap)


def _add_common(command: argparse.ArgumentParser, done: str) -> None:
    command.add_argument(
        "--workers", type=_workers, default=None, help=f"processes by which files are {done}; 0: none (default: one a core)"
    )
    _add_json(command)


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _workers(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1")
    return value


def _check(arguments: argparse.Namespace) -> int:
    from elsa_lightning.data.readers import open_corpus
    from elsa_lightning.data.trust.check import check_corpus
    from elsa_lightning.data.trust.check_report import check_text
    from elsa_lightning.data.trust.clipping import CLIP_SHARE
    from elsa_lightning.data.trust.examine import Wanted
    from elsa_lightning.data.trust.report import json_place, write_report

    place, experiment = json_place(arguments.json), load(arguments).experiment
    clip_share = arguments.clip_share or CLIP_SHARE
    wanted = Wanted(arguments.channels, arguments.min_rate, clip_share, render_rate=experiment.audio.sample_rate)
    checked = check_corpus(open_corpus(experiment.data.corpus), wanted, _processes(arguments), _counter("opened"))
    print(check_text(checked))
    write_report(place, checked.to_dict())
    return checked.exit_code


def _coverage(arguments: argparse.Namespace) -> int:
    from elsa_lightning.data.trust.coverage import coverage, coverage_text
    from elsa_lightning.data.trust.official import OFFICIAL
    from elsa_lightning.data.trust.report import json_place, write_report
    from elsa_lightning.data.trust.rows import of_split, read_ids, read_rows

    place = json_place(arguments.json)
    rows = read_rows(arguments.manifest)
    listed = read_ids(arguments.expected, arguments.id_column) if arguments.expected else None
    published = OFFICIAL[arguments.official] if arguments.official else None
    if arguments.split:
        rows, listed = of_split(rows, arguments.split), listed and of_split(listed, arguments.split, unsaid=True)
        published = published and published.only(arguments.split)
    found = coverage(rows, listed, arguments.by, published)
    print(coverage_text(found, published))
    write_report(place, found.to_dict())
    return found.exit_code


def _overlap(arguments: argparse.Namespace) -> int:
    from elsa_lightning.data.trust.overlap import overlap
    from elsa_lightning.data.trust.overlap_report import overlap_text
    from elsa_lightning.data.trust.report import json_place, write_report

    place = json_place(arguments.json)
    found = overlap(arguments.manifests, arguments.audio, _processes(arguments), _counter("decoded"))
    print(overlap_text(found))
    write_report(place, found.to_dict())
    return found.exit_code


def _processes(arguments: argparse.Namespace) -> int:
    from elsa_lightning.data.parallel import default_workers

    return default_workers() if arguments.workers is None else arguments.workers


def _counter(done: str) -> Callable[[int, int], None]:
    """A line on the terminal that counts files; silent where standard error is no terminal."""
    told = [0.0]

    def count(now: int, total: int) -> None:
        if sys.stderr.isatty() and (now == total or time.monotonic() - told[0] > 0.2):
            told[0] = time.monotonic()
            print(f"\r{now} of {total} {done}", end="\n" if now == total else "", file=sys.stderr, flush=True)

    return count
