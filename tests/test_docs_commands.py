"""The commands of all pages: `elsa` commands are parsed with their keys and values resolved, `make` targets expanded into them.

Cheap ones whose input a page itself has made also run: see `RUN`. The rest is not run, for the reasons in `NOT_RUN`; commands that match
neither fail here, so that a new one must be decided on.
"""

import itertools
import os
import re
import shlex
import shutil
import subprocess

import pytest

import pages
from elsa_lightning import cli
from elsa_lightning.config import load_experiment
from test_docs import model_folder, reader_folder  # noqa: F401 (fixtures)

NOT_RUN = {
    "elsa table run": "trains for minutes to hours; .ci/run runs a table by `make smoke`",
    "elsa sweep": "goes on with what planning has made, or submits; tests/bookkeeping/test_sweep_*.py, and tests/slurm on a real cluster",
    "elsa train": "trains; tests/stages and .ci/run do, at the smoke scale",
    "elsa model graphs": "traces two towers; tests/api/test_graphs.py does, of a small model",
    "elsa demo": "serves until it is stopped; tests/demo",
    "elsa rooms": "needs measured responses, or simulates a bank; tests/test_rooms_import_command.py, tests/test_rooms_command.py",
    "elsa data download": "asks a server; tests/data/download has a local one",
    "elsa data prepare": "needs the corpus on the disk; tests/data/layouts has miniatures",
    "elsa data coverage": "needs the corpus on the disk; tests/data/trust has miniatures",
    "elsa data cache": "needs the corpus on the disk; tests/data/pcm has miniatures",
    "elsa data segments": "needs the corpus on the disk; tests/data/recorded has miniatures",
    "elsa data doctor": "needs the corpus on the disk; tests/data/doctor has miniatures",
    "elsa data rewrite": "needs a language model; tests/captions has a stub",
    "elsa data rewrite-tasks": "simulates the rooms of a training; tests/data/test_rewritten_captions.py",
    "elsa data verify-captions": "reads what a language model wrote; tests/captions",
    "elsa data render": "renders three splits; tests/data/export does, of a small one",
    "elsa data verify": "simulates what render wrote; tests/data/export",
    "elsa data check --corpus manifest --data clotho.jsonl": "needs the corpus on the disk; tests/data/trust has miniatures",
}
"""Beginning of a command → why it is only parsed."""

RUN = {
    "elsa config": "",
    "elsa table show": "",
    "elsa table plan": "",
    "elsa data check --corpus manifest --data mine.jsonl": "",
    "elsa data summary mine.jsonl": "",
    "elsa spatialize dog.wav": "",
    "elsa index": "",
    "mkdir": "",
}
"""Beginning of a command that runs, in the folder in which its page's other blocks have."""

NOT_OURS = {
    "python3": "another program's environment (aac-metrics needs a network)",
    "aac/bin/pip": "needs a network",
    "aac/bin/aac-metrics-download": "needs a network",
    "hf": "the hub's own program; needs a network",
    "apt-get": "installs SLURM; .ci/run does",
    "export": "starts a cluster; tests/slurm does",
    "python": "stops a cluster; tests/slurm does",
}
"""Programs that are not of this package."""

PLACE = {"manifest": "path", "esc50": "root"}
"""Corpus on the reader's disk → its key."""

SHELL = [(page, block.line, words) for page in pages.PAGES for block in pages.blocks(page, "sh") for words in pages.commands(block)]
MAKE = sorted({tuple(words) for _, _, words in SHELL if words[0] == "make"})


def begins(words, beginnings):
    """The longest of the beginnings with which a command begins."""
    text = " ".join(words) + " "
    return max((start for start in beginnings if text.startswith(start + " ")), key=len, default=None)


def check_elsa(words):
    """A command of ours parses, and its keys and values exist."""
    try:
        parsed = cli.parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"elsa {' '.join(words)} does not parse")
    if hasattr(parsed, "overrides"):  # the corpus is named, but where it lies on the reader's disk is not looked at
        named = str(getattr(parsed, "experiment", ""))
        experiment = pages.ROOT / (named if named.endswith(".yaml") else "experiments/elsa.yaml")
        corpus = [f"data.corpus.name={parsed.corpus}", f"data.corpus.{PLACE[parsed.corpus]}=there"] if parsed.corpus in PLACE else []
        load_experiment(experiment, profile=parsed.profile, overrides=[*corpus, *parsed.overrides])


