"""`elsa table plan | run | report --all`."""

from __future__ import annotations

import argparse
from pathlib import Path

from elsa_lightning.cli_config import overrides_of
from elsa_lightning.cli_table import jobs_of, tell_outcome
from elsa_lightning.table_suite import Suite


def plan_command(arguments: argparse.Namespace) -> int:
    """What all tables need, and how much of it is done."""
    from elsa_lightning.runs import Run

    suite = _suite(arguments)
    states = [Run(arguments.runs / ref.run_id).state for ref in suite.stages]
    for one in suite.plans:
        done = sum(Run(arguments.runs / ref.run_id).done for ref in one.stages)
        print(f"{one.table.table:28s} {done} of {len(one.stages)} stages are done")
    print(f"{states.count('done')} of {len(states)} stages are done")
    return 2 if suite.faults else 0


def run_command(arguments: argparse.Namespace) -> int:
    """Run what is missing for all tables, then write every report. What fails holds up only what needs it."""
    from elsa_lightning.scheduler import Scheduler
    from elsa_lightning.tensorboard_view import link_curves

    jobs, suite = jobs_of(arguments), _suite(arguments)
    for plan in suite.plans:
        link_curves(plan, arguments.runs)
    outcome = Scheduler(suite.stages, arguments.runs, jobs).run()
    tell_outcome(outcome)
    troubles = suite.faults | {table: f"it needs {name}, which failed" for table, name in suite.hit_by(outcome).items()}
    return _publish(suite, arguments, troubles)


def report_command(arguments: argparse.Namespace) -> int:
    """Write every table's report of what is done, and results/README.md."""
    suite = _suite(arguments)
    return _publish(suite, arguments, dict(suite.faults))


def _suite(arguments: argparse.Namespace) -> Suite:
    """The plans, and a word on what is shared."""
    from elsa_lightning.corpora import content_hash
    from elsa_lightning.table_file import find_table, table_paths
    from elsa_lightning.table_suite import plan_all

    left_out = {find_table(name) for name in arguments.but}
    paths = [path for path in table_paths() if path not in left_out]
    suite = plan_all(paths, arguments.profile, content_hash, arguments.seeds, overrides_of(arguments))
    for table, reason in suite.skipped.items():
        print(f"not asked for: {table} ({reason})")
    print(suite.summary(), flush=True)
    return suite


def _publish(suite: Suite, arguments: argparse.Namespace, troubles: dict[str, str]) -> int:
    """Every report; a table whose report cannot be written joins the troubles. Each is named at the end."""
    from elsa_lightning.errors import ElsaError
    from elsa_lightning.report_publish import publish
    from elsa_lightning.report_summary import write_summary

    for one in suite.plans:
        try:
            report, paths = publish(one, arguments.runs, arguments.results)
        except ElsaError as fault:
            troubles[one.table.table] = str(fault)
            continue
        print(f"{_verdict(report):42s} {paths[0]}")
    if suite.plans:
        print(f"written: {write_summary(Path(arguments.results), suite.plans[0].profile)}")
    for table, cause in troubles.items():
        print(f"FAILED {table}: {cause}")
    return 3 if troubles else 0


def _verdict(report: dict) -> str:
    claims = [claim["verdict"] for claim in report["claims"]]
    floors = [floor["verdict"] for floor in report["floors"]]
    words = [f"{claims.count('✓')} of {len(claims)} claims"] if claims else []
    words += [f"{floors.count('✓')} of {len(floors)} floors"] if floors else []
    return f"{report['table']}: {', '.join(words) or 'no claims'}"
