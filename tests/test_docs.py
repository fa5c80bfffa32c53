"""The documentation's Python blocks run, in their order."""

import pathlib
import re

import torch

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "acoustics.md"


def test_the_blocks_of_the_simulators_page_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["foa"].shape == (16, 4, 32000) and names["scene"].shape[0] == 4 and names["scene"].isfinite().all()
    assert 0.1 < names["labels"]["t30_s"].item() < 1
    assert torch.allclose(names["turned"][0, 3], names["third"][0, 1], atol=1e-5)  # X of the turned is Y of what came from the left
