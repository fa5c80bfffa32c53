"""`elsa data render | verify`: a spatial corpus on disk for other tools."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load
from elsa_lightning.cli_progress import progress_bar
from elsa_lightning.cli_shards import shard

SPLITS = ("train", "val", "test")


def add(group: Any) -> None:
    """Add the commands to those of `elsa data`."""
    render = group.add_parser(
        "render",
        help="write the spatial clips that an experiment trains on: FLAC or WAV, manifest, captions",
        description="Write the spatial clips that an experiment trains on (its first epoch) or is tested on: first-order ambisonics (ACN, "
        "SN3D) with one gain for all channels, and a manifest with labels and captions. Stopped at any moment and started again, it goes "
        "on where it was and ends with the same bytes.",
    )
    render.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    add_overrides(render)
    render.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the export")
    render.add_argument("--split", nargs="+", choices=SPLITS, default=["train"], help="which to export (default: train)")
    render.add_argument("--format", choices=("flac", "wav"), default="flac", help="24-bit FLAC (default), or WAV of 32-bit floats")
    of_training = "(default: as in training, from --runs; simulated if not there)"
    render.add_argument(
        "--bank", type=Path, metavar="DIR", help=f"a bank of the split's rooms, or a folder of banks by split {of_training}"
    )
    render.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    render.add_argument("--workers", type=int, metavar="N", help="processes (default: one per processor; 0: none but this one)")
    render.add_argument("--shard", type=shard, metavar="I/N", help="do part I of N (from 1); --join makes one manifest of all parts")
    render.add_argument("--join", action="store_true", help="render nothing: make one manifest of all shards in DIR")
    render.add_argument("--rewrite-tasks", action="store_true", help="write rewrite-tasks.jsonl too, for `elsa data rewrite`")
    render.add_argument("--webdataset", action="store_true", help="write webdataset's tars too, below DIR/webdataset")
    render.add_argument("--per-tar", type=int, default=1000, metavar="N", help="items in each tar (default: 1000)")
    render.set_defaults(command=_render)

    verify = group.add_parser(
        "verify",
        help="render items of an export again and compare; exit code 2 if any differs",
        description="Render items of an export again, from its export.json alone, and compare samples, labels and captions. Rooms are "
        "simulated anew, unless --bank names the bank.",
    )
    verify.add_argument("folder", type=Path, help="of the export")
    verify.add_argument("--count", type=int, default=8, help="items to render, spread over the export (default: 8)")
    verify.add_argument("--bank", type=Path, metavar="DIR", help="a bank of the split's rooms, or a folder of banks by split")
    verify.add_argument("--data", type=Path, metavar="PATH", help="where the corpus lies now (default: where it was)")
    verify.set_defaults(command=_verify)


def _render(arguments: argparse.Namespace) -> None:
    _check(arguments)
    if not arguments.join:
        done = _render_shard(arguments)
        print(f"{done} items rendered")
        if arguments.shard:
            print("when all shards are done: elsa data render --join --out", arguments.out)
            return
    _finish(arguments)


def _check(arguments: argparse.Namespace) -> None:
    from elsa_lightning.errors import ConfigError

    if arguments.workers is not None and arguments.workers < 0:
        raise ConfigError(f"--workers {arguments.workers}", "give 0 or more")
    if arguments.per_tar < 1:
        raise ConfigError(f"--per-tar {arguments.per_tar}", "give 1 or more")
    if arguments.shard and (arguments.join or arguments.webdataset or arguments.rewrite_tasks):
        raise ConfigError(
            "--shard renders a part; --join, --webdataset and --rewrite-tasks need all of them", "give these once, when all shards are done"
        )
    if arguments.webdataset:
        from elsa_lightning.data.export.tars import check_installed

        check_installed()


def _render_shard(arguments: argparse.Namespace) -> int:
    from elsa_lightning.data.export.job import plan
    from elsa_lightning.data.export.render import render
    from elsa_lightning.data.readers import open_corpus

    experiment = _anchored(load(arguments).experiment)
    corpus = open_corpus(experiment.data.corpus)
    splits = list(dict.fromkeys(arguments.split))
    banks = _banks(arguments.bank, splits) if arguments.bank else _trained_on(experiment, splits, arguments.runs)
    job = plan(experiment, corpus, banks, splits, arguments.out, arguments.format)
    with progress_bar() as progress:
        return render(job, corpus, arguments.shard or (1, 1), arguments.workers, progress)


def _finish(arguments: argparse.Namespace) -> None:
    """The manifest of all shards, and what follows from it."""
    from elsa_lightning.data.export.job import read_about
    from elsa_lightning.data.export.lines import TASKS, join, tidy, write_tasks
    from elsa_lightning.data.export.tars import FOLDER, write_tars
    from elsa_lightning.data.parallel import default_workers

    out = arguments.out
    about = read_about(out)
    lines = join(out, about["counts"])
    if arguments.rewrite_tasks:
        print(f"{write_tasks(out, lines, about['experiment']['captions']['per_clip'])} captions to rewrite: {out / TASKS}")
    if arguments.webdataset:
        workers = default_workers() if arguments.workers is None else arguments.workers
        with progress_bar() as progress:
            print(f"{write_tars(out, lines, arguments.per_tar, workers, progress)} tars: {out / FOLDER}")
    tidy(out)
    size = sum(line["bytes"] for line in lines)
    print(f"{len(lines)} clips ({', '.join(f'{split} {n}' for split, n in about['counts'].items())}), {size / 1e9:.3f} GB: {out}")


def _anchored(experiment: Any) -> Any:
    """The experiment with the corpus' place as an absolute path: `verify` may be called from elsewhere."""
    for name in ("root", "path"):
        if getattr(experiment.data.corpus, name, ""):
            setattr(experiment.data.corpus, name, os.path.abspath(getattr(experiment.data.corpus, name)))
    return experiment


