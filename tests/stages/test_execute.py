"""A stage's disk faults are one message with a remedy, whoever raises them."""

import errno
import os

import pytest
from safetensors import SafetensorError

from elsa_lightning.errors import RunError
from elsa_lightning.schema import Experiment
from elsa_lightning.stages import execute as stage_execute


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """Execute a stage whose work raises a fault."""

    def failing(fault):
        def work(stage):
            raise fault

        planned = type("Planned", (), {"stage": "rooms", "parents": {}, "experiment": Experiment()})
        monkeypatch.setattr("elsa_lightning.runs.read_config", lambda folder: planned)
        monkeypatch.setattr("elsa_lightning.stages.rooms.run", work)
        stage_execute(tmp_path)

    return failing


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no space left"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written to"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be written to"),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "no space left"),
        (SafetensorError("Error while serializing: I/O error: Read-only file system (os error 30)"), "cannot be written to"),
    ],
)
def test_disk_faults_name_the_folder_and_a_remedy(failing, tmp_path, fault, words):
    with pytest.raises(RunError, match=words) as caught:
        failing(fault)
    assert str(tmp_path) in caught.value.message and "--runs" in caught.value.remedy


@pytest.mark.parametrize("fault", [SafetensorError("HeaderTooLarge"), OSError(errno.EIO, os.strerror(errno.EIO))])
def test_other_faults_keep_their_traceback(failing, fault):
    with pytest.raises(type(fault)):
        failing(fault)
