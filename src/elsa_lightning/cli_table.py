"""`elsa table list | show | plan | run | report | index | export`."""

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
        one.add_argument("table", nargs="?", help="name below ablations/, or a YAML file")
        one.add_argument("--all", action="store_true", help="every table; what several of them need is run once")
        one.add_argument("--except", nargs="+", default=[], metavar="NAME", dest="but", help="with --all: tables to leave out")
        add_overrides(one)
        one.add_argument("--seeds", help="3: the table's first three; 0,2: these (default: all of the table's)")
        one.add_argument("--rows", metavar="ID,ID", help="only these rows (default: all)")
        one.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
        one.set_defaults(command=command)
        if name == "run":
            one.add_argument(
                "--jobs", type=int, default=None, help="stages at a time; CPU threads are shared (default: as suits the machine)"
            )
        if name != "plan":
            one.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the report (default: results)")
    _add_export(group)
    index = group.add_parser("index", help="write ablations/README.md, the list of the tables")
    index.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="reports that tell what a table costs")
    index.set_defaults(command=_index)


def _add_export(group: Any) -> None:
    export = group.add_parser("export", help="a report's table for LaTeX or as CSV")
    export.add_argument("report", help="name of a table, or a JSON file of results/")
    export.add_argument("--format", choices=("latex", "csv"), default="latex")
    export.add_argument("--profile", default="desk", help="with a name: of which profile (default: desk)")
    export.add_argument("--corpus", default="foley", help="with a name: on which corpus (default: foley)")
    export.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the reports (default: results)")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    export.set_defaults(command=_export)


def _list(arguments: argparse.Namespace) -> None:
    from elsa_lightning.table_file import load_table, table_paths

    for path in table_paths():
        table = load_table(path)
        print(f"{table.table:28s} {table.title}  ({table.source})")


def _show(arguments: argparse.Namespace) -> None:
    from elsa_lightning.table_file import find_table, load_table
    from elsa_lightning.tables import describe

    print(describe(load_table(find_table(arguments.table))))


def make_plan(arguments: argparse.Namespace) -> Any:
    """The plan of the table, profile, corpus, seeds and rows that the command line names."""
    from elsa_lightning.corpora import content_hash
    from elsa_lightning.table_file import find_table, load_table
    from elsa_lightning.tables import parse_seeds, plan

    table = load_table(find_table(arguments.table))
    seeds = parse_seeds(arguments.seeds, table) if arguments.seeds else ()
    rows = [name.strip() for name in (arguments.rows or "").split(",") if name.strip()]
    return plan(table, arguments.profile, content_hash, seeds, overrides_of(arguments), rows)


def _asks_for_all(arguments: argparse.Namespace) -> bool:
    from elsa_lightning.errors import ConfigError

    if bool(arguments.table) == arguments.all:
        raise ConfigError("give either the name of a table or --all", "elsa table list says which there are")
    if arguments.rows and arguments.all:
        raise ConfigError("--rows belongs to one table", "leave it out, or name the table")
    if arguments.but and not arguments.all:
        raise ConfigError("--except belongs to --all", "leave it out")
    return arguments.all


def _plan(arguments: argparse.Namespace) -> int | None:
    from elsa_lightning.runs import Run

    if _asks_for_all(arguments):
        from elsa_lightning.cli_table_all import plan_command

        return plan_command(arguments)
    made = make_plan(arguments)
    users: dict[str, list[str]] = {}
    for (row, seed), stages in made.runs.items():
        for ref in stages:
            users.setdefault(ref.run_id, []).append(f"{row}/{seed}")
    for ref in made.stages:
        print(f"{Run(arguments.runs / ref.run_id).state:12s} {ref.run_id:34s} {' '.join(users[ref.run_id])}")
    return None


def _run(arguments: argparse.Namespace) -> int:
    from elsa_lightning.scheduler import Scheduler
    from elsa_lightning.tensorboard_view import link_curves

    if _asks_for_all(arguments):
        from elsa_lightning.cli_table_all import run_command

        return run_command(arguments)
    jobs = jobs_of(arguments)
    made = make_plan(arguments)
    link_curves(made, arguments.runs)
    outcome = Scheduler(made.stages, arguments.runs, jobs).run()
    tell_outcome(outcome)
    write_report(made, arguments)
    return outcome.exit_code


def jobs_of(arguments: argparse.Namespace) -> int:
    """Stages at a time.

    Raises:
        ConfigError: fewer than one.
    """
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.provenance import default_jobs

    jobs = default_jobs() if arguments.jobs is None else arguments.jobs
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one stage must run at a time", "write --jobs 1")
    return jobs


def tell_outcome(outcome: Any) -> None:
    """Print what failed, and what could not be run because of it."""
    for name, cause in outcome.failed.items():
        print(f"FAILED {name}\n{cause}\n", flush=True)
    for name, cause in outcome.blocked.items():
        print(f"not run: {name} (needs {cause})", flush=True)


def _report(arguments: argparse.Namespace) -> int | None:
    if _asks_for_all(arguments):
        from elsa_lightning.cli_table_all import report_command

        return report_command(arguments)
    write_report(make_plan(arguments), arguments)
    return None


def write_report(made: Any, arguments: argparse.Namespace) -> None:
    """Write the report of what a plan has done, and print it."""
    from elsa_lightning.report_publish import publish
    from elsa_lightning.report_terminal import print_report

    report, paths = publish(made, arguments.runs, arguments.results)
    print_report(report)
    print("written: " + ", ".join(map(str, paths)))


def _index(arguments: argparse.Namespace) -> None:
    from elsa_lightning.atomic import write_text
    from elsa_lightning.table_file import table_paths
    from elsa_lightning.table_index import index

    paths = table_paths()
    target = paths[0].parent / "README.md"
    write_text(target, index(paths, arguments.results))
    print(f"written: {target}")


def _export(arguments: argparse.Namespace) -> None:
    from elsa_lightning.atomic import write_text
    from elsa_lightning.report_export import export, report_path

    path = report_path(arguments.report, arguments.results, arguments.profile, arguments.corpus)
    text = export(path, arguments.format)
    if arguments.out is None:
        print(text, end="")
    else:
        write_text(arguments.out, text)
        print(f"written: {arguments.out}, from {path}")
