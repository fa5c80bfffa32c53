"""The direction of imports, read from the source; and what must never import torch."""

import ast
import pathlib
import subprocess
import sys

import pytest

SRC = pathlib.Path(__file__).parents[1] / "src" / "elsa_lightning"
FILES = sorted(SRC.rglob("*.py"))

TORCH_FREE = {
    "schema",
    "schema_evaluation",
    "schema_slurm",
    "search_space",
    "pending",
    "typed_values",
    "cli_sweep",
    "cli_shards",
    "cli_rooms_parts",
    "bootstrap",
    "checks_evaluation",
    "errors",
    "config",
    "layers",
    "checks",
    "explain",
    "runs",
    "ranks",
    "tables",
    "table_file",
    "stages_plan",
    "report",
    "report_bootstrap",
    "report_export",
    "report_publish",
    "report_summary",
    "table_checks",
    "table_index",
    "table_suite",
    "cli_table",
    "cli_table_all",
    "scheduler",
    "cli",
    "cli_bench",
    "cli_cache",
    "cli_data",
    "cli_demo",
    "cli_doctor",
    "cli_download",
    "cli_index",
    "cli_model",
    "cli_prepare",
    "cli_progress",
    "cli_recorded",
    "cli_render",
    "cli_rewrite",
    "cli_rooms",
    "cli_rooms_import",
    "cli_trust",
    "atomic",
    "locks",
    "measured_rooms",
    "watching",
    "lifetime",
    "requeue",
    "event_files",
    "integrity",
    "provenance",
    "verdicts",
    "weights",
    "corpora",
    "report_markdown",
    "report_terminal",
    "tensorboard_report",
    "tensorboard_projector",
    "tensorboard_view",
}
TORCH_FREE_PACKAGES = {
    "figures",
    "figures.breakdown",
    "figures.confusion",
    "figures.curves",
    "figures.embedding_map",
    "figures.pipeline",
    "figures.swap",
    "foley",
    "api.answers",
    "api.audio",
    "api.card",
    "api.config_file",
    "api.sources",
    "api.windows",
    "captions",
    "data.download.get",
    "demo.pictures",
    "data.manifest_parquet",
    "data.manifest_rows",
    "data.readers",
    "data.doctor",
    "data.layouts",
    "data.pcm",
    "data.recorded",
    "data.trust",
    "search.index_folder",
    "sweep.arrays",
    "sweep.frozen",
    "sweep.plan_file",
    "sweep.queue",
    "sweep.resources",
    "sweep.script",
    "sweep.shards",
    "sweep.snapshot",
    "sweep.status",
    "sweep.submit",
    "sweep.task",
}

_PLAIN = {"errors", "schema", "config", "atomic", "version", "weights"}
_MACHINE = {"atomic", "lifetime", "locks", "provenance"}
MAY_IMPORT = {
    "acoustics": {"errors", "schema", "seeding", "atomic"},
    "features": {"errors", "schema", "seeding", "acoustics"},
    "foley": {"errors", "schema", "seeding"},
    "captions": {"errors", "schema", "seeding"},
    "losses": {"errors", "schema", "seeding", "acoustics"},
    "evaluators": {"errors", "schema", "schema_evaluation", "seeding", "bootstrap", "captions", "losses", "metrics", "training"},
    "metrics": {"errors", "schema", "seeding", "acoustics", "losses"},
    "data": {*_MACHINE, "errors", "schema", "seeding", "version", "acoustics", "features", "captions", "foley"},
    "models": {"errors", "schema", "seeding", "weights", "acoustics", "features"},
    "api": {*_PLAIN, "acoustics", "features", "captions", "losses", "models", "data"},
    "search": {*_PLAIN, "data", "api"},
    "demo": {*_PLAIN, "acoustics", "foley", "data", "api"},
}
"""Package → what it may import besides itself."""


def imports_of(path):
    """Dotted names of the package's modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("elsa_lightning"):
            names = node.module.split(".")[1:]
            yield from [names[0]] if names else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("elsa_lightning."))


def top_level_modules(path):
    """First parts of the modules that a file imports when it is imported (not inside functions)."""
    body = ast.parse(path.read_text()).body
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_there_is_something_to_check():
    assert len(FILES) > 60


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_go_one_way(package):
    for path in (SRC / package).rglob("*.py"):
        foreign = set(imports_of(path)) - MAY_IMPORT[package] - {package}
        assert not foreign, f"{path.relative_to(SRC)} imports {', '.join(sorted(foreign))}"


def test_only_training_stages_and_the_datamodule_import_lightning():
    for path in FILES:
        name = path.relative_to(SRC).as_posix()
        if not name.startswith(("training/", "stages/")) and name != "data/datamodule.py":
            assert "lightning" not in set(top_level_modules(path)), f"{name} imports lightning"


def test_planning_and_text_never_import_torch():
    modules = [f"elsa_lightning.{name}" for name in sorted(TORCH_FREE | TORCH_FREE_PACKAGES)]
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_stages_that_train_nothing_start_without_lightning():
    """Its import takes seconds of processor time, and every run has three of these stages."""
    code = (
        "import sys; from elsa_lightning.stages.execute import work_of; [work_of(n) for n in NAMES]; sys.exit('lightning' in sys.modules)"
    )
    names = ["rooms", "features_train", "features_eval", "third_octaves", "room_ranges", "word_rules", "architecture", "data_summary"]
    assert subprocess.run([sys.executable, "-c", code.replace("NAMES", repr(names))], check=False).returncode == 0


def test_every_planned_stage_has_its_work():
    from elsa_lightning.stages.execute import WORK, work_of

    assert all(callable(work_of(name)) for name in WORK)


def test_no_file_is_longer_than_the_hard_cap():
    long = {path.relative_to(SRC).as_posix(): n for path in FILES if (n := len(path.read_text().splitlines())) > 400}
    assert not long
