"""`elsa config show | explain | keys`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DEFAULT_EXPERIMENT = "experiments/elsa.yaml"


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("config", help="show an experiment's values, explain a key").add_subparsers(
        required=True, metavar="COMMAND"
    )
    show = group.add_parser("show", help="the resolved YAML, and where each value comes from")
    show.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    add_overrides(show)
    show.set_defaults(command=_show)
    explain = group.add_parser("explain", help="what a key means, its type, default and choices")
    explain.add_argument("key", help="such as data.rendering")
    explain.set_defaults(command=_explain)
    group.add_parser("keys", help="all keys").set_defaults(command=_keys)


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Options that change values of an experiment."""
    command.add_argument("--profile", help="overlay of experiments/profiles/: smoke, desk, gpu; paper (default): none")
    command.add_argument("--corpus", help="foley, esc50 or manifest (default: the experiment's)")
    command.add_argument("--data", metavar="PATH", help="folder of the corpus, or its manifest")
    command.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], dest="overrides", help="values that win over all files"
    )


def overrides_of(arguments: argparse.Namespace) -> list[str]:
    """`--corpus` and `--data` as key=value words, then those of `--set`.

    Raises:
        ConfigError: `--data` with a corpus that has no place on disk.
    """
    from elsa_lightning.config import did_you_mean
    from elsa_lightning.errors import ConfigError

    words = [f"data.corpus.name={arguments.corpus}"] if arguments.corpus else []
    if arguments.data:
        place = {"esc50": "root", "manifest": "path"}.get(arguments.corpus or "")
        if place is None and arguments.corpus not in (None, "foley"):
            known = ("foley", "esc50", "manifest")
            raise ConfigError(
                f"there is no corpus {arguments.corpus}{did_you_mean(arguments.corpus, known)}", f"corpora: {', '.join(known)}"
            )
        if place is None:
            lack = f"--data {arguments.data}: the corpus {arguments.corpus or 'foley'} needs no data"
            raise ConfigError(lack, "add --corpus esc50 or --corpus manifest")
        words.append(f"data.corpus.{place}={str(Path(arguments.data).expanduser())!r}")
    return words + arguments.overrides


def load(arguments: argparse.Namespace) -> Any:
    """The experiment that the command line names."""
    from elsa_lightning.config import load_experiment

    return load_experiment(arguments.experiment, arguments.profile, overrides=overrides_of(arguments))


def _show(arguments: argparse.Namespace) -> None:
    from elsa_lightning.explain import show

    print(show(load(arguments)), end="")


def _explain(arguments: argparse.Namespace) -> None:
    from elsa_lightning.explain import explain

    print(explain(arguments.key))


def _keys(arguments: argparse.Namespace) -> None:
    from elsa_lightning.explain import keys

    print(keys())
