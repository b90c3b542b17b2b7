from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from rs_adapt.errors import DataError
from rs_adapt.turbulence.image_scores import ImageScore
from rs_adapt.turbulence.measures import (
    divergence_error,
    energy_spectrum,
    measure,
    psnr_db,
    spectrum_distances,
    ssim,
)

AXIS = 2 * np.pi * np.arange(32) / 32
NOISE = np.random.default_rng(0).standard_normal((3, 32, 32))


def waves(amplitudes: dict[int, float]) -> np.ndarray:
    line = sum(amplitude * np.sin(k * AXIS) for k, amplitude in amplitudes.items())
    return np.stack([np.zeros((32, 32)), np.broadcast_to(line, (32, 32)), np.zeros((32, 32))])


def test_psnr_of_a_known_error() -> None:
    assert psnr_db(NOISE + 0.1, NOISE, 1.0) == pytest.approx(20.0)
    assert psnr_db(NOISE, NOISE, 1.0) == pytest.approx(140)


def test_ssim_is_one_for_equal_images_and_follows_its_formula_for_constant_ones() -> None:
    assert ssim(NOISE, NOISE, 4.0) == pytest.approx(1.0)
    c1 = (0.01 * 4.0) ** 2
    flat, brighter = np.full((3, 16, 16), 1.0), np.full((3, 16, 16), 2.0)
    assert ssim(brighter, flat, 4.0) == pytest.approx((2 * 2 + c1) / (1 + 4 + c1))
    assert ssim(NOISE[:, ::-1], NOISE, 4.0) < 0.2


def test_ssim_against_its_definition_at_one_window() -> None:
    a, b = NOISE[:, :11, :11], NOISE[:, 11:22, 11:22]
    tap = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(tap, tap) / np.outer(tap, tap).sum()
    expected = []
    for x, y in zip(a, b, strict=True):
        mx, my = (window * x).sum(), (window * y).sum()
        vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
        cov = (window * (x - mx) * (y - my)).sum()
        c1, c2 = 0.02**2, 0.06**2
        expected += [(2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))]
    assert ssim(a, b, 2.0) == pytest.approx(np.mean(expected))


def test_ssim_refuses_images_smaller_than_its_window() -> None:
    with pytest.raises(DataError, match="at least 11 x 11 pixels; this one has 8 x 32"):
        ssim(NOISE[:, :8], NOISE[:, :8], 1.0)


def test_divergence_sees_stretching_and_not_rotation() -> None:
    y, x = np.meshgrid(np.arange(8.0), np.arange(8.0), indexing="ij")
    rotation, stretching = np.stack([-y, x, 0 * x]), np.stack([x, y, 0 * x])
    # The gradient of the truth is 1 in two of four entries; the divergence that is added is 2.
    assert divergence_error(rotation + stretching, rotation) == pytest.approx(2 / math.sqrt(2))
    assert divergence_error(3 * rotation, rotation) == pytest.approx(0)


@pytest.mark.parametrize("is_periodic", [True, False])
def test_a_wave_has_its_energy_in_its_shell(is_periodic: bool) -> None:
    spectrum = energy_spectrum(waves({5: 2.0}), is_periodic=is_periodic)
    assert spectrum.size == 17
    assert spectrum.argmax() == 5
    # <v^2> / 2 = 4 / 4; a Hann window leaks into the two shells beside it.
    assert spectrum[4:7].sum() == pytest.approx(1.0, rel=0.1 if not is_periodic else 1e-12)


def test_spectral_distance_separates_resolved_and_subgrid_wavenumbers() -> None:
    truth, image = waves({2: 1.0, 6: 0.1}), waves({2: 1.0, 6: 0.01})
    resolved, subgrid = spectrum_distances(image, truth, scale=4, is_periodic=True)
    np.testing.assert_allclose(resolved, [0], atol=1e-9)
    # A tenth of the amplitude is two decades of energy.
    np.testing.assert_allclose(subgrid, [-2], atol=1e-9)
    found = measure(image, truth, scale=4, value_range=2.0, is_periodic=True)
    assert found.spectrum_dex == pytest.approx(math.sqrt(4 / 2))
    assert (found.resolved_dex, found.subgrid_dex) == pytest.approx((0.0, 2.0), abs=1e-9)
    assert measure(waves({2: 1.0}), waves({2: 1.0}), scale=4, value_range=2.0, is_periodic=True).subgrid_dex is None


def test_an_image_of_one_value_has_no_spectrum_and_no_divergence() -> None:
    # A tile without data, or fluid at rest.
    truth = np.full((3, 16, 16), 0.5)
    found = measure(truth + 0.01, truth, scale=2, value_range=1.0, is_periodic=False)
    assert (found.spectrum_dex, found.resolved_dex, found.subgrid_dex, found.divergence) == (None,) * 4
    assert found.psnr_db == pytest.approx(40)
    # As an image of a run they count in no mean of these.
    ImageScore(name="0/0", snapshot="0", **dataclasses.asdict(found))
