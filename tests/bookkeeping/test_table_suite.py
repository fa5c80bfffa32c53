"""All tables at once: what is shared, what fails, what is written; the index; exports; the page of results."""

import csv
import functools
import io
import json

import numpy as np
import pytest

from elsa_lightning.atomic import write_json
from elsa_lightning.bootstrap import Scores, write_scores
from elsa_lightning.cli import main
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.report import collect
from elsa_lightning.report_export import CSV_FIELDS, escape, export, report_path
from elsa_lightning.report_markdown import claim_lines, render
from elsa_lightning.report_summary import anchor, read_aloud, summary
from elsa_lightning.scheduler import Outcome, Scheduler
from elsa_lightning.table_file import load_table
from elsa_lightning.table_index import index
from elsa_lightning.table_suite import plan_all, seeds_of
from elsa_lightning.tables import plan as plan_table

from .conftest import ROOT, TABLE

FACTS = """
table: facts
title: Facts & figures
source: "arXiv, appendix"
base: ../experiments/small.yaml
kind: facts
stage: architecture
reading: "There are [[spatial parameters]] of them."
columns: [{key: parameters, label: "Parameters, M", digits: 2, scale: 1.0e-6}]
rows:
  - {id: spatial, label: "Spatial branch", paper: {parameters: {value: 0.49, standing: printed}}}
  - {id: text, label: "Text"}
"""
NEEDY = """
table: needy
title: Needs a file
source: ours
base: ../experiments/small.yaml
columns: [{key: retrieval/map10, label: mAP}]
rows:
  - {id: template, label: Template}
  - {id: rewritten, label: Rewritten, needs: {captions.rewrites: "make it"}}
  - {id: chance, label: Guessing, metrics: {retrieval/map10: chance/map10}}
claims: [{left: rewritten, op: ">", right: template, key: retrieval/map10}]
"""


@pytest.fixture
def folder(write, experiment_file):
    """Three tables that share runs, and one that is about another profile."""
    write("ablations/tiny.yaml", TABLE.format(base="../experiments/small.yaml"))
    write("ablations/other.yaml", TABLE.format(base="../experiments/small.yaml").replace("table: tiny", "table: other\nprofile: desk"))
    write("ablations/needy.yaml", NEEDY)
    return write("ablations/facts.yaml", FACTS).parent


@pytest.fixture
def suite(folder):
    return plan_all(sorted(folder.glob("*.yaml")), None, lambda corpus: "c0ffee", "1")


def finish(runs, refs, **metrics):
    for ref in refs:
        path = runs / ref.run_id
        path.mkdir(parents=True, exist_ok=True)
        if ref.stage in ("evaluate", "architecture"):
            write_json(path / "metrics.json", {"metrics": metrics, "meta": {}})
        write_json(path / "done.json", {"seconds": 30.0, "finished": 1.7e9})


def test_equal_stages_of_tables_are_run_once(suite):
    assert [one.table.table for one in suite.plans] == ["facts", "needy", "tiny"]
    assert suite.faults == {} and suite.skipped == {"other": "it is about the profile desk"}
    by_table = {one.table.table: one for one in suite.plans}
    shared = by_table["tiny"].runs["learned", 0]
    assert by_table["needy"].runs["template", 0] == shared, "the full row is the other table's"
    # rooms, train, embed, evaluate of static and of learned, template and guessing, rooms shared; architecture for two rows of facts
    assert suite.counts() == (2 * 4 + 2 * 4 + 2, 4 + 3 + 1) and suite.counts("train") == (4, 2)
    assert "18 stages; 8 are run, each once: 10 runs saved, 2 trainings among them (2 are left of 4)" in suite.summary()
    names = [ref.run_id for ref in suite.stages]
    assert len(set(names)) == len(names)


def test_a_table_that_cannot_be_planned_does_not_stop_the_others(folder):
    (folder / "broken.yaml").write_text("table: broken\n")
    suite = plan_all(sorted(folder.glob("*.yaml")), None, lambda corpus: "c0ffee", "1")
    assert list(suite.faults) == ["broken"] and len(suite.plans) == 3


def test_tables_hit_by_a_failed_stage_are_named(suite):
    tiny = next(one for one in suite.plans if one.table.table == "tiny")
    train = next(ref.run_id for ref in tiny.runs["static", 0] if ref.stage == "train")
    after = {ref.run_id: train for ref in tiny.runs["static", 0] if ref.stage in ("embed", "evaluate")}
    assert suite.hit_by(Outcome(failed={train: "why"}, blocked=after)) == {"tiny": train}


def test_fewer_seeds_than_asked_for(folder):
    table = load_table(folder / "tiny.yaml")
    assert list(seeds_of("3", table)) == [0, 1] and list(seeds_of("1", table)) == [0] and list(seeds_of("0,7", table)) == [0, 7]


