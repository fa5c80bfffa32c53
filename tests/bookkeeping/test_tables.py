"""Table files: typed, checked early, and planned; every file of the repository resolves."""

import re
from fnmatch import fnmatch

import pytest
import yaml

from elsa_lightning.checks import leaves
from elsa_lightning.config import get, load_experiment
from elsa_lightning.errors import ConfigError
from elsa_lightning.stages_plan import PRODUCERS
from elsa_lightning.table_file import find_table, load_table
from elsa_lightning.tables import describe, parse_seeds, plan, resolve_row

from .conftest import EXPERIMENT, ROOT, TABLE

EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
PROFILES = sorted((ROOT / "experiments" / "profiles").glob("*.yaml"))
TABLES = sorted((ROOT / "ablations").glob("*.yaml"))


def test_there_are_files():
    assert EXPERIMENT in EXPERIMENTS
    assert {"smoke", "desk"} <= {path.stem for path in PROFILES}
    assert {"spatial_branch", "zero_shot_attributes"} <= {path.stem for path in TABLES}


@pytest.mark.parametrize("profile", [None, *(path.stem for path in PROFILES)])
@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_resolves(path, profile):
    assert load_experiment(path, profile).experiment.name


@pytest.mark.parametrize("profile", [None, *(path.stem for path in PROFILES)])
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_table_plans(path, profile):
    table = load_table(path)
    if table.profile and table.profile != profile:
        pytest.skip(f"a table about the profile {table.profile}")
    made = plan(table, profile, lambda corpus: "c0ffee", seeds=[0])
    assert made.stages[0].stage == ("rooms" if table.kind == "runs" or PRODUCERS[table.stage] else table.stage)
    assert {stages[-1].stage for stages in made.runs.values()} == {table.stage}
    assert describe(made.table)


def test_the_full_row_is_trained_once_for_both_tables():
    branch, attributes = (
        plan(load_table(ROOT / "ablations" / f"{name}.yaml"), "desk", lambda corpus: "c0ffee", seeds=[0])
        for name in ("spatial_branch", "zero_shot_attributes")
    )
    assert attributes.runs["elsa", 0] == branch.runs["learned_spatial", 0]
    trained = {row: stages[-3].fingerprint for (row, _), stages in branch.runs.items()}
    assert len(set(trained.values())) == len(trained), "rows differ in training"
    assert len({ref.fingerprint for ref in branch.stages if ref.stage == "features_eval"}) == 1
    assert branch.runs["learned_spatial_literal", 0][-1].experiment.rooms.elevation_balance == 1.0


def test_rows_multiply_with_a_grid(write, experiment_file):
    text = TABLE.format(base="../experiments/small.yaml") + "grid: {optim.lr: [0.1, 0.2]}\n"
    text = text[: text.index("claims:")] + "grid: {optim.lr: [0.1, 0.2], seed: [0]}\n"
    table = load_table(write("ablations/tiny.yaml", text))
    assert [row.id for row in table.rows][:2] == ["static_lr=0.1_seed=0", "static_lr=0.2_seed=0"]
    assert resolve_row(table, table.rows[1], None, 0).experiment.optim.lr == 0.2


