"""What TensorBoard shows of a table: curves under the names of rows and seeds, and the embeddings with their words."""

import json
import math
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from elsa_lightning.runs import prepare
from elsa_lightning.tensorboard_projector import POINTS, write_projector
from elsa_lightning.tensorboard_view import link_curves, link_others


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def names(runs):
    return sorted(str(path.relative_to(runs / "tables")) for path in (runs / "tables").glob("*/*") if path.is_symlink())


def test_curves_have_the_names_of_rows_and_seeds_before_they_are_there(plan, runs):
    link_curves(plan, runs)
    stem = f"{plan.name}/"
    assert names(runs) == [stem + name for name in ("learned.0.training", "learned.1.training", "static.0.training", "static.1.training")]
    train = plan.runs["static", 1][1]
    curves = runs / train.run_id / "tb" / "curves"
    curves.mkdir(parents=True)
    link = runs / "tables" / plan.name / "static.1.training"
    assert os.path.samefile(link, curves) and not os.path.isabs(os.readlink(link)), "the runs may be moved"
    before = os.lstat(link).st_ino
    link_curves(plan, runs)
    assert os.lstat(link).st_ino == before


def test_a_row_whose_training_has_changed_shows_the_new_one(plan, runs):
    link_curves(plan, runs)
    link = runs / "tables" / plan.name / "static.1.training"
    link.unlink()
    link.symlink_to("elsewhere")
    link_curves(plan, runs)
    assert plan.runs["static", 1][1].run_id in os.readlink(link)


def test_trainings_of_no_table_are_shown_under_their_experiments_name(plan, runs):
    for key in (("static", 0), ("learned", 1)):
        prepare(plan.runs[key][1], runs)
    (runs / "train" / "broken").mkdir()
    (runs / "train" / "broken" / "config.yaml").write_text("stage: [")
    static, learned = plan.runs["static", 0][1], plan.runs["learned", 1][1]
    link_others(runs)
    wanted = [f"other/elsa.{ref.experiment.seed}.{ref.fingerprint[:6]}.training" for ref in (static, learned)]
    assert names(runs) == sorted([*wanted, "other/broken.training"])


def test_what_a_table_shows_is_shown_once(plan, runs):
    link_curves(plan, runs)
    prepare(plan.runs["static", 0][1], runs)
    link_others(runs)
    assert not any(name.startswith("other") for name in names(runs))


@pytest.fixture
def embed(tmp_path):
    """Embeddings of 700 clips, the even ones to the left, the first without a place."""
    folder = tmp_path / "embed"
    folder.mkdir()
    count = 700
    azimuth = np.where(np.arange(count) % 2 == 0, math.pi / 2, 0.0).astype(np.float32)
    labels = {"azimuth": azimuth, "elevation": np.zeros(count, np.float32), "distance_m": np.full(count, np.nan, np.float32)}
    labels |= {"floor_area_m2": np.ones(count, np.float32), "t30_s": np.ones(count, np.float32)}
    labels |= {"is_spatial": np.arange(count) > 0, "label": np.arange(count) % 3 - 1, "audio": np.stack([azimuth, np.arange(count)], 1)}
    save_file({f"test/{name}": np.ascontiguousarray(values) for name, values in labels.items()}, folder / "embeddings.safetensors")
    (folder / "texts.json").write_text(json.dumps({"classes": ["bell", "dog"]}))
    return folder


def test_the_projector_gets_embeddings_and_their_words(embed, tmp_path):
    write_projector(tmp_path, embed)
    points = np.loadtxt(tmp_path / "tensors.tsv")
    head, *lines = [line.split("\t") for line in (tmp_path / "metadata.tsv").read_text().splitlines()]
    assert len(points) == len(lines) == POINTS and head[0] == "direction" and points[0, 1] == 1, "the first has no place"
    for point, line in zip(points, lines, strict=True):
        row = dict(zip(head, line, strict=True))
        assert row["direction"] == ("left" if point[0] > 1 else "front") and row["distance"] == "between"
        assert row["class"] == ["between", "bell", "dog"][int(point[1]) % 3]
    assert "metadata.tsv" in (tmp_path / "projector_config.pbtxt").read_text()


def test_without_embeddings_there_is_no_projector(tmp_path):
    write_projector(tmp_path, tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []
