from __future__ import annotations

import numpy as np
import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.turbulence.initial import random_start, taylor_green
from rs_adapt.turbulence.solver import BOX, Forcing, NavierStokes, resize_spectrum


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
def test_the_drifting_two_dimensional_vortex_is_the_exact_solution(dtype: str, tolerance: float) -> None:
    viscosity, drift, duration = 0.1, (0.7, -0.4), 1.0
    flow = NavierStokes(16, viscosity, dtype=dtype)
    u_hat = flow.to_spectrum(taylor_green(16, drift=drift, is_flat=True))
    # 100 steps: with the largest stable one, the error of the drift in time is the larger of both.
    for _ in range(100):
        u_hat = flow.step(u_hat, duration / 100)

    axis = np.arange(16) * BOX / 16
    _, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    x, y, decay = x - drift[0] * duration, y - drift[1] * duration, np.exp(-2 * viscosity * duration)
    exact = np.stack([
        drift[0] + np.sin(x) * np.cos(y) * decay,
        drift[1] - np.cos(x) * np.sin(y) * decay,
        np.zeros_like(x),
    ])  # fmt: skip
    np.testing.assert_allclose(flow.to_field(u_hat), exact, atol=tolerance)
    assert flow.to_field(u_hat).dtype == dtype


@pytest.mark.parametrize("reynolds", [10.0, 50.0])
def test_early_dissipation_of_the_taylor_green_vortex_follows_the_power_series(reynolds: float) -> None:
    """Taylor and Green, Proceedings of the Royal Society A 158 (1937): the series of the mean dissipation in time."""
    flow = NavierStokes(24, 1 / reynolds, dtype="float64")
    u_hat = flow.to_spectrum(taylor_green(24))
    assert flow.energy(u_hat) == pytest.approx(1 / 8)
    for _ in range(5):
        u_hat = flow.step(u_hat, 0.02)
    t, r2 = 0.1, reynolds**2
    series = (
        1
        - 6 * t / reynolds
        + (5 / 48 + 18 / r2) * t**2
        - (5 / 3 + 36 / r2) * t**3 / reynolds
        + (50 / (99 * 64) + 1835 / (9 * 16 * r2) + 54 / r2**2) * t**4
    )
    assert flow.dissipation(u_hat) == pytest.approx(0.75 / reynolds * series, rel=1e-6)


def test_the_vortex_without_viscosity_keeps_its_energy_and_stretches() -> None:
    flow = NavierStokes(24, 0.0, dtype="float64")
    start = u_hat = flow.to_spectrum(taylor_green(24))
    viscous = NavierStokes(24, 1.0, dtype="float64")
    for _ in range(10):
        u_hat = flow.step(u_hat, 0.05)
    assert flow.energy(u_hat) == pytest.approx(1 / 8, rel=1e-6)
    assert viscous.dissipation(u_hat) > 1.02 * viscous.dissipation(start)


@pytest.mark.parametrize("power", [None, 0.3])
def test_energy_changes_by_injection_less_dissipation(power: float | None) -> None:
    forcing = None if power is None else Forcing(power=power)
    flow = NavierStokes(16, 0.05, forcing=forcing, dtype="float64")
    u_hat = random_start(flow, seed=3, energy=0.5)
    dt, energies, dissipations = 0.01, [], []
    for _ in range(11):
        energies.append(flow.energy(u_hat))
        dissipations.append(flow.dissipation(u_hat))
        u_hat = flow.step(u_hat, dt)
    # Simpson's rule over ten steps.
    dissipated = dt / 3 * float(np.dot([1, 4, 2, 4, 2, 4, 2, 4, 2, 4, 1], dissipations))
    balance = (power or 0.0) * 10 * dt - dissipated
    assert energies[-1] - energies[0] == pytest.approx(balance, abs=1e-8)
    assert dissipated > 0.005


def test_a_forced_flow_has_no_divergence_and_no_mode_above_a_third() -> None:
    flow = NavierStokes(16, 0.02, forcing=Forcing(power=0.1))
    u_hat = flow.advance(random_start(flow, seed=0, energy=0.5), 0.5)
    gradient = np.sqrt(flow.dissipation(u_hat) / flow.viscosity)
    assert np.abs(flow.divergence(u_hat)).max() < 1e-5 * gradient
    assert not u_hat[:, 6:11].any()
    assert not u_hat[..., 6:].any()
    assert np.abs(u_hat[..., 5]).max() > 0


def test_the_tendency_is_the_advection_of_a_shear_layer() -> None:
    """`u = sin z, w = cos x`: `-u . grad u` by hand, and the part of it that is a gradient removed."""
    flow = NavierStokes(16, 0.0, dtype="float64")
    axis = np.arange(16) * BOX / 16
    z, _, x = np.meshgrid(axis, axis, axis, indexing="ij")
    u_hat = flow.to_spectrum(np.stack([np.sin(z), np.zeros_like(z), np.cos(x)]))
    advection = flow.to_spectrum(np.stack([-np.cos(x) * np.cos(z), np.zeros_like(z), np.sin(z) * np.sin(x)]))
    np.testing.assert_allclose(flow.tendency(u_hat), advection, atol=1e-9)


def test_a_finer_grid_holds_the_same_field() -> None:
    coarse, fine = NavierStokes(16, 0.01, dtype="float64"), NavierStokes(24, 0.01, dtype="float64")
    u_hat = random_start(coarse, seed=1, energy=0.5)
    finer = resize_spectrum(u_hat, 24)
    assert fine.energy(finer) == pytest.approx(coarse.energy(u_hat))
    # Points 0, 1.5, 3, ... of the fine grid are those of the coarse one: every second of the coarse, third of the fine.
    np.testing.assert_allclose(fine.to_field(finer)[:, ::3, ::3, ::3], coarse.to_field(u_hat)[:, ::2, ::2, ::2])


def test_a_random_start_is_a_function_of_its_seed() -> None:
    flow = NavierStokes(16, 0.01)
    first, again, other = (random_start(flow, seed=seed, energy=0.7) for seed in ((0, 1), (0, 1), (0, 2)))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert flow.energy(first) == pytest.approx(0.7, rel=1e-5)


def test_impossible_grids_and_viscosities_are_refused() -> None:
    with pytest.raises(ConfigError, match="A grid of 9 points a side is not possible: use an even number from 8 on."):
        NavierStokes(9, 0.1)
    with pytest.raises(ConfigError, match="The viscosity is -1; it must be 0 or larger."):
        NavierStokes(16, -1)
