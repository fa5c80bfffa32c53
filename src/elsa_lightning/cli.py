"""The command line `elsa`. Nothing heavy is imported before a command needs it, so that help is instant."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from elsa_lightning import cli_bench, cli_config, cli_data, cli_demo, cli_index, cli_model, cli_rooms, cli_runs, cli_sweep, cli_table
from elsa_lightning.errors import ElsaError
from elsa_lightning.version import __version__


def parser() -> argparse.ArgumentParser:
    """All commands; each sets `command`, a function of the parsed arguments that returns the exit code."""
    root = argparse.ArgumentParser(
        prog="elsa", description="One embedding space for text and first-order ambisonic audio (arXiv 2409.11369)."
    )
    root.add_argument("--version", action="version", version=f"elsa-lightning {__version__}")
    commands = root.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (cli_table, cli_sweep, cli_config, cli_runs, cli_model, cli_index, cli_demo, cli_data, cli_rooms, cli_bench):
        module.add(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 for bad input, 3 for a run that could not finish, 75 for one that another process works on, 85 after SIGTERM or SIGUSR1, 130
        after Ctrl-C.
    """
    parsed = parser().parse_args(arguments)
    try:
        return parsed.command(parsed) or 0
    except ElsaError as fault:
        with contextlib.suppress(OSError):  # it may go to a file on a full disk
            print(f"elsa: {fault}", file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt as stop:
        print(f"\nelsa: {stop}" if str(stop) else "\nelsa: stopped; finished stages and checkpoints are kept", file=sys.stderr)
        return getattr(stop, "exit_code", 130)
    except BrokenPipeError:  # the reader of our output has gone (`elsa … | head`)
        sys.stderr.close()
        return 0
