"""To a hub and back, with one that runs here; and the hubs that cannot be reached."""

import os
import subprocess
import sys

import pytest

from elsa_lightning.errors import DataError, RunError

from .hub_server import FakeHub

PUSH = """
import sys
from elsa_lightning import Elsa
print(Elsa.from_pretrained(sys.argv[1]).push_to_hub("ann/small-elsa", private=True, token=sys.argv[2]))
"""
OPEN = """
import sys
from elsa_lightning import Elsa
print(Elsa.from_pretrained("ann/small-elsa").embed_text("a dog on the left")[:4].tolist())
"""


def python(code, *arguments, **environment):
    """In a process of its own: huggingface_hub reads its address when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-c",
        "import elsa_lightning.cli\ntry:\n " + code.strip().replace("\n", "\n ") + REPORT,
        *map(str, arguments),
    ]
    return subprocess.run(command, env=kept | quiet | environment, capture_output=True, text=True, check=False, timeout=900)


REPORT = "\nexcept elsa_lightning.errors.ElsaError as fault:\n print('FAULT', fault)"


def test_a_model_goes_to_a_hub_and_comes_back(model, folder, tmp_path):
    with FakeHub() as hub:
        where = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
        refused = python(PUSH, folder, "hf_wrong", **where)
        assert "FAULT ann/small-elsa could not be pushed" in refused.stdout and "hf auth login" in refused.stdout, refused.stderr
        pushed = python(PUSH, folder, "hf_test", **where)
        assert "commit/0123" in pushed.stdout, pushed.stdout + pushed.stderr
        assert hub.created == [("ann/small-elsa", True)]
        files = hub.files["ann/small-elsa"]
        assert {"config.json", "model.safetensors", "README.md"} <= files.keys()
        assert all(files[name] == (folder / name).read_bytes() for name in ("config.json", "model.safetensors", "README.md"))
        opened = python(OPEN, **where)
        assert str(model.embed_text("a dog on the left")[:4].tolist()) in opened.stdout, opened.stdout + opened.stderr
        absent = python(OPEN.replace("small-elsa", "absent"), **where)
        assert "answers 404 for it" in absent.stdout and "hf download" in absent.stdout, absent.stdout + absent.stderr
    offline = python(OPEN, **where, HF_HUB_OFFLINE="1")  # from the cache, as the hub is gone
    assert opened.stdout == offline.stdout, offline.stderr
    gone = python(OPEN.replace("small-elsa", "other"), **where)
    assert "cannot be reached" in gone.stdout, gone.stdout + gone.stderr


def test_pushing_offline_is_one_message(model):
    with pytest.raises(RunError, match="could not be pushed") as fault:
        model.push_to_hub("ann/small-elsa", token="hf_test")
    assert "save_pretrained" in fault.value.remedy


@pytest.mark.parametrize("name", ["", "alone", "a/b/c", "ann/ü b", "../x"])
def test_names_that_no_hub_has(model, name):
    with pytest.raises(DataError, match="no name on a hub"):
        model.push_to_hub(name)
