"""Files that unpack, or stand for, far more than they hold are refused before memory is taken for it."""

from __future__ import annotations

import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from rs_adapt import limits
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.documents import read_bytes
from rs_adapt.errors import DataError, ScoresError, WeightsError
from rs_adapt.scores.per_image import PerImage
from rs_adapt.zips import check_member, check_unpacked_size


def write_zeros(path: Path, name: str, mib: int, *, start: bytes = b"") -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        file.write(start)
        for _ in range(mib):
            file.write(bytes(2**20))
    return path


@pytest.fixture
def little_memory() -> None:
    """Let the test take 2 GiB more than there are now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_zips_of_zeros_are_refused(tmp_path: Path) -> None:
    path = write_zeros(tmp_path / "a.zip", "x", 80)
    with pytest.raises(DataError, match="unpacks to 80 MiB, more than 200 times its size"):
        check_unpacked_size(path, error=DataError)
    with zipfile.ZipFile(path) as archive, pytest.raises(DataError, match=r"a\.zip/x unpacks to 80 MiB, and 1 MiB"):
        check_member(archive.getinfo("x"), most=2**20, place="a.zip", error=DataError)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    check_unpacked_size(tmp_path / "b.zip", error=DataError)


def test_weights_are_as_large_as_their_file(tmp_path: Path, little_memory: None) -> None:
    torch.save({"a": torch.zeros(1).expand(2**31)}, tmp_path / "stride.pth")
    with pytest.raises(WeightsError, match="describes tensors of 8192 MiB"):
        read_tensors(tmp_path / "stride.pth")
    torch.save({"a": torch.zeros(2**26)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in plain.infolist():
            packed.writestr(member.filename, plain.read(member))
    with pytest.raises(WeightsError, match="unpacks to 256 MiB, more than 4 times its size"):
        read_tensors(tmp_path / "packed.pth")


def test_a_scripted_tensor_does_not_repeat_its_storage(tmp_path: Path, little_memory: None) -> None:
    class Storage:
        pass

    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("x/constants.pkl", pickle.dumps(()))
        stored = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
        sized = b"K\x00(J\xff\xff\xff\x7ft(K\x00t\x89}"
        tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + stored + sized + b"tR"
        archive.writestr("x/data.pkl", b"\x80\x02}X\x01\x00\x00\x00a" + tensor + b"s.")
        archive.writestr("x/data/0", bytes(4))
    with pytest.raises(WeightsError, match="cannot be read as a TorchScript archive.*repeats its storage"):
        read_tensors(tmp_path / "a.pt")


def test_matrices_are_counted_as_they_are_read(tmp_path: Path, little_memory: None) -> None:
    names = ("0",) * 3000
    # 3000 matrices of 200 classes: 120 MB of 8 bit that become 960 MB.
    counts = np.zeros((3000, 200, 200), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", counts_NKK=counts, text=np.frombuffer(b"{}", np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    with pytest.raises(ScoresError, match="120000000 values, more than are allowed"):
        PerImage.load(tmp_path / "a.npz")
    assert len(names) < limits.COUNTS


def test_records_have_a_largest_size(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(limits.RECORD_BYTES + 1)
    with pytest.raises(OSError, match="are allowed"):
        read_bytes(tmp_path / "a.json")
