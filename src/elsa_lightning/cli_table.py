"""`elsa table list | show | plan | run | report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning.cli_config import add_overrides, overrides_of


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("table", help="reproduce a table of the paper").add_subparsers(required=True, metavar="COMMAND")
    group.add_parser("list", help="the tables that there are").set_defaults(command=_list)
    show = group.add_parser("show", help="a table's rows, columns and claims")
    show.add_argument("table", help="name below ablations/, or a YAML file")
    show.set_defaults(command=_show)
    for name, command, text in (
        ("plan", _plan, "the stages that a table needs, and which are done"),
        ("run", _run, "run what is missing, then report"),
        ("report", _report, "write the report of what is done"),
    ):
        one = group.add_parser(name, help=text)
        one.add_argument("table", help="name below ablations/, or a YAML file")
        add_overrides(one)
        one.add_argument("--seeds", help="3: the table's first three; 0,2: these (default: all of the table's)")
        one.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
        one.set_defaults(command=command)
        if name == "run":
            one.add_argument(
                "--jobs", type=int, default=None, help="stages at a time; CPU threads are shared (default: as suits the machine)"
            )
        if name != "plan":
            one.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the report (default: results)")


def _list(arguments: argparse.Namespace) -> None:
    from elsa_lightning.table_file import load_table, table_paths

    for path in table_paths():
        table = load_table(path)
        print(f"{table.table:28s} {table.title}  ({table.source})")


def _show(arguments: argparse.Namespace) -> None:
    from elsa_lightning.table_file import find_table, load_table
    from elsa_lightning.tables import describe

    print(describe(load_table(find_table(arguments.table))))


def _make_plan(arguments: argparse.Namespace) -> Any:
    from elsa_lightning.corpora import content_hash
    from elsa_lightning.table_file import find_table, load_table
    from elsa_lightning.tables import parse_seeds, plan

    table = load_table(find_table(arguments.table))
    seeds = parse_seeds(arguments.seeds, table) if arguments.seeds else ()
    return plan(table, arguments.profile, content_hash, seeds, overrides_of(arguments))


def _plan(arguments: argparse.Namespace) -> None:
    from elsa_lightning.runs import Run

    made = _make_plan(arguments)
    users: dict[str, list[str]] = {}
    for (row, seed), stages in made.runs.items():
        for ref in stages:
            users.setdefault(ref.run_id, []).append(f"{row}/{seed}")
    for ref in made.stages:
        print(f"{Run(arguments.runs / ref.run_id).state:12s} {ref.run_id:34s} {' '.join(users[ref.run_id])}")


def _run(arguments: argparse.Namespace) -> int:
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.provenance import default_jobs
    from elsa_lightning.scheduler import Scheduler

    jobs = default_jobs() if arguments.jobs is None else arguments.jobs
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one stage must run at a time", "write --jobs 1")
    made = _make_plan(arguments)
    outcome = Scheduler(made.stages, arguments.runs, jobs).run()
    for name, cause in outcome.failed.items():
        print(f"FAILED {name}\n{cause}\n", flush=True)
    for name, cause in outcome.blocked.items():
        print(f"not run: {name} (needs {cause})", flush=True)
    _write_report(made, arguments)
    return outcome.exit_code


def _report(arguments: argparse.Namespace) -> None:
    _write_report(_make_plan(arguments), arguments)


def _write_report(made: Any, arguments: argparse.Namespace) -> None:
    from elsa_lightning.corpora import described
    from elsa_lightning.report import collect, write
    from elsa_lightning.report_terminal import print_report
    from elsa_lightning.tensorboard_report import write_tensorboard

    corpora = [described(cfg) for cfg in {repr(c): c for c in (refs[-1].experiment.data.corpus for refs in made.runs.values())}.values()]
    report = collect(made, arguments.runs, corpora)
    paths = write(report, arguments.results, made.name)
    write_tensorboard(report, arguments.runs / "tables" / made.name)
    print_report(report)
    print("written: " + ", ".join(map(str, paths)))
