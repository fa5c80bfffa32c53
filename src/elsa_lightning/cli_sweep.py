"""`elsa sweep plan | submit | run | status | cancel | table | shards`: a table's runs on this machine or as job arrays of SLURM."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning import cli_shards
from elsa_lightning.cli_config import add_overrides


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("sweep", help="plan a table or a search, run it here or as job arrays of SLURM").add_subparsers(
        required=True, metavar="COMMAND"
    )
    _add_plan(group)
    submit = _add(group, "submit", _submit, "submit what is left as job arrays; the same call again is always safe")
    _add_slurm(submit)
    run = _add(group, "run", _run, "run what is left on this machine, then report")
    run.add_argument("--local", action="store_true", help="on this machine (which is what `run` does: `submit` is for SLURM)")
    run.add_argument("-j", "--jobs", type=int, default=None, help="stages at a time (default: as suits the machine)")
    _add_results(run)
    status = _add(group, "status", _status, "what is done, runs, waits or has failed")
    status.add_argument("--all", action="store_true", help="name every unfinished row, not only twenty")
    status.add_argument("--json", action="store_true", help="for programs")
    cancel = _add(group, "cancel", _cancel, "cancel the jobs of a sweep; what they have done is kept")
    cancel.add_argument("--rows", metavar="ID,ID", help="only jobs that no other row needs (default: all)")
    cancel.add_argument("--wait", type=float, default=60.0, metavar="S", help="until they are gone, at most (default: 60)")
    cli_shards.add(group, _add_slurm)
    _add_results(_add(group, "table", _table, "write the report of what is done"))
    task = group.add_parser("prepare", help="make the run folder of one planned stage (what jobs call first)")
    task.add_argument("plan", type=Path)
    task.add_argument("run")
    task.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    task.add_argument("--nodes", type=int, default=0)
    task.add_argument("--devices", type=int, default=0)
    task.set_defaults(command=_prepare)


def _add_plan(group: Any) -> None:
    plan = group.add_parser("plan", help="freeze a table's rows and seeds with their stages into a plan")
    plan.add_argument("table", help="name below ablations/, or a YAML file")
    add_overrides(plan)
    plan.add_argument("--seeds", help="3: the table's first three; 0,2: these (default: all of the table's)")
    plan.add_argument("--rows", metavar="ID,ID", help="only these rows (default: all)")
    plan.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    plan.add_argument("--name", help="of the sweep (default: <table>.<profile>.<corpus>, and what sets it apart)")
    plan.set_defaults(command=_plan)


def _add(group: Any, name: str, command: Any, text: str) -> argparse.ArgumentParser:
    one = group.add_parser(name, help=text)
    one.add_argument("name", metavar="SWEEP", help="name of a sweep in DIR/sweeps, or a plan's file")
    one.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    one.set_defaults(command=command)
    return one


def _add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the report (default: results)")


def _add_slurm(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="print the scripts and the calls of sbatch, submit nothing")
    command.add_argument(
        "--resources", type=Path, metavar="FILE", help="what jobs ask for (default: slurm/<profile>.yaml beside the experiment)"
    )
    command.add_argument(
        "--slurm",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="values that win over the file: default.account=abc stages.train.time=1-0",
    )
    command.add_argument("-j", "--jobs", type=int, default=0, help="tasks of an array that run at once (default: as the file says)")
    command.add_argument("--uncommitted", action="store_true", help="submit the package as it is, with changes that no commit holds")


def _open(arguments: argparse.Namespace) -> Any:
    from elsa_lightning.sweep.plan_file import find_plan, read_plan

    return read_plan(find_plan(arguments.name, arguments.runs))


def _plan(arguments: argparse.Namespace) -> None:
    from elsa_lightning.cli_table import make_plan
    from elsa_lightning.pending import wanted
    from elsa_lightning.sweep.plan_file import SWEEPS, check_name, freeze, write_plan
    from elsa_lightning.sweep.status import is_done

    if arguments.name:
        check_name(arguments.name)
    made = make_plan(arguments)
    sweep = freeze(made, arguments.name or check_name(made.name))
    path = write_plan(sweep, arguments.runs / SWEEPS / sweep.name)
    parents = {line.run: [sweep.stages[number].run for number in line.parents] for line in sweep.stages}
    left = wanted(parents, lambda run: is_done(str(arguments.runs), run))
    counts = f"{len(sweep.runs)} rows and seeds, {len(sweep.stages)} stages: {len(left.done)} are done, {len(left.wanted)} are left"
    print(f"{counts}\nplanned: {path}\nnext: elsa sweep run {sweep.name} --local, or elsa sweep submit {sweep.name}")


def _submit(arguments: argparse.Namespace) -> None:
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.sweep.plan_file import check_current
    from elsa_lightning.sweep.resources import find_resources, load_resources
    from elsa_lightning.sweep.submit import dry_run, submit

    if arguments.jobs < 0:
        raise ConfigError(f"--jobs {arguments.jobs}", "give 1 or more; 0: as many as the cluster gives")
    sweep = _open(arguments)
    check_current(sweep)
    path = arguments.resources or find_resources(sweep.profile, sweep.open_table().base)
    cluster = load_resources(path, arguments.slurm)
    if arguments.dry_run:
        print(dry_run(sweep, arguments.runs, cluster, arguments.jobs))
        return
    jobs = submit(sweep, arguments.runs, cluster, arguments.jobs, arguments.uncommitted)
    print(f"watch: elsa sweep status {sweep.name}" if jobs else "nothing to submit")


def _run(arguments: argparse.Namespace) -> int:
    from elsa_lightning.cli_table import jobs_of, tell_outcome, write_report
    from elsa_lightning.scheduler import Scheduler
    from elsa_lightning.sweep.plan_file import check_current
    from elsa_lightning.tensorboard_view import link_curves

    jobs, sweep = jobs_of(arguments), _open(arguments)
    check_current(sweep)
    made = sweep.open()
    link_curves(made, arguments.runs)
    outcome = Scheduler(made.stages, arguments.runs, jobs).run()
    tell_outcome(outcome)
    write_report(made, arguments)
    return outcome.exit_code


def _status(arguments: argparse.Namespace) -> None:
    import json
    import sys

    from elsa_lightning.errors import RunError
    from elsa_lightning.sweep import queue
    from elsa_lightning.sweep.plan_file import SWEEPS
    from elsa_lightning.sweep.status import as_json, lines, status

    sweep = _open(arguments)
    runs = {line.run for line in sweep.stages}
    jobs = []
    try:
        jobs = [job for job in queue.queued(queue.read_journal(arguments.runs / SWEEPS), patience_s=10) if job.run in runs]
    except RunError as fault:
        print(f"the queue is not shown: {fault.message}", file=sys.stderr)
    found = status(sweep, arguments.runs, jobs)
    if arguments.json:
        print(json.dumps(as_json(sweep, found, jobs), indent=1))
    else:
        print("\n".join(lines(sweep, found, None if arguments.all else 20)))


def _cancel(arguments: argparse.Namespace) -> None:
    import time

    from elsa_lightning.sweep import queue
    from elsa_lightning.sweep.plan_file import SWEEPS, runs_of_rows

    queue.require_slurm()
    sweep = _open(arguments)
    chosen = runs_of_rows(sweep, [name.strip() for name in (arguments.rows or "").split(",") if name.strip()])

    def of_sweep() -> list[queue.Job]:
        journal = queue.read_journal(arguments.runs / SWEEPS)
        return [job for job in queue.queued(journal) if job.sweep == sweep.name and job.run in chosen]

    jobs = of_sweep()
    queue.cancel(jobs)
    print(f"cancelled {len(jobs)} jobs of {sweep.name}; what they have done is kept")
    end = time.time() + arguments.wait
    while jobs and (jobs := of_sweep()) and time.time() < end:
        time.sleep(0.5)
    if jobs:
        print(f"{len(jobs)} are still ending: {', '.join(job.id for job in jobs[:10])}")


def _table(arguments: argparse.Namespace) -> None:
    from elsa_lightning.cli_table import write_report

    write_report(_open(arguments).open(), arguments)


def _prepare(arguments: argparse.Namespace) -> None:
    from elsa_lightning.sweep.task import prepare_task

    prepare_task(arguments.plan, arguments.run, arguments.runs, arguments.nodes, arguments.devices)