def _banks(folder: Path, splits: list[str]) -> dict[str, Path]:
    """Split → bank, from a bank (of the one split), or from a folder that holds one by the name of each split."""
    from elsa_lightning.errors import ConfigError

    if not (folder / "manifest.json").exists():
        return {split: folder / split for split in splits}
    if len(splits) > 1:
        raise ConfigError(f"{folder} is one bank, but there are {len(splits)} splits", "name a folder with a bank by each one's name")
    return {splits[0]: folder}


def _trained_on(experiment: Any, splits: list[str], runs: Path) -> dict[str, Path]:
    """Split → the bank that training uses; simulated now if it is not there."""
    from elsa_lightning.corpora import content_hash
    from elsa_lightning.errors import RunError
    from elsa_lightning.scheduler import Scheduler
    from elsa_lightning.stages_plan import plan_run

    if splits == ["train"] and experiment.rooms.mode != "bank":
        return {}
    rooms = plan_run(experiment, content_hash(experiment.data.corpus))[0]
    outcome = Scheduler([rooms], runs).run()
    if outcome.exit_code:
        raise RunError(f"the rooms could not be simulated: {'; '.join(outcome.failed.values())}", "mend this, or name a bank with --bank")
    return {split: runs / rooms.run_id / split for split in SPLITS}


def _verify(arguments: argparse.Namespace) -> int:
    from elsa_lightning.config import from_dict
    from elsa_lightning.data.export.job import ABOUT, read_about
    from elsa_lightning.data.export.verify import verify
    from elsa_lightning.data.readers import open_corpus
    from elsa_lightning.errors import ConfigError, DataError

    if arguments.count < 1:
        raise ConfigError(f"--count {arguments.count}", "give a number above 0")
    about = read_about(arguments.folder)
    experiment = from_dict(about["experiment"], str(arguments.folder / ABOUT))
    for name in ("root", "path"):
        if arguments.data and hasattr(experiment.data.corpus, name):
            setattr(experiment.data.corpus, name, str(arguments.data))
    banks = _banks(arguments.bank, list(about["banks"])) if arguments.bank else None
    verdicts = []
    for verdict in verify(arguments.folder, experiment, open_corpus(experiment.data.corpus), arguments.count, banks):
        print(verdict, flush=True)
        verdicts.append(verdict)
    good = sum(verdict.agrees for verdict in verdicts)
    print(f"{good} of {len(verdicts)} items are what the manifest says, {sum(verdict.same_bits for verdict in verdicts)} to the bit")
    return 0 if good == len(verdicts) else DataError.exit_code
