"""Verdicts, intervals, and a report from runs to Markdown."""

import dataclasses
import json

import pytest

from elsa_lightning.atomic import write_json
from elsa_lightning.errors import RunError
from elsa_lightning.locks import hold
from elsa_lightning.report import ELEVATION, collect, rerender, write
from elsa_lightning.report_markdown import render
from elsa_lightning.report_summary import summary
from elsa_lightning.report_terminal import print_report
from elsa_lightning.runs import write_status
from elsa_lightning.table_file import Claim, Column, Floor
from elsa_lightning.tables import plan as plan_table
from elsa_lightning.verdicts import claim_verdict, floor_verdict, holds, interval

from .conftest import ROOT

RESULTS = ROOT / "results"
CORPUS = {"name": "foley", "content_hash": "c0ffee", "licence": "none", "synthetic": True}


def test_interval_of_hand_worked_values():
    mean, half_width = interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-6)  # t(2, 97.5 %) · s / √3 with s = 1
    assert interval([5.0]) == (5.0, None)
    assert interval([4.0, 4.0]) == (4.0, 0.0)


@pytest.mark.parametrize(
    ("left", "op", "right", "options", "verdict"),
    [
        (1, "<", 2, {}, True),
        (2, "<", 2, {}, False),
        (1, "<", 2, {"margin": 1}, True),
        (1, "<", 2, {"margin": 1.5}, False),
        (3, ">", 2, {"margin": 1.5}, False),
        (2, "<=", 2, {}, True),
        (2.4, "<=", 2, {"tolerance": 0.5}, True),
        (2.6, "<=", 2, {"tolerance": 0.5}, False),
        (1.4, ">=", 2, {"tolerance": 0.5}, False),
        (0.3, "~", 0.1, {"tolerance": 0.2}, True),
        (0.31, "~", 0.1, {"tolerance": 0.2}, False),
    ],
)
def test_operators(left, op, right, options, verdict):
    assert holds(left, op, right, **options) is verdict


def test_a_claim_is_judged_on_common_seeds():
    values = {"a": {"0": 1.0, "1": 5.0, "2": -99.0}, "b": {"0": 2.0, "1": 3.0}}
    found = claim_verdict(Claim("a", "<", "b", "k"), values)
    assert found == {"verdict": "✗", "left_mean": 3.0, "right_mean": 2.5, "agree": 1, "seeds": 2}
    assert claim_verdict(Claim("a", "<", "c", "k"), values)["verdict"] == "?"
    assert claim_verdict(Claim("b", ">=", 2.0, "k"), values) == {
        "verdict": "✓",
        "left_mean": 2.5,
        "right_mean": 2.0,
        "agree": 2,
        "seeds": 2,
    }


def test_a_floor_must_hold_on_every_seed():
    floor = Floor("a", "k", ">=", 90.0)
    found = floor_verdict(floor, {"0": 95.0, "1": 89.9}, {"0": 90.0, "1": 90.0}, ["0", "1"])
    assert found["verdict"] == "✗" and [one["verdict"] for one in found["seeds"].values()] == ["✓", "✗"]
    assert floor_verdict(floor, {"0": 90.0}, {"0": 90.0}, ["0"])["verdict"] == "✓"
    assert floor_verdict(floor, {}, {}, ["0"])["verdict"] == "?"


@pytest.mark.parametrize(
    ("values", "bars", "verdict"),
    [
        ({"0": 95.0}, {"0": 90.0, "1": 90.0}, "?"),  # seed 1 is missing
        ({"0": 80.0}, {"0": 90.0, "1": 90.0}, "✗"),  # … and seed 0 fails already
        ({"0": 95.0, "1": 95.0}, {"0": 90.0}, "?"),  # seed 1 has no bar
    ],
)
def test_a_floor_is_open_while_a_planned_seed_is_missing(values, bars, verdict):
    found = floor_verdict(Floor("a", "k", ">=", 90.0), values, bars, ["0", "1"])
    assert found["verdict"] == verdict and found["seeds"]["1"]["verdict"] == "?"


@pytest.fixture
def finish(tmp_path):
    """Write what a finished run would."""

    def finish(stages, value=None, seconds=60.0):
        for ref in stages:
            folder = tmp_path / "runs" / ref.run_id
            folder.mkdir(parents=True, exist_ok=True)
            meta = {"commit": "0123456789+", "hardware": "2 × test", "versions": {"torch": "2.13"}, "attempts": []}
            write_json(folder / "meta.json", meta)
            if ref.stage == "evaluate":
                metrics = {"localization/doa_mae_deg": value, "retrieval/map10": 0.5, "retrieval/chance_r1": 0.01}
                write_json(folder / "metrics.json", {"metrics": metrics, "meta": {"gallery": {"clips": 40, "ids": "ab12"}}})
            write_json(folder / "done.json", {"seconds": seconds, "finished": 1.7e9})

    return finish


