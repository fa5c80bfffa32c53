"""Execute every notebook from start to end, at a scale that a test can afford.

Notebook 3 trains a model (profile smoke instead of desk, less of everything) which the later ones use, as they do for a reader. Where
`ELSA_WORK` names a folder whose runs hold that of `make model PROFILE=smoke`, as in .ci/run, it finds it there and trains nothing.
"""

import os
import pathlib

import nbformat
import pytest
from nbclient import NotebookClient

HERE = pathlib.Path(__file__).parent
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
TRAINS = next(path for path in NOTEBOOKS if path.stem.startswith("03"))
SMALL = "rooms.train=8 rooms.val=2 rooms.test=4 data.corpus.train_clips=16 data.corpus.val_clips=4 data.corpus.test_clips=6"
SMALL += " trainer.steps=6 trainer.val_every=0 trainer.batch_size=8 trainer.accelerator=cpu evaluation.probe_steps=5"


def executed(path):
    """The notebook with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    return notebook


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The environment in which notebooks are small, and offline; and the executed notebook 3, whose model is there."""
    work = os.environ.get("ELSA_WORK")
    values = {
        "ELSA_PROFILE": "smoke",
        "ELSA_WORK": work or str(tmp_path_factory.mktemp("work")),
        "ELSA_SET": os.environ.get("ELSA_SET", "" if work else SMALL),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield executed(TRAINS)


def test_there_are_six_notebooks_in_their_order():
    assert [path.stem[:3] for path in NOTEBOOKS] == [f"0{i}_" for i in range(1, 7)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_draws_and_sounds(path, small):
    committed = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in committed.cells), "committed notebooks hold no outputs"
    assert len(committed.cells) <= 20, "notebooks are short"
    notebook = small if path == TRAINS else executed(path)
    data = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in one for one in data), "a picture"
    assert any("<audio" in one.get("text/html", "") for one in data), "a sound"
