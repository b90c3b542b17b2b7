"""Bands changed as a whole: statistics known by hand, draws within their ranges, and nodata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.pipelines import BandJitter, BandMatch
from rs_adapt.pipelines.bands import band_statistics, change_bands
from rs_adapt.pipelines.reference import ReferencePool


def folder_of(root: Path, *images_RGB: np.ndarray) -> str:
    root.mkdir()
    for number, image in enumerate(images_RGB):
        Image.fromarray(image).save(root / f"{number:03}.png")
    return str(root)


def normal(seed: int, mean: tuple[int, int, int], std: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(mean, std, (64, 64, 3))
    return values.round().clip(1, 255).astype(np.uint8)


def match(source: str, target: str, prob: float = 1.0) -> BandMatch:
    return BandMatch(prob=prob, image_dir=source, image_suffix=".png", reference_dir=target, reference_suffix=".png")


def test_statistics_are_those_of_the_bands_without_nodata(tmp_path: Path) -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[0, :] = [[10, 0, 7], [20, 0, 7], [30, 0, 7], [40, 4, 7]]
    mean_3, std_3 = band_statistics(ReferencePool(folder=folder_of(tmp_path / "a", image), suffix=".png"))
    # Blue, green, red.
    np.testing.assert_allclose(mean_3, [7, 1, 25])
    np.testing.assert_allclose(std_3, [0, np.sqrt(3), np.sqrt(125)])


def test_many_images_are_sampled_over_the_whole_folder(tmp_path: Path) -> None:
    images = [np.full((2, 2, 3), 1 + value, np.uint8) for value in range(200)]
    mean_3, _ = band_statistics(ReferencePool(folder=folder_of(tmp_path / "a", *images), suffix=".png"))
    np.testing.assert_allclose(mean_3, 100.5, atol=0.5)


def test_a_region_gets_the_other_regions_statistics(tmp_path: Path) -> None:
    sources = [normal(seed, (80, 100, 120), 12) for seed in range(3)]
    targets = [normal(seed, (150, 110, 160), 24) for seed in range(3, 6)]
    step = match(folder_of(tmp_path / "s", *sources), folder_of(tmp_path / "t", *targets))
    for image in sources:
        changed = step.transform({"img": image[..., ::-1].copy()})["img"][..., ::-1]
        np.testing.assert_allclose(changed.mean((0, 1)), (150, 110, 160), atol=1.5)
        np.testing.assert_allclose(changed.std((0, 1)), 24, rtol=0.06)


def test_a_tile_keeps_its_place_within_the_region(tmp_path: Path) -> None:
    # A dark and a bright tile: as a whole they become brighter by 100, and stay as far apart as they were.
    dark, bright = np.full((4, 4, 3), 40, np.uint8), np.full((4, 4, 3), 60, np.uint8)
    step = match(folder_of(tmp_path / "s", dark, bright), folder_of(tmp_path / "t", dark + 100, bright + 100))
    assert [int(step.transform({"img": image})["img"].mean()) for image in (dark, bright)] == [140, 160]


def test_equal_regions_stay_and_bands_without_contrast_are_only_shifted(tmp_path: Path) -> None:
    image = normal(0, (80, 100, 120), 12)
    source = folder_of(tmp_path / "s", image)
    assert np.array_equal(match(source, source).transform({"img": image})["img"], image)
    flat = folder_of(tmp_path / "f", np.full((4, 4, 3), 50, np.uint8))
    step = match(flat, folder_of(tmp_path / "t", np.full((4, 4, 3), 90, np.uint8)))
    assert step.transform({"img": np.full((2, 2, 3), 50, np.uint8)})["img"].tolist() == np.full((2, 2, 3), 90).tolist()


def test_nodata_stays_and_nothing_becomes_nodata() -> None:
    image = np.array([[[0, 0, 0], [0, 0, 9], [250, 3, 4]]], np.uint8)
    changed = change_bands(image, gain_3=np.full(3, 2.0), offset_3=np.full(3, -20.0))
    assert changed.tolist() == [[[0, 0, 0], [1, 1, 1], [255, 1, 1]]]


def test_the_probability_decides(tmp_path: Path) -> None:
    image = normal(0, (80, 100, 120), 12)
    source, target = folder_of(tmp_path / "s", image), folder_of(tmp_path / "t", image + 20)
    np.random.seed(0)  # noqa: NPY002
    changed = [
        not np.array_equal(step.transform({"img": image.copy()})["img"], image)
        for step in (match(source, target, 0.25), BandJitter(prob=0.25))
        for _ in range(400)
    ]
    assert np.mean(changed[:400]) == pytest.approx(0.25, abs=0.06)
    assert np.mean(changed[400:]) == pytest.approx(0.25, abs=0.06)
    assert not any(
        not np.array_equal(step.transform({"img": image.copy()})["img"], image)
        for step in (match(source, target, 0.0), BandJitter(prob=0.0))
    )


def test_jitter_stays_within_its_ranges_and_reaches_them() -> None:
    image = normal(0, (120, 130, 125), 8)
    np.random.seed(1)  # noqa: NPY002
    step = BandJitter(prob=1.0)
    shifts, gains = [], []
    for _ in range(300):
        changed = step.transform({"img": image.copy()})["img"].astype(float)
        shifts.append(changed.mean((0, 1)) - image.mean((0, 1)))
        gains.append(changed.std((0, 1)) / image.std((0, 1)))
    shifts_N3, gains_N3 = np.array(shifts), np.log(np.array(gains))
    assert 26 < np.abs(shifts_N3).max() <= 30.5
    assert 0.26 < np.abs(gains_N3).max() <= 0.31
    # A cast differs between the bands by at most half as much as the brightness differs between images.
    assert np.ptp(shifts_N3, axis=1).max() <= 20.5
    assert np.abs(shifts_N3.mean()) < 2


def test_wrong_numbers_and_folders_are_refused(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "s", normal(0, (80, 100, 120), 12))
    with pytest.raises(ConfigError, match="prob is 1.5"):
        match(source, source, 1.5)
    with pytest.raises(ConfigError, match="prob is -1"):
        BandJitter(prob=-1)
    with pytest.raises(DataNotFound, match="nowhere does not exist"):
        match(source, str(tmp_path / "nowhere"))
    (tmp_path / "s" / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"000\.png"):
        match(source, source)
