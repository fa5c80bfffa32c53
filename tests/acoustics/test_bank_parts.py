"""A bank simulated in parts is the bank simulated at once."""

import dataclasses
import shutil
from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch

from elsa_lightning.acoustics import bank, bank_parts
from elsa_lightning.acoustics.bank import RoomBank, build_bank
from elsa_lightning.acoustics.bank_parts import build_part, join_parts, part_folder, rows_of_part
from elsa_lightning.cli import main
from elsa_lightning.cli_rooms_parts import part_command
from elsa_lightning.errors import ConfigError, DataError

SMALL = ["--profile", "smoke", "--set", "rooms.rir_s=0.2"]


@pytest.mark.parametrize("total", [1, 63, 64, 65, 640, 1000])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_parts_are_whole_batches_that_cover_all_rooms_once(total, count):
    parts = [rows_of_part(total, index, count) for index in range(1, count + 1)]
    assert [row for part in parts for row in part] == list(range(total))
    assert all(part.start % 64 == 0 for part in parts)


@pytest.fixture(scope="module")
def in_parts(rooms, tmp_path_factory):
    """Five rooms in three parts of batches of two, and in one piece."""
    folder, five = tmp_path_factory.mktemp("parts") / "bank", dataclasses.replace(rooms, train=5)
    with pytest.MonkeyPatch.context() as patch:
        for module in (bank, bank_parts):
            patch.setattr(module, "BATCH", 2)
        for index in (3, 1, 2):
            build_part(five, 16000, "train", index, 3).save(part_folder(folder, index, 3))
        yield folder, five, build_bank(five, 16000, "train")


def test_the_joined_bank_is_the_whole_one_bit_for_bit(in_parts):
    folder, rooms, whole = in_parts
    joined = join_parts(folder, rooms, 16000, "train", 3)
    assert joined.content_hash == whole.content_hash and joined.source == whole.source
    assert [len(RoomBank.load(part_folder(folder, index, 3))) for index in (1, 2, 3)] == [2, 2, 1]


def test_missing_and_foreign_parts_are_refused(in_parts, rooms):
    folder, five, _ = in_parts
    with pytest.raises(DataError, match="part-1-of-5"):
        join_parts(folder.with_name("bank"), dataclasses.replace(rooms, train=50), 16000, "train", 5)
    kept = part_folder(folder, 2, 3).rename(folder.with_name("kept"))
    other = dataclasses.replace(five, seed=1)
    build_part(other, 16000, "train", 2, 3).save(part_folder(folder, 2, 3))
    with pytest.raises(DataError, match="is no part 2 of 3 of this bank"):
        join_parts(folder, five, 16000, "train", 3)
    for path in sorted(part_folder(folder, 2, 3).iterdir()):
        path.unlink()
    part_folder(folder, 2, 3).rmdir()
    kept.rename(part_folder(folder, 2, 3))


@pytest.mark.parametrize(
    "seed, rate, split, message",
    [
        (1, 16000, "train", "rooms.seed 1?[0-9]+, not"),
        (None, 8000, "train", "sample_rate 16000, not 8000"),
        (None, 16000, "val", "split 'train'"),
    ],
)
def test_parts_that_agree_with_each_other_are_compared_with_what_is_asked(in_parts, seed, rate, split, message):
    folder, five, _ = in_parts
    asked = dataclasses.replace(five, val=5, **({} if seed is None else {"seed": five.seed + seed}))
    with pytest.raises(DataError, match=message) as caught:
        join_parts(folder, asked if split == "val" or seed else five, rate, split, 3)
    assert "--shard 1/3" in caught.value.remedy


def test_the_command_line_makes_parts_once_and_joins_them(tmp_path, capsys):
    words = ["rooms", "bank", str(tmp_path / "bank"), "--split", "val", "--count", "2", *SMALL]
    assert main([*words, "--shard", "1/2"]) == 0 and "no rooms" in capsys.readouterr().out  # one batch: the second part has it
    assert main([*words, "--join", "2"]) == DataError.exit_code
    assert main([*words, "--shard", "2/2"]) == 0
    assert main([*words, "--shard", "2/2"]) == 0 and "is there" in capsys.readouterr().out
    edited = [*words, "--set", "rooms.seed=9"]
    assert main([*edited, "--shard", "2/2"]) == main([*edited, "--join", "2"]) == DataError.exit_code
    assert capsys.readouterr().err.count("rooms.seed 0, not 9") == 2
    assert main([*words, "--join", "2"]) == 0 and main(words) == 2  # it is there now
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]
    assert main(["rooms", "bank", str(tmp_path / "whole"), *words[3:]]) == 0
    joined, whole = (RoomBank.load(tmp_path / name) for name in ("bank", "whole"))
    assert joined.content_hash == whole.content_hash and torch.equal(joined.samples, whole.samples)


def test_a_killed_join_is_ended_by_the_same_call_but_newer_parts_are_kept(in_parts, tmp_path):
    origin, five, whole = in_parts
    folder = tmp_path / "bank"
    parts = [part_folder(folder, index, 3) for index in (1, 2, 3)]
    for index, part in enumerate(parts, 1):
        shutil.copytree(part_folder(origin, index, 3), part)
    whole.save(folder)  # killed after this
    (parts[0] / "manifest.json").unlink()  # and half way through the removal
    call = Namespace(folder=folder, split="train", count=5, shard=None, join=3, overwrite=False)
    cfg = SimpleNamespace(rooms=five, audio=SimpleNamespace(sample_rate=16000))
    part_command(call, cfg)
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]
    part_command(call, cfg)  # killed before the job could say that it is done
    newer = RoomBank.load(part_folder(origin, 2, 3), mmap=False)
    newer.samples[0, 0, 0] += 1
    newer.save(parts[1])
    with pytest.raises(ConfigError, match="there is a bank"):
        part_command(call, cfg)
    assert parts[1].exists() and RoomBank.load(folder).content_hash == whole.content_hash
