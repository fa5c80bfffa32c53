"""The curve of a training that was interrupted is one curve, in the files themselves; clips are there to be seen and heard."""

import dataclasses
import io
import pathlib

import numpy as np
import pytest
import soundfile
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from elsa_lightning import config
from elsa_lightning.acoustics.bank import build_bank
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.event_files import PATTERN, drop_events, records, scalars
from elsa_lightning.models.tokenizers import build_tokenizer
from elsa_lightning.training.callbacks import drop_from
from elsa_lightning.training.curves import open_curves
from elsa_lightning.training.showing import CLIPS, show_clips

ROOT = pathlib.Path(__file__).parents[2]


def write(folder, steps, start=0):
    """A training's curves from one step on."""
    curves = open_curves(folder, "curves", start, None)
    for step in steps:
        curves.write({"loss/total": float(step)}, step)
    curves.finalize("failed")
    return folder / "tb" / "curves"


def test_steps_go_up_and_none_comes_twice(tmp_path):
    write(tmp_path, range(1, 8))
    folder = write(tmp_path, range(6, 11), start=5)  # killed after 7 steps, saved at 5
    assert len(list(folder.glob(PATTERN))) == 2
    assert scalars(folder) == {"loss/total": [(step, float(step)) for step in range(1, 11)]}


def test_a_training_that_begins_again_begins_its_curve_again(tmp_path):
    write(tmp_path, range(1, 4))
    assert scalars(write(tmp_path, range(1, 3)))["loss/total"] == [(1, 1.0), (2, 2.0)]


def test_tensorboard_reads_the_same(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write(tmp_path, range(1, 8))
    folder = write(tmp_path, range(6, 9), start=5)
    read = accumulator.EventAccumulator(str(folder)).Reload()
    assert [event.step for event in read.Scalars("loss/total")] == list(range(1, 9))


@pytest.mark.parametrize("cut", [1, 8, 13, 20])
def test_half_a_record_is_taken_out(tmp_path, cut):
    """A kill while an event was written: TensorBoard would stop reading there, and show nothing of what follows in that file."""
    folder = write(tmp_path, range(1, 4))
    (path,) = folder.glob(PATTERN)
    path.write_bytes(path.read_bytes()[:-cut])
    assert scalars(folder)["loss/total"] == [(1, 1.0), (2, 2.0)]
    drop_events(folder, 10)
    assert sum(len(record) for record, _ in records(path)) == path.stat().st_size
    untouched = path.stat().st_ino
    drop_events(folder, 10)
    assert path.stat().st_ino == untouched


@pytest.mark.parametrize("where", [2, 20, -2], ids=["length", "content", "checksum"])
def test_a_flipped_bit_costs_one_point(tmp_path, caplog, where):
    """Neither those after it nor the file as it was; and TensorBoard reads on."""
    folder = write(tmp_path, range(1, 10))
    (path,) = folder.glob(PATTERN)
    found = list(records(path))
    whole, lost = [record for record, _ in found], found[5][1].step
    at = sum(map(len, whole[:5]))
    content = bytearray(path.read_bytes())
    content[at + (where if where > 0 else len(whole[5]) + where)] ^= 8
    path.write_bytes(content)
    drop_events(folder, 9)
    assert scalars(folder)["loss/total"] == [(step, float(step)) for step in range(1, 9) if step != lost]
    assert path.read_bytes() == b"".join(whole[:5] + whole[6:-1])
    (kept,) = folder.glob("*.damaged")
    assert kept.read_bytes() == content and "tfevents" not in kept.name
    assert kept.name in caplog.text and "cannot be read" in caplog.text


def lines(*steps):
    return b"".join(b'{"step": %d}\n' % step for step in steps)


@pytest.mark.parametrize("damage", [b'{"step": 2', b'{"stap": 2}', b'{"step": "2"}', b'{"step": \xff2}', b"7"])
def test_a_damaged_line_of_the_metrics_costs_one_line(tmp_path, caplog, damage):
    path = tmp_path / "metrics.jsonl"
    content = lines(1) + damage + b"\n" + lines(3, 4, 5)
    path.write_bytes(content)
    drop_from(path, 4)
    assert path.read_bytes() == lines(1, 3, 4)
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == content and "line [2] cannot be read" in caplog.text
    path.write_bytes(b"?\n")
    drop_from(path, 4)
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == content and (tmp_path / "metrics.jsonl.damaged2").read_bytes() == b"?\n"


def test_half_a_line_of_the_metrics_is_what_a_kill_leaves(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(lines(1, 2) + b'{"st')
    drop_from(path, 4)
    assert path.read_bytes() == lines(1, 2) and not caplog.text
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What the event file holds: tag → value."""
    small = ["rooms.val=4", "data.corpus.val_clips=6", "data.rendering=cached"]
    cfg = config.load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=small).experiment
    cfg = dataclasses.replace(cfg, trainer=dataclasses.replace(cfg.trainer, chunks=2))
    banks = {"val": build_bank(cfg.rooms, cfg.audio.sample_rate, "val")}
    folder = tmp_path_factory.mktemp("shown")
    with SummaryWriter(folder) as writer:
        show_clips(writer, cfg, open_corpus(cfg.data.corpus), banks, build_tokenizer(cfg.model.text))
    (path,) = folder.glob(PATTERN)
    return cfg, {value.tag: value for _, event in records(path) for value in event.summary.value}


def test_each_clip_has_words_a_picture_and_a_sound(shown):
    _, found = shown
    kinds = ("text_summary", "log_mel_of_W", "sound")
    assert set(found) == {f"clips/{row}/{kind}" for row in range(CLIPS) for kind in kinds}
    words = found["clips/1/text_summary"].tensor.string_val[0].decode()
    assert "foley-val" in words and ("azimuth" in words or "without a place" in words)
    assert found["clips/1/sound"].metadata.summary_description == words


def test_the_sound_is_the_clip_and_the_picture_its_spectrogram(shown):
    cfg, found = shown
    value = found["clips/0/sound"].audio
    samples, rate = soundfile.read(io.BytesIO(value.encoded_audio_string), always_2d=True)
    assert rate == value.sample_rate == cfg.audio.sample_rate and samples.shape[1] == value.num_channels
    assert len(samples) == value.length_frames == cfg.audio.sample_rate * cfg.audio.clip_s
    assert abs(samples).max() == pytest.approx(0.9, abs=1e-3)
    image = Image.open(io.BytesIO(found["clips/0/log_mel_of_W"].image.encoded_image_string))
    assert image.size == (found["clips/0/log_mel_of_W"].image.width, 4 * cfg.features.mel.mels)
    assert np.asarray(image.convert("L")).std() > 10
