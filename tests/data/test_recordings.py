"""Recorded clips beside mono ones: the same sound in every layout, labels that are known and labels that are not, streamed and cached."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.acoustics.ambisonics import direction_from_angles, encode, fuma_from_acn, n3d_from_sn3d
from elsa_lightning.captions.attributes import REVERBERANT
from elsa_lightning.captions.mentions import mentions
from elsa_lightning.data.clips import prepare_foa
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.recordings import axes_matrix, internal_audio, internal_labels
from elsa_lightning.data.spatial_columns import AXES, LABELS
from elsa_lightning.errors import DataError
from elsa_lightning.schema import AugmentationConfig, ManifestConfig

from .conftest import RATE

PLAIN = {"label": "bell", "captions": ("a bell",)}
ALL_KNOWN = {
    "azimuth_deg": 90.0,
    "elevation_deg": 50.0,
    "distance_m": 0.5,
    "floor_area_m2": 20.0,
    "volume_m3": 60.0,
    "t30_s": 1.4,
    "c50_db": -1.0,
    "drr_db": -6.0,
}
SAID = {
    "azimuth_deg": {("direction", "left")},
    "elevation_deg": {("elevation", "up")},
    "distance_m": {("distance", "near")},
    "floor_area_m2": {("area", "small")},
    "volume_m3": set(),
    "t30_s": {("reverberation", REVERBERANT)},
    "c50_db": set(),
    "drr_db": set(),
}


def plane_wave(azimuth_deg, elevation_deg, seconds=0.8, seed=0, rate=RATE):
    """(4, T) ACN/SN3D."""
    angles = torch.deg2rad(torch.tensor([[float(azimuth_deg)], [float(elevation_deg)]]))
    mono = 0.1 * torch.randn(1, round(seconds * rate), generator=torch.Generator().manual_seed(seed))
    return encode(mono, direction_from_angles(*angles))[0]


def save(path, foa, rate=RATE):
    soundfile.write(path, np.asarray(foa).T, rate, subtype="FLOAT")


def foa_record(name, split="train", layout="foa_acn_sn3d", **columns):
    return ClipRecord(name, split, audio=f"{name}.wav", layout=layout, **{**PLAIN, **columns})


@pytest.fixture
def open_data(cfg, banks, tokenizer, tmp_path):
    """A datamodule on a manifest of these records, whose files lie in `tmp_path`."""

    def open_records(records, caches=None, **data):
        write_manifest(tmp_path / "m.jsonl", records)
        corpus = ManifestConfig(path=str(tmp_path / "m.jsonl"))
        experiment = dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, corpus=corpus, **{"mono_share": 0.0, **data}))
        return SpatialAudioText(experiment, open_corpus(corpus), banks, tokenizer, caches)

    return open_records


def batches(data, loader):
    return [data.on_after_batch_transfer(data.on_before_batch_transfer(batch)) for batch in loader]


def evaluated(data):
    return batches(data, data.test_dataloader())


# layouts and axes


def test_every_layout_and_all_axes_give_the_same_features(open_data, tmp_path):
    """A file is written as each microphone would write it; what the model sees and the label do not depend on it."""
    wave = plane_wave(40, 25) + plane_wave(-100, -10, seed=1) * 0.3
    layouts = {"foa_acn_sn3d": lambda foa: foa, "foa_acn_n3d": n3d_from_sn3d, "foa_fuma": fuma_from_acn}
    records = []
    for i, (layout, axes) in enumerate([*((layout, AXES[0]) for layout in layouts), *zip(itertools.cycle(layouts), AXES, strict=False)]):
        seen = axes_matrix(axes).T  # from the room's axes to the microphone's
        foa = wave.clone()
        foa[[3, 1, 2]] = torch.tensor(seen, dtype=foa.dtype) @ wave[[3, 1, 2]]
        save(tmp_path / f"{i}.wav", layouts[layout](foa))
        x, y, z = seen @ direction_from_angles(*torch.deg2rad(torch.tensor([40.0, 25.0]))).double().numpy()
        label = {"azimuth_deg": math.degrees(math.atan2(y, x)), "elevation_deg": math.degrees(math.atan2(z, math.hypot(x, y)))}
        records.append(foa_record(str(i), "test", layout, axes=axes, **label))
    assert len(records) == 51
    found = evaluated(open_data(records))
    first = found[0]
    for batch in found:
        for name in ("log_mel", "intensity"):
            values = getattr(batch.features, name)
            assert torch.allclose(values, getattr(first.features, name)[:1].expand_as(values), atol=1e-3), name
        assert torch.allclose(batch.direction, first.direction[:1].expand_as(batch.direction), atol=1e-5)
    assert torch.rad2deg(first.spatial["azimuth"][0]).item() == pytest.approx(40, abs=1e-3)
    assert torch.rad2deg(first.spatial["elevation"][0]).item() == pytest.approx(25, abs=1e-3)


def test_one_angle_without_the_other():
    alone = [foa_record("x", azimuth_deg=30.0), foa_record("x", elevation_deg=30.0)]
    assert [internal_labels(record)["azimuth"] for record in alone] == [pytest.approx(math.pi / 6), pytest.approx(math.nan, nan_ok=True)]
    mirrored = [internal_labels(dataclasses.replace(record, axes="front-right-down")) for record in alone]
    assert mirrored[0]["azimuth"] == pytest.approx(-math.pi / 6) and mirrored[1]["elevation"] == pytest.approx(-math.pi / 6)
    assert math.isnan(mirrored[0]["elevation"]) and math.isnan(mirrored[1]["azimuth"])
    flat = [internal_labels(dataclasses.replace(record, axes="up-left-back")) for record in alone]
    assert all(math.isnan(labels[name]) for labels in flat for name in ("azimuth", "elevation"))


def test_other_than_four_channels_are_no_recording():
    with pytest.raises(DataError, match="not first-order"):
        internal_audio(np.zeros((2, 10)), "foa_fuma")


# the clip


def test_a_clip_is_cut_alike_in_all_channels_with_one_gain(cfg):
    foa = np.zeros((4, 5000), np.float32)
    foa[:, 1000:4000] = plane_wave(60, 20).numpy()[:, :3000] * 0.01
    for rng in (None, np.random.default_rng(3)):
        clip = prepare_foa(foa, RATE, cfg.audio, rng)
        assert (
            clip.shape == (4, 8000) and clip.dtype == np.float32 and np.sqrt(np.mean(clip[0].astype(float) ** 2)) == pytest.approx(1, 1e-5)
        )
        x, y, z = clip[[3, 1, 2]].astype(float)
        assert np.allclose(
            np.stack([x, y, z]) @ clip[0], np.array([*direction_from_angles(*torch.deg2rad(torch.tensor([60.0, 20.0])))]) * 8000
        )
        shift = int(np.argmax(np.correlate(np.tile(foa[0, 1000:4000], 2), clip[0, :3000], "valid")))
        assert np.allclose(clip[:, :2000], np.tile(foa[:, 1000:4000], 3)[:, shift : shift + 2000] / rms_of(foa, clip), atol=1e-4)
    with pytest.raises(DataError, match="silent"):
        prepare_foa(np.concatenate([foa[:1] * 0, foa[1:]]), RATE, cfg.audio)


def rms_of(foa, clip):
    return float(np.abs(foa[0, 1000:4000]).max() / np.abs(clip[0]).max())


def test_a_part_of_a_file_is_read_alone_and_resampled(open_data, tmp_path):
    """Three sounds in one file at another rate: each clip shows its own direction only."""
    places = [(0, 0), (90, 0), (-90, 40)]
    save(tmp_path / "all.wav", torch.cat([plane_wave(*place, 0.6, i, 24000) for i, place in enumerate(places)], 1), 24000)
    records = [
        dataclasses.replace(
            foa_record(str(i), "test", start_s=0.6 * i, duration_s=0.6, azimuth_deg=float(az), elevation_deg=float(el)), audio="all.wav"
        )
        for i, (az, el) in enumerate(places)
    ]
    (batch,) = evaluated(open_data(records))
    seen = torch.nn.functional.normalize(batch.features.intensity[:, :3].mean((2, 3)), dim=1)
    assert (seen * batch.direction).sum(1).min() > math.cos(math.radians(1))


def test_a_mono_clip_may_be_a_part_too(open_data, tmp_path):
    sound = np.concatenate([np.zeros(4000), 0.1 * np.random.default_rng(0).standard_normal(8000)])
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    part = ClipRecord("a", "test", audio="a.wav", start_s=0.25, duration_s=0.25, **PLAIN)
    corpus = open_data([part]).corpus
    assert np.allclose(corpus.load(part, RATE), sound[4000:8000], atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "foa_acn_n3d", "audio": "mono.wav"}, r"mono\.wav has 1 channel\(s\), not 4"),
        ({"audio": "none.wav"}, r"none\.wav does not exist"),
        ({"start_s": 0.9}, r"a\.wav ends at 0\.800 s, before its part from 0\.9 s"),
        ({"start_s": 0.5, "duration_s": 0.5}, r"a\.wav ends at 0\.800 s, before its part from 0\.5 s to 1 s"),
        ({"audio": "silent.wav"}, r"silent\.wav is silent"),
    ],
)
def test_faults_are_clear(open_data, tmp_path, change, message):
    save(tmp_path / "a.wav", plane_wave(0, 0))
    save(tmp_path / "mono.wav", plane_wave(0, 0)[:1])
    save(tmp_path / "silent.wav", plane_wave(0, 0) * 0)
    data = open_data([dataclasses.replace(foa_record("a", "test"), **change)])
    with pytest.raises(DataError, match=message) as caught:
        evaluated(data)
    assert caught.value.remedy


def test_a_mono_clip_with_four_channels_is_told_how_to_say_so(open_data, tmp_path):
    save(tmp_path / "a.wav", plane_wave(0, 0))
    with pytest.raises(DataError, match=r"a\.wav has 4 channel\(s\), not 1") as caught:
        evaluated(open_data([ClipRecord("a", "test", audio="a.wav", **PLAIN)]))
    assert "layout" in caught.value.remedy


# mixed corpora


def mixed(tmp_path):
    """Mono and recorded clips in turn in every split, 12 a split; recordings know fewer labels the later they come."""
    rng, records = np.random.default_rng(0), []
    names = list(LABELS)
    for split, i in itertools.product(("train", "val", "test"), range(12)):
        name = f"{split}{i}"
        if i % 2:
            save(tmp_path / f"{name}.wav", plane_wave(30 * i - 180, 5 * i, seed=i))
            known = {key: ALL_KNOWN[key] for key in names[: 9 - i]} | ({"azimuth_deg": 30.0 * i - 180} if i < 9 else {})
            records.append(foa_record(name, split, **known))
        else:
            soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(12000), RATE, subtype="FLOAT")
            records.append(ClipRecord(name, split, audio=f"{name}.wav", label="rain", captions=("rain",)))
    return records


def rows_of(batch, recorded):
    return (batch.is_recorded == recorded).nonzero().flatten().tolist()


def test_mono_clips_are_placed_as_without_recordings(open_data, cfg, tmp_path):
    """Bit for bit, and recordings are heard as they are, neither roughened nor placed; each keeps its own labels."""
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True, noise_snr_db=[5.0, 20.0], mismatch_db=1.0)
    records = mixed(tmp_path)
    data = open_data(records)
    found = batches(data, data.probe_dataloader())
    alone = open_data([record for record in records if not record.recorded])
    mono = {
        (clip_id, version): (batch.foa[row], {name: values[row] for name, values in batch.spatial.items()})
        for batch in batches(alone, alone.probe_dataloader())
        for row, (clip_id, version) in enumerate(zip(batch.clip_id, batch.version.tolist(), strict=True))
    }
    count = 0
    for batch in found:
        for row in rows_of(batch, recorded=False):
            foa, labels = mono[batch.clip_id[row], batch.version[row].item()]
            assert torch.equal(foa, batch.foa[row]) and all(torch.equal(labels[name], batch.spatial[name][row]) for name in labels)
            count += 1
        for row in rows_of(batch, recorded=True):
            record = batch.records[row]
            for name, value in internal_labels(record).items():
                assert batch.spatial[name][row].item() == pytest.approx(value, rel=1e-6, nan_ok=True), name
            if record.azimuth_deg is not None and record.elevation_deg is not None:
                x, y = (batch.foa[row, 0] * batch.foa[row, [3, 1]]).mean(1).tolist()
                i = int(record.clip_id.removeprefix("train"))
                assert math.degrees(math.atan2(y, x)) == pytest.approx(30 * i - 180, abs=1)  # exactly a plane wave: nothing was added
    assert count == len(mono) == 12


@pytest.mark.parametrize("split", ["train", "test"])
def test_cached_is_streamed(open_data, cfg, banks, tmp_path, split):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True)
    records = mixed(tmp_path)
    stream = open_data(records, mono_share=0.3)
    cache = render_cache(stream.cfg, stream.corpus, banks[split], split, tmp_path / "cache", workers=0)
    cached = open_data(records, {split: cache}, mono_share=0.3)
    loaders = [data._loader(split, data._every_item(split)) for data in (stream, cached)]
    seen = 0
    for direct, stored in zip(*(batches(data, loader) for data, loader in zip((stream, cached), loaders, strict=True)), strict=True):
        assert direct.captions == stored.captions and direct.caption_sets == stored.caption_sets
        assert torch.equal(direct.label, stored.label) and torch.equal(direct.is_spatial, stored.is_spatial)
        for name, values in direct.spatial.items():
            assert torch.allclose(values, stored.spatial[name], atol=1e-6, equal_nan=True)
        assert torch.allclose(direct.features.log_mel, stored.features.log_mel, atol=0.05)
        assert torch.allclose(direct.features.intensity, stored.features.intensity, atol=2e-3)
        seen += len(direct)
    assert seen == 24
    if split == "test":
        assert stream.test_captions() == cached.test_captions()


def test_captions_are_foreseen_from_the_labels_alone(open_data, cfg, banks, tmp_path):
    cfg.augmentation = AugmentationConfig(yaw=True, mirror=True)
    cfg.data.rendering = "cached"
    records = mixed(tmp_path)
    data = open_data(records)
    cache = render_cache(data.cfg, data.corpus, banks["train"], "train", tmp_path / "cache", workers=0)
    data = open_data(records, {"train": cache})
    drawn = [data.on_before_batch_transfer(batch).captions for batch in data.train_dataloader()]
    assert list(data.training_captions()) == drawn and len(drawn) == 12


def test_versions_of_a_recording_count_once_in_evaluation(open_data, tmp_path):
    """Its versions are all the same outside training: only the first has labels. A corpus of recordings alone has no more than that."""
    records = mixed(tmp_path)
    for batch in evaluated(open_data(records)):
        for row in rows_of(batch, recorded=True):
            if batch.version[row]:
                assert batch.label[row] == -1 and all(values[row].isnan() for values in batch.spatial.values())
            else:
                assert batch.label[row] >= 0
    recorded = [record for record in records if record.recorded]
    data = open_data(recorded)
    assert len(data.dataset("test")) == 6 and len(data.dataset("train")) == 12
    first, second = evaluated(data), evaluated(data)
    assert all(torch.equal(a.foa, b.foa) for a, b in zip(first, second, strict=True))


# captions


def one_clip(open_data, tmp_path, **columns):
    save(tmp_path / "a.wav", plane_wave(90, 50))
    return open_data([foa_record("a", "test", **columns)])


@pytest.mark.parametrize("known", [(), *((name,) for name in LABELS), ("azimuth_deg", "t30_s"), tuple(LABELS)])
def test_only_what_is_known_is_said(open_data, tmp_path, known):
    data = one_clip(open_data, tmp_path, **{name: ALL_KNOWN[name] for name in known})
    (batch,) = evaluated(data)
    (captions,) = batch.caption_sets
    assert len(captions) == data.cfg.captions.per_clip and data.test_captions() == [captions]
    for caption in captions:
        assert {(one.attribute, one.word) for one in mentions(caption)} == set().union(*(SAID[name] for name in known)), caption


def test_spatial_captions_are_said_as_they_are_unless_the_scene_was_turned(open_data, cfg, tmp_path):
    own = ("a bell on the LEFT", "up there, a bell")
    cfg.captions.spatial_share = 1.0
    save(tmp_path / "a.wav", plane_wave(90, 50))
    records = [foa_record("a", split, azimuth_deg=90.0, spatial_captions=own) for split in ("train", "test")]
    records[1] = dataclasses.replace(records[1], clip_id="b", audio="b.wav")
    save(tmp_path / "b.wav", plane_wave(90, 50))
    (batch,) = evaluated(data := open_data(records))
    assert batch.caption_sets[0][:2] == ["A bell on the LEFT.", "Up there, a bell."] and len(batch.caption_sets[0]) == 5
    assert data.test_captions() == batch.caption_sets
    said = [caption for batch in batches(data, data.train_dataloader()) for caption in batch.captions]
    assert set(said) == {"A bell on the LEFT.", "Up there, a bell."}
    cfg.augmentation = AugmentationConfig(yaw=True)
    data = open_data(records)
    turned = [caption for batch in batches(data, data.train_dataloader()) for caption in batch.captions]
    assert not set(turned) & set(said)
