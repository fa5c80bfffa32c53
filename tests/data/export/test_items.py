"""What is exported is what training and evaluation hear: samples, labels and captions."""

import math

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.measure import LABELS, OCTAVE_T30
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.sampling import draw_rooms
from elsa_lightning.captions.attributes import words_of
from elsa_lightning.captions.rewrite_request import read_requests
from elsa_lightning.captions.verify import verify as verify_caption
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.export.job import plan
from elsa_lightning.data.export.lines import TASKS, join, write_tasks
from elsa_lightning.data.export.render import render
from elsa_lightning.data.export.sound import FULL_SCALE
from elsa_lightning.data.manifest import read_manifest
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.sampling import EvaluationBatchSampler
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.schema import AugmentationConfig, FoleyConfig, ManifestConfig, RoomsConfig

from ..conftest import RATE


def heard(data, split, size):
    """Batches of epoch 0 with captions and sound, as a training or an evaluation gets them."""
    for batch in data._loader(split, EvaluationBatchSampler(len(data.dataset(split)), size)):
        yield data.on_after_batch_transfer(batch)


def samples_of(out, line):
    """What another tool reads: `(4, T)`, without the gain."""
    return soundfile.read(out / line["audio"], dtype="float64")[0].T / line["gain"]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("file_format", ["flac", "wav"])
def test_files_and_lines_are_the_datamodules(rough, corpus, banks, tokenizer, export, tmp_path, split, file_format):
    _, lines = export(rough, tmp_path / "out", [split], file_format)
    batches = list(heard(SpatialAudioText(rough, corpus, banks, tokenizer), split, 1))
    assert len(lines) == len(batches) == len(corpus.records(split)) * 2
    for line, batch in zip(lines, batches, strict=True):
        error = np.abs(samples_of(tmp_path / "out", line) - batch.foa[0].numpy()).max()
        assert error == 0 if file_format == "wav" else error <= 0.5 / FULL_SCALE / line["gain"]
        assert line["of"] == batch.clip_id[0] and line["clip_id"] == f"{line['of']}/v{batch.version[0]}" and line["split"] == split
        assert line["captions"] == list(batch.records[0].captions) and line["is_spatial"] == batch.is_spatial[0].item()
        if split == "train":
            assert line["heard_as"] == batch.captions[0]
        elif line["is_spatial"]:
            assert line["spatial_captions"] == batch.caption_sets[0]
        _check_labels(line, {name: values[0].item() for name, values in batch.spatial.items()})


def _check_labels(line, labels):
    if not line["is_spatial"]:
        assert not {"azimuth_deg", "t30_s", "spatial_captions", "room"} & line.keys() and line["words"] == {}
        return
    for name, value in labels.items():
        at, expected = (f"{name}_deg", math.degrees(value)) if name in ("azimuth", "elevation") else (name, value)
        assert line[at] == pytest.approx(expected, abs=1e-5)
    back = {name: line.get(name, 0) for name in LABELS} | {name: math.radians(line[f"{name}_deg"]) for name in ("azimuth", "elevation")}
    assert line["words"] == dict(words_of(labels).items()) == dict(words_of(back).items())  # so others may make the words


def test_larger_batches_differ_in_the_last_bits_only(rough, corpus, banks, tokenizer, export, tmp_path):
    _, lines = export(rough, tmp_path / "out", file_format="wav")
    data = SpatialAudioText(rough, corpus, banks, tokenizer)
    foa = torch.cat([batch.foa for batch in heard(data, "train", 7)]).numpy()
    error = max(np.abs(samples_of(tmp_path / "out", line) - one).max() for line, one in zip(lines, foa, strict=True))
    assert error < 2e-5 and any(line.get("mirrored") for line in lines) and any(abs(line.get("yaw", 0)) > 90 for line in lines)


def test_rooms_by_key(cfg, tokenizer, tmp_path):
    cfg.rooms.mode, cfg.rooms.rir_s, cfg.rooms.bands_hz, cfg.rooms.ranges.t30_s = "fresh", 0.1, [1000.0], [0.2, 0.4]
    cfg.data.corpus = FoleyConfig(train_clips=3, val_clips=0, test_clips=0)
    corpus = open_corpus(cfg.data.corpus)
    job = plan(cfg, corpus, {}, ["train"], tmp_path, "wav")
    assert job.banks == {} and render(job, corpus, workers=0) == 6
    lines = join(tmp_path, job.counts)
    for line, batch in zip(lines, heard(SpatialAudioText(cfg, corpus, {}, tokenizer), "train", 1), strict=True):
        assert np.array_equal(samples_of(tmp_path, line), batch.foa[0].double().numpy())
        assert line["is_spatial"] is False or line["room"]["key"] == int(batch.room[0])
    assert any(line["is_spatial"] for line in lines)


