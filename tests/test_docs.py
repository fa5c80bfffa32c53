"""The Python, YAML and JSON of all pages runs as printed, page by page and in its order; commands: test_docs_commands.py."""

import json
import pathlib

import numpy as np
import pytest
import torch

import pages
from api.conftest import RATE, make_parts, noise, write
from elsa_lightning import Elsa, schema
from elsa_lightning.data import readers
from elsa_lightning.losses import combine
from elsa_lightning.models import spatial
from elsa_lightning.table_file import load_table

ELSEWHERE = ("docs/export.md",)
"""Pages that tests with what they need run: tests/api/test_graphs.py has graphs."""

RUN = [
    page
    for page in pages.PAGES
    if page not in ELSEWHERE and any(block.language in ("python", "yaml", "json") for block in pages.blocks(page))
]
TABLES = (combine.TERMS, spatial.SPATIAL, readers.READERS, *schema.VARIANTS.values())
"""What pages about extending the package write entries into."""


def shapes_of_the_simulator(names):
    assert names["foa"].shape == (16, 4, 32000) and names["scene"].shape[0] == 4 and names["scene"].isfinite().all()
    assert 0.1 < names["labels"]["t30_s"].item() < 1
    assert torch.allclose(names["turned"][0, 3], names["third"][0, 1], atol=1e-5)  # X of the turned is Y of what came from the left


AFTER = {"docs/acoustics.md": shapes_of_the_simulator, "docs/api.md": lambda names: np.testing.assert_equal(names["model"].width, 64)}
"""What must hold once a page has run."""

YOURS = ("README.md", "docs/api.md")
"""Pages whose reader has recordings."""


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A small model with random weights where the pages have theirs from `make model`."""
    place = tmp_path_factory.mktemp("pages") / "models" / "desk"
    Elsa(make_parts(), "cpu").save_pretrained(place)
    return place


@pytest.fixture
def reader_folder(page, model_folder, tmp_path, monkeypatch):
    """The folder in which a page's reader types: the checkout's experiments and results, a model, recordings where it speaks of "yours".
    What the page enters into the package's tables goes again."""
    monkeypatch.chdir(tmp_path)
    for name in ("experiments", "results"):
        pathlib.Path(name).symlink_to(pages.ROOT / name)
    pathlib.Path("ablations").mkdir()
    pathlib.Path("models").symlink_to(model_folder.parent)
    for name in ("yard.wav", "kitchen.wav") if page in YOURS else ():
        write(tmp_path / name, noise(1.5), RATE)
    kept = [dict(table) for table in TABLES]
    yield tmp_path
    for table, before in zip(TABLES, kept, strict=True):
        table.clear()
        table.update(before)


def test_every_block_says_what_it_is():
    unknown = [f"{b.page}:{b.line}" for page in pages.PAGES for b in pages.blocks(page) if b.language not in pages.LANGUAGES]
    unknown += [f"{page}:{line}" for page in pages.PAGES for line in pages.indented(page)]
    assert not unknown, f"fence these blocks and give them one of {pages.LANGUAGES}"
    assert {"README.md", "docs/api.md", "docs/howto/table.md"} <= set(RUN)


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page, reader_folder):
    names = {"__name__": "page"}
    for block in pages.blocks(page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, page, "exec"), names)
        elif block.language == "yaml":
            first = block.code.splitlines()[0]
            assert first.startswith("# ablations/"), "a YAML block names its file"
            path = reader_folder / first.removeprefix("# ")
            path.write_text(block.code)
            assert load_table(path).table == path.stem
        elif block.language == "json":
            json.loads(block.code)
    AFTER.get(page, lambda names: None)(names)
