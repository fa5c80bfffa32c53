"""Archives: zip in one part and in several, tar, 7z; damaged ones; names that lead out; goes on where it was."""

import io
import os
import random
import shutil
import stat
import struct
import subprocess
import tarfile
import zipfile

import pytest

from elsa_lightning.data.download import unpack as module
from elsa_lightning.data.download.split_zip import parts_of
from elsa_lightning.data.download.unpack import is_archive, unpack
from elsa_lightning.errors import DataError

FILES = {f"audio/{name}.wav": random.Random(i).randbytes(20_000 + i) for i, name in enumerate(("ä b", "dog", "long" * 20, "rain"))}
FILES |= {"meta.csv": b"a,b\n", "empty.txt": b""}


def zipped(path, files=FILES, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("audio") if hasattr(archive, "mkdir") else None
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files=FILES):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def seven_zipped(path, files=FILES):
    py7zr = pytest.importorskip("py7zr", reason="an extra: pip install 'elsa-lightning[archives]'")
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    return path


KINDS = {".zip": zipped, ".tar.gz": tarred, ".7z": seven_zipped}


def found(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_all_files_come_out_as_they_went_in(tmp_path, kind):
    archive, seen = KINDS[kind](tmp_path / f"a{kind}"), []
    members = unpack(archive, tmp_path / "out", lambda done, total: seen.append((done, total)))
    assert found(tmp_path / "out") == FILES and dict(members) == {name: len(content) for name, content in FILES.items()}
    total = sum(map(len, FILES.values()))
    assert seen == sorted(seen) and seen[-1] == (total, total)
    assert unpack(archive, tmp_path / "out") == members and found(tmp_path / "out") == FILES


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", ["../out.txt", "..", "/etc/out.txt", "a/../../out.txt", "..\\out.txt", "link/out.txt"])
def test_names_that_lead_out_are_refused_before_anything_is_written(tmp_path, kind, name):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    archive = KINDS[kind](tmp_path / f"a{kind}", {"good.txt": b"x", name: b"evil"})
    with pytest.raises(DataError, match="leads out of") as fault:
        unpack(archive, out)
    assert name in fault.value.message.replace("\\\\", "\\") and "trust" in fault.value.remedy
    assert not found(out) and not list((tmp_path / "elsewhere").iterdir()) and not (tmp_path / "out.txt").exists()


def test_names_in_a_7z_that_lead_out_are_refused(tmp_path, monkeypatch):
    archive = seven_zipped(tmp_path / "a.7z", {"good.txt": b"x"})
    import py7zr

    entries = py7zr.SevenZipFile.list
    monkeypatch.setattr(py7zr.SevenZipFile, "list", lambda self: [setattr(e, "filename", "../out.txt") or e for e in entries(self)])
    with pytest.raises(DataError, match="leads out of"):
        unpack(archive, tmp_path / "out")
    assert not found(tmp_path / "out")


def test_links_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    for name in ("a.zip", "a.tar"):
        with pytest.raises(DataError, match="link"):
            unpack(tmp_path / name, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["middle", "end"])
def test_a_damaged_archive_is_named(tmp_path, kind, damage):
    archive = KINDS[kind](tmp_path / f"a{kind}")
    data = bytearray(archive.read_bytes())
    if damage == "end":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 3 : len(data) // 3 + 64] = b"\0" * 64
    archive.write_bytes(data)
    with pytest.raises(DataError, match=r"a(\.zip|\.tar\.gz|\.7z) is damaged") as fault:
        unpack(archive, tmp_path / "out")
    assert "fetched anew" in fault.value.remedy and not list((tmp_path / "out").rglob(".*"))


def test_what_is_there_is_left_and_what_is_not_right_is_replaced(tmp_path):
    archive, out = zipped(tmp_path / "a.zip"), tmp_path / "out"
    unpack(archive, out)
    before = {name: (out / name).stat().st_mtime_ns for name in FILES}
    wrong = out / "audio" / "dog.wav"
    wrong.write_bytes(b"?" * len(FILES["audio/dog.wav"]))  # of the right size
    (out / "meta.csv").unlink()
    unpack(archive, out)
    assert found(out) == FILES
    assert {name for name in FILES if (out / name).stat().st_mtime_ns != before[name]} == {"audio/dog.wav", "meta.csv"}


def test_an_unpacking_that_broke_off_goes_on(tmp_path, monkeypatch):
    archive, out, write = zipped(tmp_path / "a.zip"), tmp_path / "out", module._write
    written = []

    def breaks(stream, target):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(target.name)
        write(stream, target)

    monkeypatch.setattr(module, "_write", breaks)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, out)
    assert len(found(out)) == 2
    monkeypatch.setattr(module, "_write", lambda stream, target: written.append(target.name) or write(stream, target))
    unpack(archive, out)
    assert found(out) == FILES and len(written) == len(set(written)) == len(FILES)