def test_layers_of_a_row(table):
    resolved = resolve_row(table, table.row("static"), None, 1, ["optim.lr=0.5"])
    assert resolved.experiment.seed == 1 and resolved.experiment.optim.lr == 0.5
    assert resolved.sources["model.spatial.name"].endswith("tiny.yaml, row static")
    assert resolved.sources["seed"] == "seed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title:", "titel:", ["titel", "did you mean `title`"]),
        ("better: lower", "beter: lower", ["column", "did you mean `better`"]),
        ("better: lower", "better: low", ["did you mean `lower`"]),
        ("digits: 1", "digits: one", ["digits", "whole number"]),
        ("left: learned", "left: lerned", ["did you mean `learned`"]),
        ('op: "~"', 'op: "="', ["op"]),
        ("right: static, key: retrieval/map10", "right: static, key: retrieval/map", ["did you mean `retrieval/map10`"]),
        ("right: static, key: localization", "right: rival, key: localization", ["rival"]),
        ("standing: unconfirmed", "standing: unknown", ["standing", "printed"]),
        ("row: static", "row: none", ["floor: row"]),
        ("id: learned", "id: static", ["twice"]),
        ("table: tiny", "table: other", ["tiny.yaml"]),
        ("source: nowhere", "", ["lacks `source`"]),
        ("seeds: [0, 1]", "seeds: 3", ["seeds", "not a list"]),
        ("base: ../experiments/small.yaml", "", ["base"]),
    ],
)
def test_faults_of_a_table_file_are_named(write, experiment_file, old, new, words):
    text = TABLE.format(base="../experiments/small.yaml")
    assert old in text
    with pytest.raises(ConfigError) as caught:
        load_table(write("ablations/tiny.yaml", text.replace(old, new, 1)))
    for word in [*words, "tiny.yaml"]:
        assert word in str(caught.value)


def test_a_rows_misspelt_override_is_found_by_show_and_plan(write, experiment_file):
    text = TABLE.format(base="../experiments/small.yaml").replace("model.spatial.name", "model.spatial.nmae")
    table = load_table(write("ablations/tiny.yaml", text))
    for check in (lambda: describe(table), lambda: plan(table, None, lambda corpus: "")):
        with pytest.raises(ConfigError, match=r"row static.*model\.spatial\.name"):
            check()


def test_seeds(table):
    assert parse_seeds("1", table) == [0]
    assert parse_seeds("2", table) == [0, 1]
    assert parse_seeds("1,5,1", table) == [1, 5]
    assert parse_seeds("4,", table) == [4]
    for text in ("3", "0", "x", "", ","):
        with pytest.raises(ConfigError, match="--seeds"):
            parse_seeds(text, table)


def test_a_report_that_differs_from_the_tables_own_has_another_name(table):
    def name(seeds=(), overrides=()):
        return plan(table, "paper", lambda corpus: "", seeds, overrides).name

    assert name() == name([1, 0]) == "tiny.paper.foley"
    assert name([0]) == "tiny.paper.foley.seeds-0" and name([0, 7]) == "tiny.paper.foley.seeds-0-7"
    assert name(overrides=["data.corpus.name=foley", "data.workers=3"]) == name(), "the corpus is named anyway, workers change nothing"
    changed = name(overrides=["optim.lr=1e-4"])
    assert re.fullmatch(r"tiny\.paper\.foley\.set-[0-9a-f]{6}", changed)
    assert changed == name(overrides=["optim.lr=0.0001"]) != name(overrides=["optim.lr=1e-5"])
    ignored = (ROOT / ".gitignore").read_text().split()
    assert any(fnmatch(f"results/{name([0])}.json", pattern) for pattern in ignored)
    assert not any(fnmatch(f"results/{name()}.json", pattern) for pattern in ignored)


def test_unknown_table_names_the_nearest():
    with pytest.raises(ConfigError, match="spatial_branch"):
        find_table("spatial_brunch")


def test_the_papers_figures_are_those_of_the_reference():
    """Cells of A4 and T2 as shared/reference/paper.md prints them, with their standings; what it leaves open stays open."""
    branch = {row.id: row.paper for row in load_table(ROOT / "ablations" / "spatial_branch.yaml").rows}
    cells = {row: [(figure.value, figure.standing) for figure in paper.values()] for row, paper in branch.items() if paper}
    unconfirmed = "unconfirmed"
    assert cells == {
        "learned_clip": [(27.4, unconfirmed), (54.3, unconfirmed), (24.93, unconfirmed)],
        "learned_spatial": [(23.2, unconfirmed), (47.7, unconfirmed), (24.81, unconfirmed)],
    }
    rows = yaml.safe_load((ROOT / "ablations" / "zero_shot_attributes.yaml").read_text())["rows"]
    cells = {row["id"]: "".join(f"{f['value']}{f['standing'][0]} " for f in row.get("paper", {}).values()) for row in rows}
    assert cells == {
        "elsa": "",
        "elsa_clotho": "96.0u 92.0p 100.0u 76.6u 100.0u ",
        "elsa_audiocaps": "92.9u 92.8p 100.0u 74.7p 83.3u ",
        "elsa_real": "67.1p 35.8p 72.1p ",
        "clap": "",
        "chance": "",
        "clap_clotho": "48.0p 28.2p ",
        "clap_audiocaps": "29.3p ",
        "clap_real": "27.3p ",
    }


