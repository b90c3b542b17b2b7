"""Files of a source: folders, zips, zips within zips, and damage."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from rs_adapt.datasets.originals.sources import Archives, Original, list_originals
from rs_adapt.errors import DataError, DataNotFound

CONTENT = {"a/one.tif": b"1" * 5000, "a/two.tif": bytes(range(256)) * 40, "readme.txt": b"no"}


def zipped(path: Path, content: dict[str, bytes], kind: int) -> bytes:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path.read_bytes()


def wanted(path: str) -> bool:
    return path.endswith(".tif")


def listed(source: Path, scratch: Path) -> dict[str, bytes]:
    with Archives() as archives:
        found = {}
        for original in list_originals(source, wanted, archives=archives, scratch=scratch):
            with archives.on_disk(original, scratch) as path:
                found[original.path] = path.read_bytes()
                assert path.suffix == ".tif"
                assert len(found[original.path]) == original.num_bytes
        return found


@pytest.mark.parametrize("inner", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("outer", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zips_in_zips_are_read_without_unpacking_all(tmp_path: Path, inner: int, outer: int) -> None:
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    (source / "more").mkdir(parents=True)
    scratch.mkdir()
    core = zipped(tmp_path / "inner.zip", CONTENT, inner)
    other = zipped(tmp_path / "other.zip", {"dsm.jpg": b"x" * 100}, inner)
    middle = zipped(tmp_path / "middle.zip", {"deep/inner.zip": core}, outer)
    zipped(
        source / "Outer.zip", {"x/inner.zip": core, "other.zip": other, "middle.zip": middle, ".hidden.tif": b""}, outer
    )
    (source / "more" / "plain.tif").write_bytes(b"plain")
    (source / ".cache").mkdir()
    (source / ".cache" / "no.tif").touch()
    found = listed(source, scratch)
    assert found == {
        "Outer.zip/x/inner.zip/a/one.tif": CONTENT["a/one.tif"],
        "Outer.zip/x/inner.zip/a/two.tif": CONTENT["a/two.tif"],
        "Outer.zip/middle.zip/deep/inner.zip/a/one.tif": CONTENT["a/one.tif"],
        "Outer.zip/middle.zip/deep/inner.zip/a/two.tif": CONTENT["a/two.tif"],
        "more/plain.tif": b"plain",
    }
    # Uncompressed inner zips are read in place; of the others only those with wanted files are kept.
    kept = len([*scratch.iterdir()])
    assert kept == {zipfile.ZIP_STORED: 0, zipfile.ZIP_DEFLATED: 3}[outer]


def test_a_source_may_be_one_zip(tmp_path: Path) -> None:
    zipped(tmp_path / "s.zip", CONTENT, zipfile.ZIP_DEFLATED)
    assert [*listed(tmp_path / "s.zip", tmp_path)] == ["s.zip/a/one.tif", "s.zip/a/two.tif"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "s" / "a").mkdir(parents=True)
    (tmp_path / "s" / "a" / "one.tif").write_bytes(b"1")
    (tmp_path / "s" / "a" / "up").symlink_to(tmp_path / "s")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "two.tif").write_bytes(b"2")
    (tmp_path / "s" / "linked").symlink_to(tmp_path / "elsewhere")
    assert listed(tmp_path / "s", tmp_path) == {"a/one.tif": b"1", "linked/two.tif": b"2"}


def test_damage_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    path = tmp_path / "s" / "half.zip"
    data = zipped(path, CONTENT, zipfile.ZIP_STORED)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"half\.zip cannot be read as a zip .* incomplete, fetch it again"):
        listed(tmp_path / "s", tmp_path)
    # A flipped byte in the middle of a file: the archive opens, its content does not fit the checksum.
    path.write_bytes(data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])
    with pytest.raises(DataError, match=r"half\.zip/a/one\.tif cannot be unpacked .*CRC"):
        listed(tmp_path / "s", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_wrong_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"no source .*nowhere: name the folder"):
        listed(tmp_path / "nowhere", tmp_path)
    (tmp_path / "a.rar").touch()
    with pytest.raises(DataError, match=r"a\.rar is neither a folder nor a zip"):
        listed(tmp_path / "a.rar", tmp_path)


def test_plain_files_stay_where_they_are(tmp_path: Path) -> None:
    with Archives() as archives, archives.on_disk(Original(path="x", num_bytes=0, disk=tmp_path), tmp_path) as path:
        assert path == tmp_path


@pytest.mark.parametrize("name", ["../../evil.tif", "/evil.tif", "a/../../../evil.tif", "..\\evil.tif", "C:\\evil.tif"])
def test_names_in_a_zip_place_no_file(tmp_path: Path, name: str) -> None:
    scratch = tmp_path / "deep" / "scratch"
    scratch.mkdir(parents=True)
    zipped(tmp_path / "s.zip", {name: b"1"}, zipfile.ZIP_STORED)
    before = sorted(tmp_path.rglob("*"))
    # One that begins with a dot is hidden.
    assert list(listed(tmp_path / "s.zip", scratch).values()) == ([] if name.startswith("..\\") else [b"1"])
    assert sorted(tmp_path.rglob("*")) == before


def test_members_that_nobody_expects_are_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.tif", "w", force_zip64=True) as file,
    ):
        for _ in range(520):
            file.write(bytes(2**20))
    assert (tmp_path / "s.zip").stat().st_size < 2**20
    with pytest.raises(DataError, match=r"unpacks to 520 MiB, and 512 MiB are allowed"):
        listed(tmp_path / "s.zip", tmp_path)
    # A zip of zeros within a zip.
    inner = zipped(tmp_path / "inner.zip", {"b.tif": b"1"}, zipfile.ZIP_STORED)
    zipped(tmp_path / "t.zip", {"inner.zip": inner + bytes(100 * 2**20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"inner\.zip unpacks to 100 MiB, and 64 MiB are allowed"):
        listed(tmp_path / "t.zip", tmp_path)
    zipped(tmp_path / "u.zip", {"a/" * 600 + "x.tif": b"1"}, zipfile.ZIP_STORED)
    assert listed(tmp_path / "u.zip", tmp_path) == {}
