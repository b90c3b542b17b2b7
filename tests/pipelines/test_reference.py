"""The pool of reference images: what it finds, how it reads and draws, and what it says when it cannot."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import mmcv
import numpy as np
import pytest
from PIL import Image

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.pipelines.reference import ReferencePool


def flat(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def test_bands_are_in_the_order_of_the_image_loader(write_images) -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 200
    folder = write_images(red)
    drawn_HWC = ReferencePool(folder=folder, suffix=".png").draw()
    assert drawn_HWC[0, 0].tolist() == [0, 0, 200]
    loader = mmcv.transforms.LoadImageFromFile(imdecode_backend="pillow")
    assert np.array_equal(drawn_HWC, loader({"img_path": f"{folder}/0.png"})["img"])


def test_every_image_is_drawn_as_often(write_images) -> None:
    pool = ReferencePool(folder=write_images(flat(10), flat(20), flat(30)), suffix=".png")
    drawn = [int(pool.draw()[0, 0, 0]) for _ in range(300)]
    # 100 expected of each, standard deviation 8.
    assert all(60 < drawn.count(value) < 140 for value in (10, 20, 30))


def test_the_global_generator_alone_decides(write_images) -> None:
    pool = ReferencePool(folder=write_images(*(flat(value) for value in range(20))), suffix=".png")
    runs = []
    for _ in range(2):
        np.random.seed(5)  # noqa: NPY002 - what the stream seeds
        runs.append([int(pool.draw()[0, 0, 0]) for _ in range(5)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 1


def test_images_below_are_found_in_sorted_order_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.png", "b/a.png", "a.png", "d.tif"):
        Image.fromarray(flat(1)).save(tmp_path / name)
    assert ReferencePool(folder=str(tmp_path), suffix=".png").names == ["a.png", "b/a.png", "c.png"]


def test_a_copy_for_a_loader_process_has_names_only(write_images) -> None:
    pool = ReferencePool(
        folder=write_images(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), suffix=""
    )
    pool.draw()
    assert len(pickle.dumps(pool)) < 1000


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=rf"{tmp_path / 'nowhere'} does not exist\. Put images there"):
        ReferencePool(folder=str(tmp_path / "nowhere"), suffix=".png")


def test_a_folder_without_images_is_named(write_images) -> None:
    folder = write_images(flat(1))
    with pytest.raises(DataNotFound, match=rf"{folder} holds no \*\.tif image"):
        ReferencePool(folder=folder, suffix=".tif")


def test_a_damaged_image_is_named(write_images) -> None:
    folder = write_images(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    file = Path(folder) / "0.png"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DataError, match=f"Cannot read the reference image {file}"):
        ReferencePool(folder=folder, suffix=".png").draw()


def test_an_eps_named_png_starts_no_program(write_images, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*arguments: object, **_: object) -> None:
        raise AssertionError(f"a program was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", started)
    folder = Path(write_images(flat(1)))
    for path in folder.rglob("*.png"):
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EOF\n")
    with pytest.raises(DataError, match="Cannot read the reference image"):
        ReferencePool(folder=str(folder), suffix=".png").draw()
