"""Published corpora in miniature, in the layout that they have on disk: tables of a few rows, clips of a third of a second."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zlib
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def sound(path: Path, channels: int = 1, seconds: float = 0.3, rate: int = RATE) -> Path:
    """A clip of noise, another for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(path.name.encode())).standard_normal((round(seconds * rate), channels)) * 0.1
    soundfile.write(path, noise[:, 0] if channels == 1 else noise, rate)
    return path


def table(path: Path, header: str, rows: list[list], encoding: str = "utf-8") -> None:
    """A csv file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    csv.writer(text).writerows([header.split(","), *rows])
    path.write_bytes(text.getvalue().encode(encoding))


def text(path: Path, value) -> None:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


NAMINGS = {
    "aac-datasets": lambda video, start, ids, split: [f"AUDIOCAPS/audio_32000Hz/{split}/{video}_{start}.flac"],
    "audiocaps-dl": lambda video, start, ids, split: [f"AudioCaps/{split}/{video}_{1000 * start}_{1000 * start + 10000}.wav"],
    "wavcaps": lambda video, start, ids, split: [f"waveforms/{split}/Y{video}.wav"],
    "laion": lambda video, start, ids, split: [f"audio/{video}.wav"],  # one folder for all
    "audiocaps-download": lambda video, start, ids, split: [f"{split}/{one}.ogg" for one in ids],
}
"""Downloader → names of a clip's files."""


def audiocaps(root: Path, naming: str = "wavcaps", tables: str = "dataset") -> None:
    """Six training clips, two of validation, two of test with five captions each. One is in training and test; `gone` has no file."""
    videos = {"train": ["-_aaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc", "ddddddddddd", "leaked00000", "gone0000000"]}
    videos |= {"val": ["vvvvvvvvvv1", "vvvvvvvvvv2"], "test": ["ttttttttttt", "leaked00000"]}
    number = 100
    for split, names in videos.items():
        rows = []
        for start, video in enumerate(names, 30):
            start = 34 if video == "leaked00000" else start
            ids = []
            for _ in range(1 if split == "train" else 5):
                number += 1
                ids.append(number)
                rows.append([number, video, start, f"A dog barks, then {number}  birds sing"])
            if video != "gone0000000":
                for name in NAMINGS[naming](video, start, ids, split):
                    sound(root / name)
        np.random.default_rng(0).shuffle(rows)  # a clip's captions are not neighbours in the published tables
        table(root / tables / f"{split}.csv", "audiocap_id,youtube_id,start_time,caption", rows)


def clotho(root: Path) -> None:
    """Archives unpacked beside the tables; metadata in Latin letters that are no UTF-8; one recording in development and evaluation."""
    names = {
        "development": {"Birds, far away.wav": "101", " Ambience.wav": "102", "Same.wav": "103", "x.y.wav": "Not found", "leak.wav": "900"},
        "validation": {"Same.wav": "201", "Tür.wav": "202"},
        "evaluation": {"Same.wav": "301", "from leak.wav": "900"},
    }
    for split, files in names.items():
        rows, facts = [], []
        for name, sound_id in files.items():
            sound(root / split / name, rate=44100)
            rows.append([name, *(f"Caption {number} of {split}, {name}." for number in range(1, 6))])
            facts.append([name, "a;b", sound_id, f"https://freesound.org/{sound_id}", "[0, 9]", "Günther", f"licence of {sound_id}"])
        table(root / f"clotho_captions_{split}.csv", "file_name,caption_1,caption_2,caption_3,caption_4,caption_5", rows)
        header = "file_name,keywords,sound_id,sound_link,start_end_samples,manufacturer,license"
        table(root / f"clotho_metadata_{split}.csv", header, facts, encoding="iso-8859-1")


def pairs(folder: Path, numbers: range, first_id: int) -> list[Path]:
    """LAION's .flac and .json."""
    files = []
    for number in numbers:
        identity = first_id + number
        original = {
            "tags": ["t"],
            "description": f"Rain {identity}. More.",
            "username": "u",
            "title": f"rain_{identity}.wav",
            "id": identity,
        }
        text(folder / f"{number}.json", {"text": [f"rain {identity}.", f"Rain {identity}."], "tag": ["t"], "original_data": original})
        files += [sound(folder / f"{number}.flac", rate=48000), folder / f"{number}.json"]
    return files


def freesound(root: Path) -> None:
    """Folders of pairs: train, test."""
    pairs(root / "train", range(1, 9), 1000)
    pairs(root / "test", range(9, 12), 1000)