def test_every_command_is_run_or_excused():
    assert len(SHELL) > 40
    for page, line, words in SHELL:
        ours = words[0] in ("make", "--set") or words[0] in NOT_OURS or begins(words, {**NOT_RUN, **RUN})
        assert ours, f"{page}:{line}: run `{' '.join(words)}` (RUN) or say why not (NOT_RUN)"


def test_no_excuse_is_left_over():
    said = [words for _, _, words in SHELL]
    expanded = [words for command in MAKE for words in expansion(command)]
    for start in [*NOT_RUN, *NOT_OURS, *RUN]:
        assert any(begins(words, [start]) for words in said + expanded), f"no page has a command `{start} …`"


def expansion(command):
    """The `elsa` commands that a make command would run."""
    bare = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "ARGS")}
    done = subprocess.run(["make", "-n", *command[1:]], cwd=pages.ROOT, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("\\\n", " ").splitlines()
    return [["elsa", *shlex.split(line.partition("bin/elsa ")[2])] for line in lines if re.match(r"\S*bin/elsa ", line)]


@pytest.mark.parametrize("command", MAKE, ids=lambda command: " ".join(command[1:]))
def test_a_make_command_expands_into_commands_of_ours(command):
    targets = re.findall(r"^([a-z-]+):.*## ", (pages.ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [word for word in command[1:] if "=" not in word]
    assert set(named) <= set(targets), f"no target {named}"
    for words in expansion(command):
        check_elsa(words[1:])


@pytest.mark.parametrize(("page", "line", "words"), SHELL, ids=lambda value: str(value) if isinstance(value, str | int) else "")
def test_a_command_parses_with_its_keys(page, line, words):
    if words[0] == "elsa":
        check_elsa(words[1:])
    elif words[0] == "--set":
        check_elsa(["config", "show", "experiments/elsa.yaml", *words])


PAGES_THAT_RUN = sorted({page for page, _, words in SHELL if begins(words, RUN) and not begins(words, NOT_RUN)})


@pytest.mark.parametrize("page", PAGES_THAT_RUN)
def test_the_cheap_commands_of_a_page_run(page, reader_folder, capsys):  # noqa: F811
    if page == "README.md":  # its reader has recordings
        (reader_folder / "recordings").mkdir()
        shutil.copy("yard.wav", "recordings")
    names = {"__name__": "page"}
    for block in pages.blocks(page):
        if block.language == "python":
            exec(compile(block.code, page, "exec"), names)
        elif block.language == "yaml":
            (reader_folder / block.code.splitlines()[0].removeprefix("# ")).write_text(block.code)
        for words in pages.commands(block) if block.language == "sh" else ():
            if words[0] == "mkdir":
                (reader_folder / words[1]).mkdir()
            elif begins(words, {**NOT_RUN, **RUN}) in RUN:
                assert cli.main(words[1:]) == 0, f"{page}: {' '.join(words)}: {capsys.readouterr().err}"


def test_the_synopsis_names_commands_that_there_are():
    (synopsis,) = [block.code for block in pages.blocks("docs/commands.md", "text") if block.code.startswith("elsa table")]
    for line in synopsis.splitlines():
        head, *others = [part.strip() for part in re.split(r"\s{2,}", line)[0].split("|")]
        command = list(itertools.takewhile(re.compile("[a-z-]+").fullmatch, head.split()))[1:]
        for last in [command[-1], *(other.split()[0] for other in others)]:
            with pytest.raises(SystemExit) as stop:
                cli.parser().parse_args([*command[:-1], last, "--help"])
            assert stop.value.code == 0, line


def test_the_tree_of_the_readme_is_there():
    (tree,) = [block.code for block in pages.blocks("README.md", "text") if block.code.startswith("experiments/")]
    names = re.findall(r"(?:^|\s{2,})([a-z_]+/|[a-z_]+\.py)(?=\s|$)", tree, re.MULTILINE)
    assert len(names) > 10
    for name in names:
        assert (pages.ROOT / name).exists() or (pages.ROOT / "src/elsa_lightning" / name).exists(), name
