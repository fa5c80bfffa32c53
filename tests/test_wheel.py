"""The wheel: built, installed into an empty environment, and run there with the core's own dependencies alone.

To be cheap, the dependencies are those of this environment: a finder in the new one lets only the modules of distributions pass that the
wheel declares without extras, and what these need. So a module that needs an extra when it is imported fails here, as it would for a user.
"""

import email
import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
from install_size import needed  # noqa: E402

FINDER = '''
import json, pathlib, sys
from importlib.machinery import PathFinder

CORE = {*json.loads(pathlib.Path(__file__).with_name("core.json").read_text()), *sys.stdlib_module_names}

class OnlyCore:
    """Finds what the path has, but modules of other distributions are not there."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, path, target) if name.partition(".")[0] in CORE else None

sys.meta_path[:] = [OnlyCore if finder is PathFinder else finder for finder in sys.meta_path]
'''
EVERY = """
import importlib, json, pkgutil, elsa_lightning
names = [m.name for m in pkgutil.walk_packages(elsa_lightning.__path__, "elsa_lightning.") if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(json.dumps([len(names), elsa_lightning.__file__]))
"""


def run(*words, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # which would show the source
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, env=environment, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without a network by the setuptools that is there, from a copy of the source, as building leaves files in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def empty(wheel, tmp_path_factory):
    """Python of a new environment that holds the wheel, and sees the core's dependencies."""
    folder = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (about,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")]
    declared = email.message_from_bytes(zipfile.ZipFile(wheel).read(about)).get_all("Requires-Dist")
    core = needed(declared)
    names = {top for top, owners in metadata.packages_distributions().items() if core & {o.lower().replace("_", "-") for o in owners}}
    (packages / "core.json").write_text(json.dumps(sorted(names | {"elsa_lightning", "only_core"})))
    (packages / "only_core.py").write_text(FINDER)
    shared = pathlib.Path(metadata.distribution("torch").locate_file(""))
    (packages / "shared.pth").write_text(f"{shared}\nimport only_core\n")
    return python


def test_the_wheel_holds_the_package_and_its_data(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    source = [path for path in (ROOT / "src/elsa_lightning").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(source) > 200 and {path.relative_to(ROOT / "src").as_posix() for path in source} <= held
    assert not [name for name in held if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_the_command_runs_in_an_empty_environment(empty):
    assert run(empty.with_name("elsa"), "--version").split()[0] == "elsa-lightning"
    assert "COMMAND" in run(empty.with_name("elsa"), "--help")


def test_every_module_imports_with_the_cores_own_dependencies(empty, tmp_path):
    count, place = json.loads(run(empty, "-c", EVERY, cwd=tmp_path).splitlines()[-1])
    assert count > 200 and str(empty.parents[1]) in place
    refused = subprocess.run([empty, "-c", "import matplotlib"], capture_output=True, text=True)
    assert refused.returncode == 1 and "ModuleNotFoundError" in refused.stderr  # the finder does refuse


def test_starting_imports_no_torch():
    code = "import sys, elsa_lightning, elsa_lightning.cli as c; c.parser().format_help(); print('torch' in sys.modules)"
    assert run(sys.executable, "-c", code).strip() == "False"
