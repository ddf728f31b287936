"""Archives from outside: whole ones are unpacked, broken and hostile ones leave nothing behind."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections import namedtuple

import pytest

from matweave.data.unpack import is_archive, unpack
from matweave.errors import DownloadError

FILES = {"set/ratings.dat": b"1::2::3::4\n" * 500, "set/notes/README": b"read me"}


def zipped(path, files=FILES, change=lambda info: info):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(change(info), data)
    return path


def tarred(path, files=FILES, change=lambda info: info):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(change(info), io.BytesIO(data))
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def listing(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("make", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz"), (tarred, "a.tgz")])
def test_unpacks_and_takes_the_top_folder_off(tmp_path, folder, make, name):
    assert is_archive(name)
    written = unpack(make(tmp_path / name), folder)
    assert listing(folder) == {"ratings.dat": FILES["set/ratings.dat"], "notes/README": b"read me"}
    assert sorted(written) == sorted([folder / "ratings.dat", folder / "notes/README"])
    unpack(tmp_path / name, folder)  # again, over the old files
    assert listing(folder)["notes/README"] == b"read me"


def test_files_at_the_top_stay_as_they_are(tmp_path, folder):
    unpack(zipped(tmp_path / "a.zip", {"a.csv": b"1", "more/b.csv": b"2"}), folder)
    assert listing(folder) == {"a.csv": b"1", "more/b.csv": b"2"}


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "set/../../evil", "C:/evil", "..\\evil", "set/a:b"])
def test_paths_that_leave_the_folder(tmp_path, folder, make, name):
    archive = make(tmp_path / ("a.zip" if make is zipped else "a.tar.gz"), {"good.csv": b"1", name: b"2"})
    with pytest.raises(DownloadError, match="is unsafe, and nothing of it was unpacked"):
        unpack(archive, folder)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "evil").exists()


def symlink(info):
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
    return info


def hard_link(info):
    info.type, info.linkname, info.size = tarfile.LNKTYPE, "set/ratings.dat", 0
    return info


def device(info):
    info.type, info.size = tarfile.CHRTYPE, 0
    return info


@pytest.mark.parametrize("change", [symlink, hard_link, device])
def test_tar_members_that_are_no_files(tmp_path, folder, change):
    with pytest.raises(DownloadError, match="a link, a device or encrypted"):
        unpack(tarred(tmp_path / "a.tar.gz", {"x": b""}, change), folder)
    assert list(folder.iterdir()) == []


def test_zip_link(tmp_path, folder):
    def link(info):
        info.external_attr = 0o120777 << 16
        return info

    with pytest.raises(DownloadError, match="a link, a device or encrypted"):
        unpack(zipped(tmp_path / "a.zip", {"x": b"/etc/passwd"}, link), folder)


def test_names_that_differ_only_in_case(tmp_path, folder):
    with pytest.raises(DownloadError, match="'readme' stands there 2 times"):
        unpack(zipped(tmp_path / "a.zip", {"README": b"1", "readme": b"2"}), folder)


def test_all_problems_are_named_at_once(tmp_path, folder):
    with pytest.raises(DownloadError) as error:
        unpack(zipped(tmp_path / "a.zip", {"../a": b"", "/b": b""}), folder)
    assert "'../a'" in error.value.what
    assert "'/b'" in error.value.what


@pytest.mark.parametrize(("make", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_broken_archives(tmp_path, folder, make, name, damage):
    path = make(tmp_path / name)
    data = path.read_bytes()
    middle = len(data) // 2 if make is tarred else 45  # inside the first file's compressed bytes
    path.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
            "empty": b"",
            "text": b"user,item\n",
        }[damage]
    )
    with pytest.raises(DownloadError, match="is not a whole archive"):
        unpack(path, folder)
    assert list(folder.iterdir()) == []


def test_a_web_page_instead_of_the_archive(tmp_path, folder):
    (tmp_path / "a.zip").write_text("\n<!DOCTYPE html><html>please log in</html>")
    with pytest.raises(DownloadError, match="a web page, not an archive"):
        unpack(tmp_path / "a.zip", folder)


def test_too_large_for_the_disk(tmp_path, folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 100))
    with pytest.raises(DownloadError, match="unpacks to 5,507 bytes, but the disk has only 100"):
        unpack(zipped(tmp_path / "a.zip"), folder)
    assert list(folder.iterdir()) == []
