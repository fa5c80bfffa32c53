"""Files around the package that nothing else reads: citation, workflow, hooks, navigation. Each must agree with what it names."""

import importlib.util
import pathlib
import re

import pytest
import yaml

from elsa_lightning.version import __version__

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
CALL = re.compile(r"^(?:      - run: )?(?:[A-Z_]+=\S+ )?make ([a-z-]+)", re.MULTILINE)


def read(name):
    return yaml.safe_load((ROOT / name).read_text())


def test_the_citation_names_this_version():
    cited = read("CITATION.cff")
    assert str(cited["version"]) == __version__ and cited["license"] == "Apache-2.0" and len(cited["preferred-citation"]["authors"]) == 8


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".ci/run"])
def test_ci_calls_make_targets_that_there_are(name):
    called = CALL.findall((ROOT / name).read_text())
    assert len(called) >= 5 and set(called) <= TARGETS


def test_the_public_workflow_leaves_out_nothing_that_ci_runs():
    public, ours = (set(CALL.findall((ROOT / name).read_text())) for name in (".github/workflows/ci.yml", ".ci/run"))
    assert ours - {"plan"} <= public


def test_the_hooks_run_what_setup_installs():
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert {"ruff-check", "ruff-format"} <= {hook["id"] for hook in hooks}
    assert all(hook["language"] in ("system", "pygrep") for hook in hooks), "nothing is fetched"


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    for path in (ROOT / "docs").rglob("*.md"):
        assert path.relative_to(ROOT / "docs").as_posix() in text, f"{path} has no entry in mkdocs.yml"


def test_every_target_is_explained_and_phony():
    phony = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    assert phony == TARGETS


def test_the_readmes_results_are_those_of_results():
    text = (ROOT / "README.md").read_text()
    spec = importlib.util.spec_from_file_location("readme_results", ROOT / "docs" / "readme_results.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.START in text and "±" in script.block()
    assert script.with_results(text) == text, "run python docs/readme_results.py"