def test_the_command_line_runs_all_tables_and_goes_on_after_a_failure(folder, tmp_path, stub, monkeypatch, capsys, executed):
    monkeypatch.setattr(
        "elsa_lightning.scheduler.Scheduler.__init__", functools.partialmethod(Scheduler.__init__, command=stub, poll_s=0.02)
    )
    monkeypatch.setattr("elsa_lightning.corpora.content_hash", lambda cfg: "c0ffee")
    monkeypatch.setattr(
        "elsa_lightning.report_publish.described", lambda cfg: {"name": cfg.name, "content_hash": "c0ffee", "synthetic": True}
    )
    monkeypatch.chdir(tmp_path)
    call = ["table", "run", "--all", "--seeds", "1", "--jobs", "1", "--except", "facts"]
    monkeypatch.setenv("STUB_FAIL", "train")
    assert main(call) == 3
    printed = capsys.readouterr().out
    assert "FAILED tiny: it needs train/" in printed and "FAILED needy: it needs train/" in printed and "not asked for: other" in printed
    assert (tmp_path / "results" / "tiny.paper.foley.seeds-0.md").exists(), "what can be said is written"
    monkeypatch.delenv("STUB_FAIL")
    assert main(call) == 0
    count = len(executed())
    assert main(call) == 0 and len(executed()) == count, "a second call runs nothing"
    assert "FAILED" not in capsys.readouterr().out
    page = (tmp_path / "results" / "README.md").read_text()
    assert "## A tiny table (foley (synthetic))" in page and "## Needs a file" in page
    assert main(["table", "run", "--all", "tiny"]) == 2 and main(["table", "run"]) == 2


def test_a_row_without_its_file_says_so_and_the_others_run(suite, tmp_path):
    made = next(one for one in suite.plans if one.table.table == "needy")
    finish(tmp_path, made.runs["template", 0], **{"retrieval/map10": 0.5, "chance/map10": 0.1})
    report = collect(made, tmp_path)
    text = render(report)
    assert "| Rewritten | not given (see below) |" in text and "Not run: Rewritten. It needs `captions.rewrites`: make it." in text
    assert "| Guessing | 0.1 |" in text and "| Template | 0.5 |" in text
    assert report["claims"][0]["verdict"] == "?"


def test_what_a_row_needs_goes_to_it_alone(folder, tmp_path):
    from elsa_lightning.tables import resolve_row

    table, given = load_table(folder / "needy.yaml"), ["captions.rewrites=some.jsonl", "optim.lr=0.5"]
    found = {name: resolve_row(table, table.row(name), None, 0, given).experiment for name in ("template", "rewritten")}
    assert found["rewritten"].captions.rewrites == "some.jsonl" and found["template"].captions.rewrites == ""
    assert found["template"].optim.lr == found["rewritten"].optim.lr == 0.5


def test_facts_are_read_by_row_and_column(suite, tmp_path):
    made = next(one for one in suite.plans if one.table.table == "facts")
    finish(tmp_path, made.stages, **{"spatial/parameters": 485924.0, "text/parameters": 125e6})
    report = collect(made, tmp_path)
    assert "| Spatial branch | 0.49 | 0.49 |\n| Text | 125.00 | — |" in render(report)
    assert read_aloud(report) == "There are 0.49 of them." and report["cost_s"] == 30.0


def test_a_reading_must_refer_to_cells(folder):
    (folder / "facts.yaml").write_text(FACTS.replace("[[spatial parameters]]", "[[spatial paramters]]"))
    with pytest.raises(ConfigError, match="did you mean `parameters`"):
        load_table(folder / "facts.yaml")


@pytest.mark.parametrize(
    ("old", "new", "word"), [("kind: facts", "kind: fact", "kind"), ("stage: architecture", "stage: evaluate", "stage")]
)
def test_faults_of_facts_are_named(folder, old, new, word):
    (folder / "facts.yaml").write_text(FACTS.replace(old, new))
    with pytest.raises(ConfigError, match=word):
        load_table(folder / "facts.yaml")


def test_rows_of_one_seed_are_compared_clip_by_clip(folder, tmp_path):
    made = plan_table(load_table(folder / "tiny.yaml"), None, lambda corpus: "c0ffee", [0])
    better = np.linspace(1, 2, 50)
    for row, shift in (("static", 5.0), ("learned", 0.0)):
        finish(tmp_path, made.runs[row, 0], **{"localization/doa_mae_deg": 1.5 + shift, "retrieval/map10": 0.5})
        path = tmp_path / made.runs[row, 0][-1].run_id
        write_scores({"localization/doa_mae_deg": Scores(better + shift, np.arange(50), "mean")}, path / "per_clip.safetensors")
        write_json(path / "details.json", {"intervals": {"localization/doa_mae_deg": [1.2 + shift, 1.8 + shift]}})
    report = collect(made, tmp_path)
    assert report["claims"][0]["paired"] == pytest.approx({"difference": -5.0, "low": -5.0, "high": -5.0, "seed": 0})
    assert "difference -5.0 [-5.0, -5.0] over the clips of seed 0" in claim_lines(report)[0] and "paired" not in report["claims"][1]
    assert "| Learned | 1.5 [1.2, 1.8] |" in render(report)
    write_scores({"localization/doa_mae_deg": Scores(better, np.arange(50) + 1, "mean")}, path / "per_clip.safetensors")
    assert "paired" not in collect(made, tmp_path)["claims"][0], "other clips make no pairs"


