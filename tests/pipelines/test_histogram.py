"""Histogram matching: tables computed by hand, quantiles, and nodata."""

from __future__ import annotations

import numpy as np
import pytest

from rs_adapt.errors import DataNotFound
from rs_adapt.pipelines import HistogramMatch
from rs_adapt.pipelines.histogram import match_histogram


def column(*values: int) -> np.ndarray:
    """One band of the given values, top to bottom."""
    return np.array(values, np.uint8).reshape(-1, 1, 1)


def match(folder: str, prob: float = 1.0) -> HistogramMatch:
    return HistogramMatch(prob=prob, reference_dir=folder, reference_suffix=".png")


def test_matching_has_known_answers() -> None:
    # Shares up to 1, 2, 3: 2/4, 3/4, 4/4. Up to 10, 20, 200: 1/4, 2/4, 4/4.
    matched_HWC = match_histogram(column(1, 1, 2, 3), column(10, 20, 200, 200))
    assert matched_HWC.ravel().tolist() == [20, 20, 200, 200]
    # Up to 5, 6: 1/3, 3/3. Up to 50, 60, 70: 2/6, 4/6, 6/6; a third is a third, whatever the size.
    assert match_histogram(column(6, 5, 6), column(50, 50, 60, 60, 70, 70)).ravel().tolist() == [70, 50, 70]


@pytest.mark.parametrize("seed", range(5))
def test_an_image_matched_to_itself_stays(noise_HWC, seed) -> None:
    image_HWC = noise_HWC(seed, 23, 31)
    assert np.array_equal(match_histogram(image_HWC, image_HWC), image_HWC)
    # In another order and thrice as large, it has the same histograms.
    shuffled_HWC = np.repeat(np.random.default_rng(0).permutation(image_HWC.reshape(-1, 1, 3)), 3, axis=1)
    assert np.array_equal(match_histogram(image_HWC, shuffled_HWC), image_HWC)


def test_bands_are_matched_each_on_its_own(noise_HWC) -> None:
    image_HWC = noise_HWC(0)
    # Changes that keep the order of values have one answer: the change itself, pixel by pixel.
    reference_HWC = np.stack([image_HWC[..., 0] // 2, image_HWC[..., 1], 170 + image_HWC[..., 2] // 3], axis=2)
    assert np.array_equal(match_histogram(image_HWC, reference_HWC), reference_HWC)


def test_quantiles_become_the_references() -> None:
    rng = np.random.default_rng(0)
    image_HWC = rng.normal(90, 20, (80, 80, 3)).clip(1, 255).astype(np.uint8)
    reference_HWC = rng.gamma(4, 15, (50, 120, 3)).clip(1, 255).astype(np.uint8)
    matched_HWC = match_histogram(image_HWC, reference_HWC)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        found = np.quantile(matched_HWC, share, axis=(0, 1))
        np.testing.assert_allclose(found, np.quantile(reference_HWC, share, axis=(0, 1)), atol=2)


def test_order_of_values_is_preserved(noise_HWC) -> None:
    image_HWC = noise_HWC(0)
    matched_HWC = match_histogram(image_HWC, noise_HWC(1) // 2 + 1)
    for band in range(3):
        by_value = matched_HWC[..., band].ravel()[np.argsort(image_HWC[..., band], axis=None)]
        assert (np.diff(by_value.astype(int)) >= 0).all()


def test_nodata_of_the_image_stays_and_does_not_count(noise_HWC) -> None:
    inside_HWC, reference_HWC = noise_HWC(0), noise_HWC(1)
    image_HWC = np.concatenate([np.zeros_like(inside_HWC), inside_HWC])
    matched_HWC = match_histogram(image_HWC, reference_HWC)
    assert not matched_HWC[: len(inside_HWC)].any()
    assert np.array_equal(matched_HWC[len(inside_HWC) :], match_histogram(inside_HWC, reference_HWC))


def test_nodata_of_the_reference_does_not_count(noise_HWC) -> None:
    image_HWC, reference_HWC = noise_HWC(0), noise_HWC(1)
    bordered_HWC = np.concatenate([reference_HWC, np.zeros_like(reference_HWC)], axis=1)
    assert np.array_equal(match_histogram(image_HWC, bordered_HWC), match_histogram(image_HWC, reference_HWC))


def test_zero_in_one_band_is_a_value_like_others() -> None:
    image_HWC = np.array([[[0, 10, 10], [8, 20, 20]]], np.uint8)
    reference_HWC = np.array([[[30, 1, 1], [40, 2, 2]]], np.uint8)
    assert match_histogram(image_HWC, reference_HWC).tolist() == [[[30, 1, 1], [40, 2, 2]]]


def test_an_image_of_nodata_only_is_unchanged(noise_HWC) -> None:
    image_HWC, nothing_HWC = noise_HWC(0), np.zeros((5, 5, 3), np.uint8)
    assert np.array_equal(match_histogram(image_HWC, nothing_HWC), image_HWC)
    assert not match_histogram(nothing_HWC, image_HWC).any()


def test_the_reference_is_read_in_the_order_of_bands_of_the_image(write_images, noise_HWC) -> None:
    image_HWC = noise_HWC(0)
    # Files hold RGB, images in memory BGR.
    step = match(write_images(image_HWC[..., ::-1]))
    assert np.array_equal(step({"img": image_HWC})["img"], image_HWC)


def test_the_step_follows_its_probability_and_seed(write_images, noise_HWC) -> None:
    folder = write_images(*(noise_HWC(seed) // 2 for seed in range(5)))
    image_HWC = noise_HWC(9)
    assert match(folder, prob=0.0)({"img": image_HWC})["img"] is image_HWC
    step, runs = match(folder, prob=0.5), []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002 - what the stream seeds
        runs.append([step({"img": image_HWC})["img"] for _ in range(20)])
    assert np.array_equal(runs[0], runs[1])
    kept = sum(np.array_equal(image_HWC, result) for result in runs[0])
    # 10 expected, standard deviation 2.2.
    assert 1 < kept < 19


def test_a_missing_folder_is_found_at_construction(tmp_path) -> None:
    with pytest.raises(DataNotFound, match="nowhere does not exist"):
        match(str(tmp_path / "nowhere"))
