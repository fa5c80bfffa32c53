"""The command line: instant, torch-free where it only reads, one message per fault."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from elsa_lightning import cli
from elsa_lightning.errors import RunError
from elsa_lightning.scheduler import Interrupted

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
