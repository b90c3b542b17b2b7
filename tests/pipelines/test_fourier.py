"""Amplitude mix: known spectra, untouched phase, and the box of frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rs_adapt.errors import DataNotFound
from rs_adapt.pipelines import FourierAmplitudeMix
from rs_adapt.pipelines.fourier import mix_amplitude

SIZES = [(24, 30), (25, 31), (24, 31), (1, 16)]


def fft(image_HWC: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The whole spectrum in double precision, computed another way than the transform does."""
    return np.fft.fft2(image_HWC.astype(np.float64), axes=(0, 1))


def mix(folder: str, **settings: Any) -> FourierAmplitudeMix:
    defaults = {"prob": 1.0, "strength": (1.0, 1.0), "share": 0.5}
    return FourierAmplitudeMix(**{**defaults, **settings}, reference_dir=folder, reference_suffix=".png")


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_full_weight_replaces_the_amplitude_and_preserves_the_phase(noise_HWC, height, width) -> None:
    image_HWC, reference_HWC = noise_HWC(0, height, width), noise_HWC(1, height, width)
    mixed_HWC = mix_amplitude(image_HWC, reference_HWC, weight=1.0, share=0.5)
    assert (mixed_HWC.shape, mixed_HWC.dtype) == ((height, width, 3), np.float32)
    before, after = fft(image_HWC), fft(mixed_HWC)
    np.testing.assert_allclose(np.abs(after), np.abs(fft(reference_HWC)), rtol=1e-4, atol=0.1)
    # Equal phases: the product with the conjugate is real and positive.
    product = after * before.conj()
    np.testing.assert_allclose(product.real, np.abs(product), rtol=1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_amplitudes_are_mixed_inside_the_box_and_left_alone_outside(noise_HWC, weight) -> None:
    image_HWC, reference_HWC = noise_HWC(0, 20, 40), noise_HWC(1, 20, 40)
    after = np.abs(fft(mix_amplitude(image_HWC, reference_HWC, weight=weight, share=0.16)))
    before, other = np.abs(fft(image_HWC)), np.abs(fft(reference_HWC))
    expected = before.copy()
    # 0.16 x 20 = 3.2 and 0.16 x 40 = 6.4: rows -3 to 3 and columns -6 to 6.
    box = np.ix_(range(-3, 4), range(-6, 7))
    expected[box] = (1 - weight) * before[box] + weight * other[box]
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=0.1)


def test_the_smallest_box_is_the_mean_of_each_band(noise_HWC) -> None:
    image_HWC, reference_HWC = noise_HWC(0), noise_HWC(1)
    mixed_HWC = mix_amplitude(image_HWC, reference_HWC, weight=1.0, share=0.0)
    shift = reference_HWC.mean(axis=(0, 1)) - image_HWC.mean(axis=(0, 1))
    np.testing.assert_allclose(mixed_HWC, image_HWC + shift, atol=1e-2)


def test_a_wave_gets_the_amplitude_of_the_references_wave() -> None:
    position = np.arange(32)
    image_HWC = np.tile(100 + 10 * np.cos(2 * np.pi * 2 * position / 32), (8, 1))[..., None]
    # Of three times the height, shifted by a quarter, and brighter.
    reference_HWC = np.tile(150 + 30 * np.sin(2 * np.pi * 2 * position / 32), (8, 1))[..., None]
    mixed_HWC = mix_amplitude(image_HWC, reference_HWC, weight=0.5, share=2 / 32)
    expected = 125 + 20 * np.cos(2 * np.pi * 2 * position / 32)
    np.testing.assert_allclose(mixed_HWC[..., 0], np.tile(expected, (8, 1)), atol=1e-3)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_an_image_mixed_with_itself_stays(write_images, noise_HWC, share) -> None:
    image_HWC = noise_HWC(0)
    step = mix(write_images(image_HWC[..., ::-1]), strength=(0.0, 1.0), share=share)
    mixed_HWC = step({"img": image_HWC})["img"]
    assert mixed_HWC.dtype == np.uint8
    assert np.abs(mixed_HWC.astype(int) - image_HWC).max() <= 1


