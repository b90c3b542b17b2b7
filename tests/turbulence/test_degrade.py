from __future__ import annotations

import numpy as np
import pytest

from rs_adapt.errors import DataError
from rs_adapt.turbulence.degrade import Degradation, degrade, transform_plane
from rs_adapt.turbulence.measures import _gradients

AXIS = 2 * np.pi * np.arange(16) / 16


def wave(kx: int, ky: int, *, shift: float = 0.0, size: int = 16) -> np.ndarray:
    axis = 2 * np.pi * (np.arange(size) * 16 / size + shift) / 16
    return np.cos(kx * axis[None, :] + ky * axis[:, None])[None]


def test_box_is_the_mean_of_blocks() -> None:
    image = np.arange(32, dtype=float).reshape(1, 4, 8)
    coarse = degrade(image, 2)
    assert coarse.dtype == np.float32
    np.testing.assert_array_equal(coarse, [[[4.5, 6.5, 8.5, 10.5], [20.5, 22.5, 24.5, 26.5]]])


@pytest.mark.parametrize("scale", [2, 4])
def test_the_spectral_operator_keeps_coarse_modes_at_the_centres_of_pixels_and_drops_fine_ones(scale: int) -> None:
    kept = degrade(wave(1, -1), scale, Degradation.SPECTRAL)
    np.testing.assert_allclose(kept, wave(1, -1, shift=(scale - 1) / 2, size=16 // scale), atol=1e-6)
    dropped = degrade(wave(16 // scale // 2, 1) + wave(5, 5), scale, Degradation.SPECTRAL)
    np.testing.assert_allclose(dropped, 0, atol=1e-6)


def test_sides_that_are_no_multiple_are_refused() -> None:
    with pytest.raises(DataError, match="both sides must be multiples of it. Crop the images to 12 x 16."):
        degrade(np.zeros((3, 14, 16)), 4)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_symmetries_of_the_plane_carry_divergence_and_energy_along(turns: int, is_mirrored: bool) -> None:
    image = np.random.default_rng(0).standard_normal((3, 8, 8))
    turned = transform_plane(image, turns=turns, is_mirrored=is_mirrored)

    def sorted_divergence(values: np.ndarray) -> np.ndarray:
        du_dx, _, _, dv_dy = _gradients(values)
        return np.sort((du_dx + dv_dy).ravel())

    np.testing.assert_allclose(sorted_divergence(turned), sorted_divergence(image), atol=1e-12)
    np.testing.assert_allclose((turned**2).sum(), (image**2).sum())
    assert np.array_equal(turned, image) == (turns == 0 and not is_mirrored)


def test_a_quarter_turn_takes_x_to_y() -> None:
    image = np.zeros((3, 3, 3))
    image[:, 0, 2] = 1, 2, 3
    turned = transform_plane(image, turns=1, is_mirrored=False)
    # The corner at (x, y) = (2, 0) comes to (2, 2); its vector (1, 2) becomes (-2, 1).
    np.testing.assert_array_equal(turned[:, 2, 2], [-2, 1, 3])


def test_no_coarse_grid_keeps_the_mode_at_its_nyquist_wavenumber() -> None:
    # 98 times the rounded 1 / 98 is no whole number.
    rows = np.cos(np.pi * np.arange(196) / 2)[None, :, None] * np.ones((3, 1, 4))
    assert np.abs(degrade(rows, 2, Degradation.SPECTRAL)).max() < 1e-6