def anechoic(count, split):
    """Rooms of the simulator whose walls swallow all but a thousandth."""
    rooms = RoomsConfig(bands_hz=[1000.0])
    scene = draw_rooms(count, rooms.ranges, rooms, 3, split, RATE)
    scene.absorption[:] = 0.999
    rir = render_rir(scene, RATE, 0.1, rooms.bands_hz, rooms.air, rooms.high_pass_hz)
    still = {name: torch.full((count,), 0.1) for name in LABELS}
    return RoomBank.of(scene, rir, still | scene.labels() | {OCTAVE_T30: torch.full((count, 1), 0.1)}, RATE, {"split": split})


def test_files_point_where_their_labels_say(cfg, export, tmp_path):
    cfg.augmentation, cfg.data.mono_share, cfg.data.versions = AugmentationConfig(yaw=True, mirror=True), 0.0, 2
    folders = {}
    for split in ("train", "test"):
        folders[split] = tmp_path / split
        anechoic(16, split).save(folders[split])
    _, lines = export(cfg, tmp_path / "out", ["train", "test"], banks=folders)
    errors = []
    for line in lines:
        w, y, z, x = soundfile.read(tmp_path / "out" / line["audio"])[0].T
        found = np.array([(w * x).mean(), (w * y).mean(), (w * z).mean()])
        azimuth, elevation = np.radians([line["azimuth_deg"], line["elevation_deg"]])
        true = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
        errors.append(np.degrees(np.arctan2(np.linalg.norm(np.cross(found, true)), found @ true)))
    assert len(errors) == 48 + 16 and max(errors) < 3.0


def test_the_manifest_is_a_manifest(rough, export, tmp_path):
    _, lines = export(rough, tmp_path / "out", ["train", "val", "test"])
    records = read_manifest(tmp_path / "out/manifest.jsonl")
    assert [record.clip_id for record in records] == [line["clip_id"] for line in lines] and len(records) == 80
    for record, line in zip(records, lines, strict=True):
        assert record.layout == "foa_acn_sn3d" and record.azimuth_deg == line.get("azimuth_deg") and record.t30_s == line.get("t30_s")
        assert list(record.spatial_captions) == line.get("spatial_captions", []) and record.sample_rate == RATE
        assert record.licence and record.source and (tmp_path / "out" / record.audio).stat().st_size == line["bytes"]


def test_tasks_for_the_rewriter(rough, export, tmp_path):
    _, lines = export(rough, tmp_path / "out", ["test"])
    count = write_tasks(tmp_path / "out", lines, rough.captions.per_clip)
    requests = read_requests(tmp_path / "out" / TASKS)
    worded = [line for line in lines if line["words"]]
    assert len(requests) == count == sum(min(5, len(line["captions"])) for line in worded) > 40
    for request in requests:
        assert verify_caption(request.caption, dict(request.words), request.template).ok, request


def test_what_has_no_identity_or_is_not_mono_is_refused(cfg, corpus, bank_folders, tmp_path):
    cfg.rooms.mode = "pool"
    with pytest.raises(ConfigError, match=r"rooms\.mode is pool"):
        plan(cfg, corpus, bank_folders, ["train"], tmp_path, "flac")
    assert plan(cfg, corpus, bank_folders, ["test"], tmp_path, "flac").counts == {"test": 16}
    cfg.audio.sample_rate = 8000
    with pytest.raises(ConfigError, match=r"built at 16000 Hz, audio.sample_rate is 8000"):
        plan(cfg, corpus, bank_folders, ["test"], tmp_path, "flac")
    line = '{"audio": "a.wav", "captions": ["a dog"], "split": "train", "layout": "foa_fuma"}\n'
    (tmp_path / "m.jsonl").write_text(line)
    recorded = open_corpus(ManifestConfig(path=str(tmp_path / "m.jsonl")))
    with pytest.raises(DataError, match=r"clip 'a.wav' is ambisonics already \(foa_fuma\)"):
        plan(cfg, recorded, bank_folders, ["train"], tmp_path, "flac")
    with pytest.raises(DataError, match="has no test clips"):
        plan(cfg, recorded, bank_folders, ["test"], tmp_path, "flac")