GOLDEN = """# A tiny table

- Source: nowhere
- Profile: paper, seeds 0, 1
- Corpus: foley, **synthetic sounds, not recordings** (content c0ffee)
- Gallery: clips 40, ids ab12
- Commit: 0123456789 with uncommitted changes
- Hardware: 2 × test
- Date: 2023-11-14

| row | Error, ° ↓ | paper | mAP@10, % ↑ | paper | training |
| --- | --- | --- | --- | --- | --- |
| Static | 20.0 ± 12.7 | 27.4† | 50.0 ± 0.0 | — | 80 s (longest 1 min 40 s) |
| Learned | 18.0 (1/2) | — | 50.0 (1/2) | 24.8 | 60 s |
| Rival | — | 11.7 | — | — | — |

± is the half width of the 95 % interval of the mean over seeds (Student's t).

— the paper prints no figure, or nothing is run.

† unconfirmed: second-hand, not readable in the paper's own text; no claim rests on it.

## Claims

- ✓ Error, °: Learned < Static: 18.0 < 19.0 (1/1 of 2 seeds)
- ✓ mAP@10, %: Learned ~ Static: 50.0 ~ 50.0, tolerance 1 (1/1 of 2 seeds)
- ✗ mAP@10, %: Learned >= 90: 50.0 >= 90.0 (0/1 of 2 seeds)

## Floors, every seed

- ✗ Static: Error, ° <= 19.5: ✓ 19.0, ✗ 21.0
- ✓ Static: mAP@10, % >= 10 × chance r1 = 10.0: ✓ 50.0, ✓ 50.0
"""


def test_what_no_clip_has_a_label_for_is_said_with_its_reason(plan, tmp_path, finish):
    """Of the columns shown, and once for all rows and seeds."""
    for seed in (0, 1):
        finish(stages := plan.runs["static", seed], 19.0)
        path = tmp_path / "runs" / stages[-1].run_id / "metrics.json"
        found = json.loads(path.read_text())
        del found["metrics"]["localization/doa_mae_deg"]
        found["meta"]["absent"] = {
            "localization/direction": "no test clip has a known direction",
            "localization/distance": "no test clip has a known distance",
            "zero_shot/area": "no test clip is known to be small or large",
        }
        write_json(path, found)
    text = render(collect(plan, tmp_path / "runs"))
    assert text.count("No figures for Error, °: no test clip has a known direction.") == 1
    assert "known distance" not in text and "small or large" not in text


def test_report_of_finished_and_missing_runs(plan, tmp_path, finish):
    finish(plan.runs["static", 0], 19.0)
    finish(plan.runs["static", 1], 21.0, seconds=100.0)
    finish(plan.runs["learned", 0], 18.0)
    report = collect(plan, tmp_path / "runs", [CORPUS])
    text = render(report)
    assert text[: len(GOLDEN)] == GOLDEN
    assert "| learned | 1 | missing | missing |" in text
    assert f"`{plan.runs['static', 0][-1].run_id}`" in text
    assert collect(plan, tmp_path / "runs", [CORPUS]) == report, "a second call says the same"
    page, data = write(report, tmp_path / "results", plan.name)
    assert page.name == "tiny.paper.foley.md"
    assert rerender(data) == page.read_text() == text
    assert json.loads(data.read_text()) == report


def test_cells_say_what_keeps_them_empty(plan, tmp_path, finish, capsys):
    runs, stages = tmp_path / "runs", plan.runs["static", 0]
    finish(stages[:1])
    folder = runs / stages[1].run_id
    with hold(folder):
        write_status(folder, 0.4, "step 4/10")
        assert "| Static | running 40 % |" in render(collect(plan, runs))
    write_json(folder / "failed.json", {"error": "e", "remedy": "r"})
    report = collect(plan, runs)
    assert "| Static | failed |" in render(report)
    assert "| Learned | missing |" in render(report)
    assert report["claims"][0]["verdict"] == "?"
    print_report(report)
    assert "failed" in capsys.readouterr().out


def test_a_value_that_is_no_number_is_not_shown(plan, tmp_path, finish):
    finish(plan.runs["static", 0], float("nan"))
    finish(plan.runs["static", 1], 19.0)
    report = collect(plan, tmp_path / "runs")
    assert report["rows"][0]["cells"]["localization/doa_mae_deg"]["values"] == {"1": 19.0}
    text = render(report)
    assert "| static | 0 | not measured | 50.0 |" in text
    assert "- ? Static: Error, ° <= 19.5: not measured, ✓ 19.0" in text, "a floor is not reached by a seed that is no number"