def test_without_py7zr_the_remedy_is_told(tmp_path, monkeypatch):
    archive = seven_zipped(tmp_path / "a.7z")
    monkeypatch.setitem(__import__("sys").modules, "py7zr", None)
    with pytest.raises(DataError, match="needs py7zr") as fault:
        unpack(archive, tmp_path / "out")
    assert "elsa-lightning[archives]" in fault.value.remedy and "7z x" in fault.value.remedy


def split(path, size):
    """A zip cut into parts of at most `size` bytes as APPNOTE.TXT says: the directory tells each entry's part and place in it."""
    data = bytearray(b"PK\7\x08" + zipped(path, method=zipfile.ZIP_STORED).read_bytes())
    end = data.rindex(b"PK\5\6")
    directory = struct.unpack_from("<L", data, end + 16)[0] + 4
    at = directory
    while data[at : at + 4] == b"PK\1\2":
        place = struct.unpack_from("<L", data, at + 42)[0] + 4
        struct.pack_into("<H", data, at + 34, place // size)
        struct.pack_into("<L", data, at + 42, place % size)
        at += 46 + sum(struct.unpack_from("<3H", data, at + 28))
    last = (len(data) - 1) // size
    assert directory // size == last, "the directory is to lie in the last part"
    struct.pack_into("<2H", data, end + 4, last, last)
    struct.pack_into("<L", data, end + 16, directory - last * size)
    for number in range(last):
        path.with_suffix(f".z{number + 1:02}").write_bytes(data[number * size : (number + 1) * size])
    path.write_bytes(data[last * size :])
    return path


def test_a_zip_in_parts_is_read_without_any_tool(tmp_path):
    archive = split(tmp_path / "a.zip", 21_000)
    assert len(parts_of(archive)) == 4
    assert unpack(archive, tmp_path / "out") and found(tmp_path / "out") == FILES


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP's zip makes the archive")
@pytest.mark.parametrize(("level", "locale"), [("-0", "C"), ("-6", "C.UTF-8")])
def test_a_zip_in_parts_of_info_zip_is_read(tmp_path, level, locale):
    for name, content in FILES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content * 9)
    subprocess.run(
        ["zip", "-q", level, "-r", "-s", "64k", "../a.zip", "."], cwd=tmp_path / "in", env=os.environ | {"LC_ALL": locale}, check=True
    )
    assert len(parts_of(tmp_path / "a.zip")) > 1
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert found(tmp_path / "out") == {name: content * 9 for name, content in FILES.items()}


def test_a_zip_that_lacks_a_part_is_named(tmp_path):
    archive = split(tmp_path / "a.zip", 21_000)
    archive.with_suffix(".z02").unlink()
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive, tmp_path / "out")
    archive.with_suffix(".z01").unlink()
    with pytest.raises(DataError, match="begins in part 2, which is missing"):
        unpack(archive, tmp_path / "out")


def test_archives_are_known_by_their_names():
    assert all(map(is_archive, ("a.zip", "b/a.tar.gz", "a.7z", "a.tgz", "a.tar"))) and not any(map(is_archive, ("a.z01", "a.csv", "zip")))