def test_a_table_about_one_profile_refuses_others():
    table = load_table(ROOT / "ablations" / "desk_recipe.yaml")
    with pytest.raises(ConfigError, match="about the profile desk, not paper"):
        plan(table, None, lambda corpus: "c0ffee")


def test_every_part_of_the_desk_recipe_makes_a_difference():
    """`full` is the full row of spatial_branch, and each other row trains something else."""
    recipe, branch = (load_table(ROOT / "ablations" / f"{name}.yaml") for name in ("desk_recipe", "spatial_branch"))
    plans = [plan(table, "desk", lambda corpus: "c0ffee", seeds=[0]).runs for table in (recipe, branch)]
    trained = {row: {ref.stage: ref.fingerprint for ref in stages}["train"] for (row, _), stages in plans[0].items()}
    assert len(set(trained.values())) == len(trained) == 9
    assert plans[0]["full", 0][-1].run_id == plans[1]["learned_spatial", 0][-1].run_id


def test_the_literal_row_is_the_papers_experiment_but_for_the_bands():
    table = load_table(ROOT / "ablations" / "modern_recipe.yaml")
    literal = dict(leaves(resolve_row(table, table.row("literal"), None, 0).experiment))
    paper = dict(leaves(load_experiment(ROOT / "experiments" / "elsa.yaml").experiment))
    assert {key for key in paper if paper[key] != literal[key]} == {"name", "features.intensity.bands"}


def test_every_difference_of_the_modern_recipe_has_its_row():
    """A row takes a part away to what `literal` has, and together they take away everything in which the two recipes differ."""
    table = load_table(ROOT / "ablations" / "modern_recipe.yaml")
    modern, literal = (resolve_row(table, table.row(name), None, 0).experiment for name in ("modern", "literal"))
    differ = {key for key, value in leaves(modern) if value != get(literal, key)}
    taken = {
        key: value for row in table.rows if row.id not in ("literal", "modern") and not row.needs for key, value in row.overrides.items()
    }
    assert differ == taken.keys() - {"data.mono_share"} == table.row("literal").overrides.keys() - {"data.mono_share"}
    assert all(value == get(literal, key) for key, value in taken.items())


def test_every_row_of_the_modern_recipe_trains_something_else_on_the_desk():
    plans = plan(load_table(ROOT / "ablations" / "modern_recipe.yaml"), "desk", lambda corpus: "c0ffee", seeds=[0]).runs
    trained = {row: {ref.stage: ref.fingerprint for ref in stages}["train"] for (row, _), stages in plans.items()}
    assert len(set(trained.values())) == len(trained) == 16


def test_some_rows_alone_are_planned_as_in_the_whole_table(table):
    whole, part = plan(table, None, lambda corpus: "c0ffee"), plan(table, None, lambda corpus: "c0ffee", rows=[table.rows[0].id])
    assert {key: whole.runs[key] for key in part.runs} == part.runs and {row for row, _ in part.runs} == {table.rows[0].id}
    assert part.name == f"{whole.name}.rows-{table.rows[0].id}"
    assert all(claim.left == table.rows[0].id for claim in part.table.claims) and len(part.table.claims) < len(table.claims)
    assert plan(table, None, lambda corpus: "c0ffee", rows=[row.id for row in table.rows]).name == whole.name
    with pytest.raises(ConfigError, match="no row lerned"):
        plan(table, None, lambda corpus: "c0ffee", rows=["lerned"])