def test_overrides_are_shown_and_make_another_profile(table, tmp_path, finish):
    floors = [*table.floors, Floor("static", "retrieval/map10", ">=", 1.0, profile="paper")]
    table = dataclasses.replace(table, floors=floors)
    own, changed = (plan_table(table, None, lambda corpus: "c0ffee", overrides=words) for words in ([], ["optim.lr=1e-4"]))
    own, changed = (collect(made, tmp_path / "runs", [CORPUS]) for made in (own, changed))
    assert len(own["floors"]) == 3 and len(changed["floors"]) == 2
    assert "- Overrides: `optim.lr=0.0001`\n" in render(changed) and "Overrides" not in render(own)


def test_the_terminal_shows_overrides(table, tmp_path, capsys):
    made = plan_table(table, None, lambda corpus: "c0ffee", overrides=["optim.lr=1e-4"])
    print_report(collect(made, tmp_path / "runs", [CORPUS]))
    assert "optim.lr=0.0001" in capsys.readouterr().out


def test_provenance_is_that_of_all_stages(plan, tmp_path, finish):
    finish(plan.stages, 19.0)
    rooms, train = (next(ref for ref in plan.stages if ref.stage == name) for name in ("rooms", "train"))
    write_json(tmp_path / "runs" / rooms.run_id / "meta.json", {"commit": "aaaa", "hardware": "1 × old"})
    write_json(tmp_path / "runs" / train.run_id / "facts.json", {"device": "NVIDIA H200"})
    report = collect(plan, tmp_path / "runs")
    assert report["commits"] == ["aaaa", "0123456789+"] and report["hardware"] == ["1 × old", "2 × test"]
    assert report["devices"] == ["NVIDIA H200"] and "- Device: NVIDIA H200\n" in render(report)


def test_runs_blind_to_elevation_are_named(table, tmp_path, finish):
    columns = [*table.columns, Column(ELEVATION, "Up/down, %", scale=100)]
    made = plan_table(dataclasses.replace(table, columns=columns), None, lambda corpus: "c0ffee")
    for seed, share in ((0, 0.52), (1, 0.65)):
        finish(made.runs["learned", seed], 19.0)
        path = tmp_path / "runs" / made.runs["learned", seed][-1].run_id / "metrics.json"
        found = json.loads(path.read_text())
        found["metrics"][ELEVATION] = share
        write_json(path, found)
    notes = collect(made, tmp_path / "runs")["notes"]
    assert len(notes) == 1 and notes[0].startswith("⚠ Learned, seed 0: Up/down, % 52.0 is below 65: ")


def test_committed_reports_are_what_their_values_say():
    own = {kind: {path.stem: path for path in RESULTS.glob(f"*.{kind}")} for kind in ("md", "json")}
    own["md"].pop("README", None)
    assert own["md"].keys() == own["json"].keys()
    for name, path in own["json"].items():
        assert rerender(path) == own["md"][name].read_text(), f"{name}: write it again with `elsa table report`"


def test_the_committed_page_of_results_is_what_its_reports_say():
    """`elsa table report --all --profile desk` writes it."""
    assert (RESULTS / "README.md").read_text() == summary(RESULTS, "desk")


def test_a_damaged_metrics_file_is_named(plan, tmp_path, finish):
    finish(plan.runs["static", 0], 1.0)
    path = tmp_path / "runs" / plan.runs["static", 0][-1].run_id / "metrics.json"
    path.write_text("")
    with pytest.raises(RunError, match=r"metrics\.json"):
        collect(plan, tmp_path / "runs")
    with pytest.raises(RunError, match="not a report"):
        rerender(path)


def test_tensorboard_holds_table_and_values(plan, tmp_path, finish):
    from elsa_lightning.tensorboard_report import write_tensorboard

    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    finish(plan.runs["static", 0], 19.0)
    report = collect(plan, tmp_path / "runs", [CORPUS])
    for _ in range(2):
        write_tensorboard(report, tmp_path / "tb")
    text = accumulator.EventAccumulator(str(tmp_path / "tb")).Reload()
    assert b"A tiny table" in text.Tensors("tiny")[0].tensor_proto.string_val[0]
    row = accumulator.EventAccumulator(str(tmp_path / "tb" / "static.0")).Reload()
    assert [event.value for event in row.Scalars("localization/doa_mae_deg")] == [19.0]
    assert "_hparams_/session_start_info" in row.PluginTagToContent("hparams")