def freesound_tars(root: Path) -> None:
    """The same as tars, whose members lie below a path of the machine that packed them."""
    for shard, numbers in {"train_1/0": range(1, 5), "train_2/0": range(5, 9), "test/0": range(9, 12)}.items():
        part = shard.partition("/")[0]
        made = pairs(root.parent / f"{root.name}-unpacked" / part, numbers, 1000)
        tar = root / "freesound_no_overlap" / f"{shard}.tar"
        tar.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(tar, "w") as archive:
            for file in made:
                archive.add(file, f"mnt/freesound/split/{part}/{file.name}")
    text(root / "freesound_no_overlap" / "sizes.json", {"train_1/0.tar": 4})


def wavcaps(root: Path) -> None:
    """Four parts, unpacked to the long path that the archives hold; number 7 is an id in two of them."""
    ids = {
        "AudioSet_SL": ("as_final.json", ["Yaaaaaaaaaaa.wav", "Ybbbbbbbbbbb.wav"]),
        "BBC_Sound_Effects": ("bbc_final.json", ["NHU05104134", "07070068"]),
        "FreeSound": ("fsd_final.json", ["7", "180913"]),
        "SoundBible": ("sb_final.json", ["7", "2219"]),
    }
    for part, (name, rows) in ids.items():
        data = [{"id": one, "caption": f"Sound {one} of {part}.", "duration": 0.3, "audio": "somewhere", "tags": []} for one in rows]
        text(root / "json_files" / part / name, {"num_captions_per_audio": 1, "data": data})
        for one in rows:
            folder = root / "Zip_files" / part / "mnt/fast/nobackup/WavCaps/data/waveforms" / f"{part}_flac"
            sound(folder / f"{one.removesuffix('.wav')}.flac", rate=32000)
    text(root / "json_files/blacklist/blacklist_exclude_all_ac.json", {"FreeSound": ["7"], "AudioSet": []})


def fsd50k(root: Path) -> None:
    """Smeared labels as in the release."""
    guitar = "Guitar,Plucked_string_instrument,Musical_instrument,Music"
    dev = [
        ["64760", f"Electric_guitar,{guitar}", "m", "train"],
        ["5312", f"Electric_guitar,Bass_guitar,{guitar}", "m", "train"],
        ["9", f"Bass_guitar,{guitar}", "m", "train"],
        ["10", "Keyboard_(musical),Musical_instrument,Music", "m", "train"],
        ["11", "Rain,Water", "m", "train"],
        ["12", "Water", "m", "val"],
    ]
    evaluation = [["37199", "Rain,Water", "m"], ["37200", "Music", "m"]]
    table(root / "FSD50K.ground_truth/dev.csv", "fname,labels,mids,split", dev)
    table(root / "FSD50K.ground_truth/eval.csv", "fname,labels,mids", evaluation)
    table(root / "FSD50K.metadata/collection/collection_dev.csv", "fname,labels,mids", [["64760", "Electric_guitar", "m"]])
    for part, rows in {"dev": dev, "eval": evaluation}.items():
        text(root / f"FSD50K.metadata/{part}_clips_info_FSD50K.json", {row[0]: {"title": "t", "license": f"by {row[0]}"} for row in rows})
        for row in rows:
            sound(root / f"FSD50K.{part}_audio" / f"{row[0]}.wav", rate=44100)
            sound(root / f"FSD50K.{part}_audio_16k" / f"{row[0]}.wav")  # people keep resampled copies beside the original


def esc50(root: Path) -> None:
    """Two clips in each of five folds."""
    rows = [[f"{fold}-{fold}0{take}-A-0.wav", fold, 0, "dog", "True", f"{fold}0{take}", "A"] for fold in range(1, 6) for take in range(2)]
    table(root / "meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take", rows)
    for row in rows:
        sound(root / "audio" / row[0], rate=44100)


def urbansound8k(root: Path) -> None:
    """Ten folds; the recording of fold 2 is stereo."""
    rows = [[f"{100 + fold}-3-0-{cut}.wav", 100 + fold, 0, 4, 1, fold, 3, "dog_bark"] for fold in range(1, 11) for cut in range(2)]
    table(root / "metadata/UrbanSound8K.csv", "slice_file_name,fsID,start,end,salience,fold,classID,class", rows)
    for row in rows:
        sound(root / f"audio/fold{row[5]}" / row[0], channels=2 if row[5] == 2 else 1, rate=44100)


MINIATURES = {
    "audiocaps": ("audiocaps", audiocaps),
    "audiocaps2": ("audiocaps2", lambda root: audiocaps(root, "aac-datasets", "dataset2.0")),
    "clotho": ("clotho", clotho),
    "freesound": ("freesound", freesound),
    "freesound tars": ("freesound", freesound_tars),
    "wavcaps": ("wavcaps", wavcaps),
    "fsd50k": ("fsd50k", fsd50k),
    "esc50": ("esc50", esc50),
    "urbansound8k": ("urbansound8k", urbansound8k),
}
"""Name → layout, and what writes it into a folder."""
