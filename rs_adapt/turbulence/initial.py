"""Starting fields: random solenoidal ones, and Taylor and Green's vortex."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rs_adapt.turbulence.solver import BOX, Field, NavierStokes, Spectrum


def random_start(flow: NavierStokes, *, seed: int | Sequence[int], energy: float, k_peak: float = 2.0) -> Spectrum:
    """Return a random solenoidal field with `E(k) ~ k^4 exp(-2 (k / k_peak)^2)`.

    The field is a function of the seed and of the grid.

    Args:
        flow: The equations on their grid.
        seed: Seed of the Gaussian noise that is filtered: a number, or several.
        energy: Mean kinetic energy a unit of mass.
        k_peak: Wavenumber at which the spectrum is largest.

    Returns:
        Fourier coefficients (3, N, N, F).
    """
    noise = np.random.default_rng(seed).standard_normal((3,) + (flow.num_points,) * 3)
    u_hat = flow.to_spectrum(noise)
    kx, ky, kz = flow.k_3
    k_NNF = np.sqrt(kx**2 + ky**2 + kz**2)
    # The noise has an energy of equal size in every mode, and a shell has 4 pi k^2 of them.
    u_hat = u_hat * (k_NNF * np.exp(-((k_NNF / k_peak) ** 2)))
    return np.asarray(u_hat * np.sqrt(energy / flow.energy(u_hat)), u_hat.dtype)


def taylor_green(num_points: int, *, drift: tuple[float, float] = (0.0, 0.0), is_flat: bool = False) -> Field:
    """Return Taylor and Green's vortex (3, N, N, N), float64: `u = sin x cos y cos z, v = -cos x sin y cos z, w = 0`.

    Args:
        num_points: N.
        drift: A uniform flow (along x, along y) that is added.
        is_flat: Without `cos z`: the two-dimensional vortex, which decays by `exp(-2 nu t)` and keeps its form.
    """
    axis = np.arange(num_points) * (BOX / num_points)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    depth = np.ones_like(z) if is_flat else np.cos(z)
    u, v = np.sin(x) * np.cos(y) * depth, -np.cos(x) * np.sin(y) * depth
    return np.stack([u + drift[0], v + drift[1], np.zeros_like(u)])