def test_an_image_of_nodata_stays_so(noise_HWC) -> None:
    nothing_HWC = np.zeros((24, 30, 3), np.uint8)
    assert not mix_amplitude(nothing_HWC, noise_HWC(0), weight=1.0, share=0.5).any()


@pytest.mark.parametrize("size_px", [32, 100, 123])
def test_an_image_of_one_colour_gets_the_mean_and_no_noise(noise_HWC, size_px) -> None:
    reference_HWC = noise_HWC(0, size_px, size_px)
    flat_HWC = np.full_like(reference_HWC, 137)
    mixed_HWC = mix_amplitude(flat_HWC, reference_HWC, weight=1.0, share=0.5)
    np.testing.assert_allclose(mixed_HWC, np.broadcast_to(reference_HWC.mean(axis=(0, 1)), flat_HWC.shape), atol=0.01)


def test_values_are_clipped_and_not_wrapped(write_images) -> None:
    image_HWC = np.full((8, 8, 3), 100, np.uint8)
    image_HWC[:, ::2] = 0
    image_HWC[:, 1::2] = 200
    # The mean alone is taken over: columns of -100 and +100 about 250, and about 10.
    bright = mix(write_images(np.full((8, 8, 3), 250, np.uint8)), share=0.0)({"img": image_HWC})["img"]
    assert (bright[0, :2, 0] == [150, 255]).all()
    dark = mix(write_images(np.full((8, 8, 3), 10, np.uint8)), share=0.0)({"img": image_HWC})["img"]
    assert (dark[0, :2, 0] == [0, 110]).all()


def test_the_reference_is_resized_to_the_image(write_images, noise_HWC) -> None:
    folder = write_images(np.full((9, 50, 3), (30, 60, 90), np.uint8))
    mixed_HWC = mix(folder, share=0.0)({"img": noise_HWC(0, 24, 30) // 4 + 90})["img"]
    assert mixed_HWC.shape == (24, 30, 3)
    # BGR of the reference's colour.
    np.testing.assert_allclose(mixed_HWC.mean(axis=(0, 1)), [90, 60, 30], atol=0.5)


def test_the_weight_is_drawn_between_the_two_strengths(write_images) -> None:
    step = mix(write_images(np.full((4, 4, 3), 200, np.uint8)), strength=(0.2, 0.6))
    means = [float(step({"img": np.full((4, 4, 3), 100, np.uint8)})["img"].mean()) for _ in range(200)]
    assert 120 <= min(means) < 125
    assert 155 < max(means) <= 160


def test_the_step_is_applied_with_its_probability(write_images) -> None:
    folder = write_images(np.full((4, 4, 3), 200, np.uint8))
    image_HWC = np.full((4, 4, 3), 100, np.uint8)
    assert mix(folder, prob=0.0)({"img": image_HWC})["img"] is image_HWC
    step = mix(folder, prob=0.25)
    changed = sum(step({"img": image_HWC})["img"] is not image_HWC for _ in range(400))
    # 100 expected, standard deviation 9.
    assert 60 < changed < 140


def test_the_seed_of_numpy_decides(write_images, noise_HWC) -> None:
    step = mix(write_images(*(noise_HWC(seed) for seed in range(5))), prob=0.5, strength=(0.0, 1.0))
    runs = []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002 - what the stream seeds
        runs.append([step({"img": noise_HWC(9)})["img"] for _ in range(6)])
    assert np.array_equal(runs[0], runs[1])
    # Some are left as they are, and each other has a reference and a weight of its own.
    assert 1 < len({image_HWC.tobytes() for image_HWC in runs[0]})


def test_a_missing_folder_is_found_at_construction(tmp_path) -> None:
    with pytest.raises(DataNotFound, match="nowhere does not exist"):
        mix(str(tmp_path / "nowhere"))
