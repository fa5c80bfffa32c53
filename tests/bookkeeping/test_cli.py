"""The command line: instant, torch-free where it only reads, one message per fault."""

import argparse
import os
import re
import subprocess
import sys

import pytest

from elsa_lightning import cli
from elsa_lightning.errors import RunError
from elsa_lightning.scheduler import Interrupted, Outcome

from .conftest import ROOT

PROBE = """
import sys
from elsa_lightning.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
heavy = sorted({"torch", "lightning", "transformers", "torchaudio"} & set(sys.modules))
print("HEAVY", heavy, "OMEGACONF", "omegaconf" in sys.modules, "CODE", code)
"""


def probe(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, check=True
    ).stdout


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--version",
        "table --help",
        "table list",
        "table show spatial_branch",
        "config show --profile desk",
        "config keys",
        "config explain seed",
        "table plan zero_shot_attributes --profile smoke --seeds 1",
    ],
)
def test_reading_commands_never_import_torch(line):
    output = probe(*line.split())
    assert "HEAVY [] " in output
    assert output.endswith("CODE 0\n")
    if "--" in line.split()[-1]:
        assert "OMEGACONF False" in output, "help needs no configuration"


@pytest.fixture
def main(monkeypatch, capsys):
    """Run a command in the repository's root; gives the exit code, standard output and error."""
    monkeypatch.chdir(ROOT)

    def main(*arguments):
        code = cli.main(arguments)
        return code, *capsys.readouterr()

    return main


def test_config_show_names_sources(main):
    code, out, _ = main("config", "show", "--profile", "desk", "--set", "optim.lr=1e-4", "trainer.steps=7")
    assert code == 0
    lines = {line.split("#")[0].strip(): line for line in out.splitlines()}
    assert "# command line" in lines["lr: 0.0001"] and "# command line" in lines["steps: 7"]
    assert any("# experiments/profiles/desk.yaml" in line for line in lines.values())


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("config show nothing.yaml", "nothing.yaml"),
        ("config show --profile dsk", "profiles: "),
        ("config show --set trainer.stpes=1", "trainer.steps"),
        ("config show --corpus esc50", "data.corpus.root"),
        ("config show --corpus foly", "did you mean `foley`"),
        ("config show --data here", "needs no data"),
        ("config show --corpus esc5 --data here", "there is no corpus esc5; did you mean `esc50`?"),
        ("config explain sed", "did you mean `seed`"),
        ("table show spatial_brunch", "did you mean `spatial_branch`"),
        ("table run spatial_branch --jobs 0", "--jobs"),
        ("table plan spatial_branch --seeds 99", "--seeds 99"),
        ("tensorboard --runs nowhere", "nowhere"),
        ("stage nowhere", "config.yaml"),
    ],
)
def test_faults_are_one_message_and_a_code(main, line, word):
    code, out, error = main(*line.split())
    assert code in (2, 3)
    assert not out
    assert error.startswith("elsa: ") and word in error and "→" in error and "Traceback" not in error


def test_exit_codes(main, monkeypatch):
    def raising(fault):
        def command(arguments):
            raise fault

        monkeypatch.setattr("elsa_lightning.cli_config._keys", command)
        return main("config", "keys")

    assert raising(RunError("no room", "make room"))[0] == 3
    code, _, error = raising(KeyboardInterrupt())
    assert code == 130 and "kept" in error
    code, _, error = raising(Interrupted("stopped: 3 of 4 stages"))
    assert code == 130 and "3 of 4" in error


def test_failures_are_printed_even_where_the_report_cannot_be_written(main, monkeypatch):
    def fail(made, arguments):
        raise RunError("no room for the report", "make room")

    outcome = Outcome(failed={"train/ab": "the loss is not finite"}, blocked={"embed/cd": "train/ab"})
    monkeypatch.setattr("elsa_lightning.scheduler.Scheduler.run", lambda scheduler: outcome)
    monkeypatch.setattr("elsa_lightning.cli_table.write_report", fail)
    code, out, error = main("table", "run", "zero_shot_attributes", "--profile", "smoke", "--seeds", "1", "--jobs", "1")
    assert code == 3 and "FAILED train/ab\nthe loss is not finite" in out and "not run: embed/cd" in out
    assert "no room for the report" in error


def named_commands():
    """(file, words) of every `elsa …` in the sources and pages, `a | b` as two."""
    pages = [*(ROOT / "src").rglob("*.py"), ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "Makefile", ROOT / ".ci" / "run"]
    for path in pages:
        for text in re.findall(r"(?:`|^|/|→ )elsa ((?!:)[a-z][^`\n]*)", path.read_text(), re.MULTILINE):
            group, *rest = re.split(r"\s{2,}", text)[0].split()
            choices = [word for i, word in enumerate(rest) if rest[max(0, i - 1)] == "|" or rest[i + 1 : i + 2] == ["|"]]
            for choice in [word for word in choices if word != "|"] or rest[:1] or [""]:
                own = rest[: rest.index("--")] if "--" in rest else rest  # what follows is another command's
                options = [word.partition("=")[0] for word in own if word.startswith("--") and "|" not in rest]
                yield pytest.param(group, choice, options, id=f"{path.name}: {group} {choice}")


def subcommands(parser):
    """Name → parser of what comes next on the command line."""
    return next((action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)), {})


@pytest.mark.parametrize(("group", "choice", "options"), list(named_commands()))
def test_commands_that_texts_name_exist(group, choice, options):
    known = subcommands(cli.parser())
    for name in [group, choice] if choice == "|" or choice in known else [group]:
        assert name in known
    parser = known[group]
    if subcommands(parser) and choice:
        assert choice in subcommands(parser)
        parser = subcommands(parser)[choice]
    assert set(options) <= set(parser._option_string_actions)


def test_data_paths_with_spaces_and_signs(main):
    code, out, _ = main("config", "show", "--corpus", "esc50", "--data", "/some where/it's: here")
    assert code == 0
    assert '''root: "/some where/it's: here"''' in out


@pytest.mark.parametrize(
    ("text", "ok"), [("6x5x3", True), ("6.5X5x3", True), ("6x5", False), ("0x1x1", False), ("axbxc", False), ("-1x2x3", False)]
)
def test_room_sizes(text, ok):
    parser = cli.parser()
    if ok:
        assert len(parser.parse_args(["spatialize", "a.wav", "b.wav", "--room", text]).room) == 3
    else:
        with pytest.raises(SystemExit):
            parser.parse_args(["spatialize", "a.wav", "b.wav", "--room", text])