# exports


@pytest.fixture
def report(folder, tmp_path):
    """A report's JSON file: one seed of two, a paper's row, a row that was not run."""
    made = plan_table(load_table(folder / "tiny.yaml"), None, lambda corpus: "c0ffee")
    finish(tmp_path / "runs", made.runs["static", 0], **{"localization/doa_mae_deg": 20.0, "retrieval/map10": 0.5})
    finish(tmp_path / "runs", made.runs["static", 1], **{"localization/doa_mae_deg": 22.0, "retrieval/map10": 0.5})
    path = tmp_path / "results" / "tiny.paper.foley.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, collect(made, tmp_path / "runs", [{"name": "foley", "content_hash": "c0ffee", "synthetic": True}]))
    return path


def test_latex(report):
    text = export(report, "latex")
    assert r"row & Error, $^{\circ}$ $\downarrow$ & paper & mAP@10, \% $\uparrow$ & paper & training \\" in text
    assert r"Static & 21.0 $\pm$ 12.7 & 27.4$^{\dagger}$ & 50.0 $\pm$ 0.0 & --- & 30 s (longest 30 s) \\" in text
    assert r"Learned & missing & --- & missing & 24.8 & --- \\" in text and r"Rival & --- & 11.7 & --- & --- & --- \\" in text
    assert r"\begin{tabular}{lrrrrr}" in text and r"\label{tab:tiny}" in text and "(synthetic)" in text and "unconfirmed" in text
    assert text.count("{") == text.count("}") and text.isascii()
    assert escape(r"100 % of a_b & {c} \ ~^#$") == r"100 \% of a\_b \& \{c\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$"


def test_csv(report):
    lines = list(csv.DictReader(io.StringIO(export(report, "csv"))))
    assert tuple(lines[0]) == CSV_FIELDS and len(lines) == 3 * 2
    first, learned, rival = (next(one for one in lines if one["row"] == row) for row in ("static", "learned", "rival"))
    assert (first["ours"], first["interval"], first["seeds"], first["standing"]) == ("21.0", "seeds", "2", "unconfirmed")
    assert float(first["high"]) - float(first["low"]) == pytest.approx(2 * 12.706, rel=1e-3)
    assert (learned["ours"], learned["state"]) == ("", "missing") and (rival["state"], rival["paper"]) == ("not run", "11.7")


def test_export_by_name(report, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert report_path("tiny", report.parent, "paper", "foley") == report
    with pytest.raises(ConfigError, match=r"tiny\.paper\.foley"):
        report_path("tiny", report.parent, "papre", "foley")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(RunError, match="not a report"):
        export(tmp_path / "x.json", "csv")
    assert main(["table", "export", "tiny", "--profile", "paper", "--format", "csv", "--out", "out.csv"]) == 0
    assert (tmp_path / "out.csv").read_text() == export(report, "csv")


# pages


def test_the_page_of_results_takes_the_tables_own_seeds_first(report):
    content = json.loads(report.read_text())
    write_json(report.with_name("tiny.paper.foley.seeds-0.json"), content | {"seeds": [0], "title": "One seed"})
    write_json(report.with_name("tiny.desk.foley.json"), content | {"profile": "desk"})
    write_json(report.with_name("tiny.paper.foley.set-123456.json"), content | {"overrides": {"optim.lr": 1}})
    page = summary(report.parent, "paper")
    assert page.count("\n## ") == 1 and "One seed" not in page and "| ✗" not in page
    assert f"(#{anchor('A tiny table (foley (synthetic))')})" in page and "0 of 3, 3 not judged" in page
    report.unlink()
    assert "## One seed" in summary(report.parent, "paper"), "better one seed than none"
    assert "There are none yet" in summary(report.parent, "smoke")


def test_the_index_counts_what_tables_share(folder, report, write):
    write("experiments/profiles/desk.yaml", "trainer: {steps: 10}\n")
    text = index(sorted(folder.glob("*.yaml")), report.parent).splitlines()
    lines = {line.split("`")[1]: [cell.strip() for cell in line.split("|")[1:-1]] for line in text if line.startswith("| [`")}
    assert lines["tiny"][2:5] == ["2", "2", "2"] and lines["needy"][2:5] == ["3, 1 with your files", "1", "1"]
    assert lines["facts"][2:] == ["2", "none", "none", "not reported", "not measured"]
    assert lines["tiny"][5] == "paper foley, 2 seeds, 0/3 claims"


def test_the_committed_index_is_in_step():
    """`elsa table index` writes it."""
    paths = sorted((ROOT / "ablations").glob("*.yaml"))
    assert (ROOT / "ablations" / "README.md").read_text() == index(paths, ROOT / "results")
