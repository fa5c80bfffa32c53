"""The Python of README.md and docs/api.md runs as printed, where `make model` has been run."""

import re

import pytest

from .conftest import RATE, ROOT, noise, write


@pytest.mark.parametrize(("page", "count"), [("README.md", 1), ("docs/api.md", 4)])
def test_the_blocks_of_the_pages_run(page, count, model, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(blocks) == count
    monkeypatch.chdir(tmp_path)
    model.save_pretrained("models/desk")
    for name in ("yard.wav", "kitchen.wav"):
        write(tmp_path / name, noise(1.5), RATE)
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert names["model"].width == 64
