"""The file of confusion matrices by image: what is written comes back, and what others wrote is refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rs_adapt.errors import ScoresError
from rs_adapt.scores.per_image import FORMAT, PerImage

CLASSES = ("road", "roof", "water")


def some(largest: int = 90_000, **changes: Any) -> PerImage:
    rng = np.random.default_rng(1)
    content: dict[str, Any] = {
        "tiles": ("a/1", "a/2", "Köln_3", "b"),
        "scenes": ("a", "a", "Köln", ""),
        "cities": ("", "", "Köln", ""),
        "classes": CLASSES,
        "counts_NKK": rng.integers(0, largest + 1, (4, 3, 3)),
        "facts": {"split": "south test", "iter": 400, "protocol": {"selection": "last"}, "pack_sha256": None},
    }
    return PerImage(**content | changes)


def members(**changes: Any) -> dict[str, Any]:
    text = {"format": FORMAT, "tiles": ["a"], "scenes": [""], "cities": [""], "classes": ["x", "y"], "facts": {}}
    return text | changes


def write(path: Path, text: Any, counts: Any = None) -> Path:
    """Write a file of the right members by hand."""
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    matrix = np.ones((1, 2, 2), dtype=np.uint8) if counts is None else counts
    np.savez_compressed(path, counts_NKK=matrix, text=np.frombuffer(data, dtype=np.uint8))
    return path


def test_saved_counts_are_read_back(tmp_path: Path) -> None:
    before = some()
    before.save(tmp_path / "deep" / "x.npz")
    after = PerImage.load(tmp_path / "deep" / "x.npz")
    assert after.counts_NKK.dtype == np.int64
    assert np.array_equal(after.counts_NKK, before.counts_NKK)
    assert replace(after, counts_NKK=before.counts_NKK) == before
    assert after.total_KK().tolist() == before.counts_NKK.sum(axis=0).tolist()


@pytest.mark.parametrize(("largest", "kind"), [(255, "u1"), (256, "u2"), (65_536, "u4"), (2**32, "u8")])
def test_counts_are_stored_in_the_smallest_sufficient_type(tmp_path: Path, largest: int, kind: str) -> None:
    counts = np.zeros((4, 3, 3), dtype=np.int64)
    counts[1, 2, 0] = largest
    some(counts_NKK=counts).save(tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz")["counts_NKK"].dtype == np.dtype(kind)
    assert PerImage.load(tmp_path / "x.npz").counts_NKK[1, 2, 0] == largest


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    some().save(tmp_path / "x.npz")
    some().save(tmp_path / "y.npz")
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some().save(tmp_path / "x.npz")
    before = (tmp_path / "x.npz").read_bytes()

    def half(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "no space")

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(OSError, match="no space"):
        some(largest=3).save(tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_no_images_are_a_file_too(tmp_path: Path) -> None:
    nothing = some(tiles=(), scenes=(), cities=(), counts_NKK=np.zeros((0, 3, 3), dtype=np.int64))
    nothing.save(tmp_path / "x.npz")
    assert PerImage.load(tmp_path / "x.npz").total_KK().tolist() == np.zeros((3, 3)).tolist()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"tiles": ("a", "a", "b", "c")}, "'a' stands for more than one tile"),
        ({"classes": ("road", "road", "water")}, "'road' stands for more than one class"),
        ({"scenes": ("a",)}, "4 images, but 1 names of scenes and 4 of cities"),
        ({"counts_NKK": np.zeros((4, 3, 3))}, "int64, not .* float64"),
        ({"counts_NKK": np.zeros((4, 2, 3), dtype=np.int64)}, "shape"),
        ({"counts_NKK": np.full((4, 3, 3), -1)}, "negative"),
        ({"counts_NKK": np.full((4, 3, 3), 2**60)}, "sum to more than"),
    ],
)
def test_inconsistent_contents_are_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ScoresError, match=match):
        some(**changes)


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    np.savez(tmp_path / "x.npz", counts_NKK=np.array([Trap()], dtype=object), text=np.zeros(1, dtype=np.uint8))
    with pytest.raises(ScoresError, match="type object"):
        PerImage.load(tmp_path / "x.npz")
    np.save(tmp_path / "y.npz", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(ScoresError, match="rs-adapt eval"):
        PerImage.load(tmp_path / "y.npz.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("text", "counts", "match"),
    [
        (members(format=2), None, "has format 2, but this version of rs-adapt reads format 1"),
        ([1], None, "has format None"),
        (b"\xff{", None, "damaged"),
        (b"[" * 100_000, None, "damaged"),
        (members(tiles=[1]), None, "tiles is not a list of names"),
        (members(facts=[]), None, "facts is not a table"),
        (members(tiles=["a", "b"]), None, "shape"),
        (members(tiles=["a", "a"], scenes=["", ""], cities=["", ""]), np.ones((2, 2, 2), np.uint8), "more than one"),
        (members(), np.full((1, 2, 2), 2**63, dtype=np.uint64), "beyond"),
        (members(), np.full((1, 2, 2), -1), "negative"),
        (members(), np.ones((1, 2, 2)), "type float64"),
    ],
)
def test_files_of_wrong_content_are_refused(tmp_path: Path, text: Any, counts: Any, match: str) -> None:
    with pytest.raises(ScoresError, match=match):
        PerImage.load(write(tmp_path / "x.npz", text, counts))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    some().save(tmp_path / "x.npz")
    whole = (tmp_path / "x.npz").read_bytes()
    middle = len(whole) // 4
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bits.npz").write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    for name in ("half", "bits", "text", "other"):
        with pytest.raises(ScoresError, match="no confusion matrices of rs-adapt, or is damaged"):
            PerImage.load(tmp_path / f"{name}.npz")
    with pytest.raises(ScoresError, match="There is no file"):
        PerImage.load(tmp_path / "absent.npz")
    with pytest.raises(ScoresError, match="cannot be read"):
        PerImage.load(tmp_path)


@pytest.mark.slow
def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (10**12, 2, 2)})
    with zipfile.ZipFile(tmp_path / "claims.npz", "w") as archive:
        archive.writestr("counts_NKK.npy", header.getvalue())
        archive.writestr("text.npy", header.getvalue())
    with pytest.raises(ScoresError, match="claims"):
        PerImage.load(tmp_path / "claims.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text.npy", b"")
        with archive.open("counts_NKK.npy", "w", force_zip64=True) as file:
            for _ in range(1025):
                file.write(bytes(2**20))
    with pytest.raises(ScoresError, match="unpacks to 1025 MiB, but 1024 MiB are allowed"):
        PerImage.load(tmp_path / "bomb.npz")


def test_reading_and_intervals_load_no_torch() -> None:
    code = "import sys, rs_adapt.scores.per_image, rs_adapt.scores.intervals; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
