"""`elsa train | stage | tensorboard`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load


def add(commands: Any) -> None:
    """Add the commands."""
    train = commands.add_parser("train", help="train and evaluate one experiment; --export its model")
    train.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    add_overrides(train)
    train.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    train.add_argument("--export", type=Path, metavar="DIR", help="then write the model to this folder (elsa model export)")
    train.set_defaults(command=_train)
    stage = commands.add_parser("stage", help="work on one planned run folder (what the other commands start)")
    stage.add_argument("folder", type=Path, metavar="RUN_DIR", help="runs/<stage>/<fingerprint>")
    stage.set_defaults(command=_stage)
    board = commands.add_parser("tensorboard", help="watch the runs in a browser")
    board.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    board.add_argument("--port", type=int, default=6006)
    board.set_defaults(command=_tensorboard)


def _train(arguments: argparse.Namespace) -> int:
    from elsa_lightning.corpora import content_hash
    from elsa_lightning.runs import Run
    from elsa_lightning.scheduler import Scheduler
    from elsa_lightning.stages_plan import plan_run

    if arguments.export is not None:
        from elsa_lightning.api.config_file import check_replaceable

        check_replaceable(arguments.export.expanduser())  # before hours of work
    experiment = load(arguments).experiment
    stages = plan_run(experiment, content_hash(experiment.data.corpus))
    outcome = Scheduler(stages, arguments.runs).run()
    if outcome.exit_code == 0:
        run = Run(arguments.runs / stages[-1].run_id)
        width = max(map(len, run.metrics()["metrics"]))
        for key, value in run.metrics()["metrics"].items():
            print(f"{key:{width}s}  {value:.4g}")
        print("\n".join(f"{ref.stage:15s} {arguments.runs / ref.run_id}" for ref in stages))
        if arguments.export is not None:
            from elsa_lightning.cli_model import export_to

            export_to(run.folder, arguments.export)
    for name, cause in outcome.failed.items():
        print(f"FAILED {name}\n{cause}")
    return outcome.exit_code


def _stage(arguments: argparse.Namespace) -> int:
    from elsa_lightning.lifetime import Stopped, end_with_parent, listening
    from elsa_lightning.ranks import process_rank

    end_with_parent()
    # A further process only notes a request: the first may be in `fit` already, waiting for it. There all leave together; and where the
    # first leaves before, those that it started, or srun did, end with it.
    with listening(at_once=process_rank() == 0):
        from elsa_lightning.requeue import after_stop
        from elsa_lightning.runs import assist, perform, read_config

        planned = read_config(arguments.folder)  # a damaged config.yaml is reported before torch is loaded
        try:
            (assist if process_rank() else perform)(arguments.folder, _execute)
        except Stopped as stop:
            if process_rank():  # a code other than 0 would make a launcher kill the first process, which tidies up
                return 0
            print(after_stop(stop, [arguments.folder], planned.experiment.trainer.max_requeues), flush=True)
            return stop.exit_code
    return 0


def _execute(folder: Path) -> None:
    from elsa_lightning.stages import execute

    execute(folder)


def _tensorboard(arguments: argparse.Namespace) -> None:
    import os
    import sys

    from elsa_lightning.errors import RunError
    from elsa_lightning.tensorboard_view import BOARD, link_others

    if not arguments.runs.is_dir():
        raise RunError(f"there is no folder {arguments.runs}", "run something first: make reproduce-table")
    link_others(arguments.runs)
    options = ["--logdir", str(arguments.runs / BOARD), "--port", str(arguments.port), "--load_fast=false"]
    os.execv(sys.executable, [sys.executable, "-m", "tensorboard.main", *options])
