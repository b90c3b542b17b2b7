"""Random convolutions: their arithmetic, variance and distribution, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rs_adapt.errors import ConfigError
from rs_adapt.pipelines import RandomConvolution, random_convolution
from rs_adapt.pipelines.random_convolution import KERNEL_SIDES, convolve, draw_kernel

MEAN, STD = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)
Noise = Callable[..., np.ndarray[Any, Any]]


def step(prob: float = 1.0) -> RandomConvolution:
    return RandomConvolution(prob=prob, mean=MEAN, std=STD)


@pytest.mark.parametrize("side_px", KERNEL_SIDES)
def test_the_convolution_is_that_of_networks(side_px: int) -> None:
    rng = np.random.default_rng(side_px)
    image_HWC = rng.standard_normal((11, 9, 3), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, side_px, side_px), dtype=np.float32)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image_HWC).permute(2, 0, 1)[None], torch.from_numpy(kernel), padding=side_px // 2
    )
    np.testing.assert_allclose(convolve(image_HWC, kernel), expected[0].permute(1, 2, 0).numpy(), atol=1e-4)


def test_kernels_have_the_papers_sides_and_variance() -> None:
    kernels = [draw_kernel() for _ in range(2000)]
    sides = [kernel.shape[-1] for kernel in kernels]
    for side_px in KERNEL_SIDES:
        assert sides.count(side_px) == pytest.approx(500, abs=80)
        weights = np.concatenate([kernel.ravel() for kernel in kernels if kernel.shape[-1] == side_px])
        assert weights.std() == pytest.approx((3 * side_px**2) ** -0.5, rel=0.03)
        assert abs(weights.mean()) < 0.02


def test_image_and_convolution_are_mixed_in_the_normalised_scale(
    noise_HWC: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The convolution halves the blue band, which is the first here and the last of mean and std, and drops the others.
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[0, 0] = 0.5
    monkeypatch.setattr(random_convolution, "draw_kernel", lambda: kernel)
    monkeypatch.setattr(np.random, "random", lambda: 0.25)
    image_HWC = noise_HWC(0)
    mixed_HWC = step().transform({"img": image_HWC})["img"]
    assert mixed_HWC.dtype == np.float32
    blue, mean, std = image_HWC[..., 0].astype(float), MEAN[2], STD[2]
    wanted = (0.25 * (blue - mean) / std + 0.75 * 0.5 * (blue - mean) / std) * std + mean
    np.testing.assert_allclose(mixed_HWC[..., 0], wanted, atol=1e-3)
    red = image_HWC[..., 2].astype(float)
    np.testing.assert_allclose(mixed_HWC[..., 2], 0.25 * (red - MEAN[0]) + MEAN[0], atol=1e-3)


def test_a_convolution_keeps_the_variance_of_a_normalised_image() -> None:
    image = np.random.default_rng(0).standard_normal((32, 32, 3), dtype=np.float32)
    variances = [convolve(image, draw_kernel())[4:-4, 4:-4].var() for _ in range(300)]
    assert np.mean(variances) == pytest.approx(1, abs=0.15)


def test_nodata_stays_and_the_image_is_not_changed_in_place(noise_HWC: Noise) -> None:
    image_HWC = noise_HWC(1)
    image_HWC[:5, :7] = 0
    before = image_HWC.copy()
    changed = step().transform({"img": image_HWC})["img"]
    assert not changed[:5, :7].any()
    assert changed[5:].any(axis=2).all()
    assert np.array_equal(image_HWC, before)


def test_the_probability_decides_and_zero_is_the_identity(noise_HWC: Noise) -> None:
    image = noise_HWC(2, 8, 8)
    changed = [step(0.25).transform({"img": image})["img"] is not image for _ in range(400)]
    assert np.mean(changed) == pytest.approx(0.25, abs=0.06)
    assert all(step(0.0).transform({"img": image})["img"] is image for _ in range(50))


def test_the_state_of_the_generator_decides_alone(noise_HWC: Noise) -> None:
    image, results = noise_HWC(3), []
    for seed in (0, 0, 1):
        np.random.seed(seed)  # noqa: NPY002
        results.append(step().transform({"img": image})["img"])
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"prob is 1\.5"):
        step(1.5)
    with pytest.raises(ConfigError, match="std"):
        RandomConvolution(prob=0.5, mean=MEAN, std=(60.0, 0.0, 40.0))
    with pytest.raises(ConfigError, match="mean"):
        RandomConvolution(prob=0.5, mean=(120.0, 110.0), std=STD)
