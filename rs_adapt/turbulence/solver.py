"""Incompressible Navier-Stokes equations in a periodic box, solved pseudo-spectrally.

`du/dt = P[u x w] - nu k^2 u + f` in Fourier space, with the vorticity `w = curl u` and the projection
`P = 1 - k k^T / k^2`, which removes the pressure (Canuto et al., Spectral Methods, 2007, section 3.3). Products are
formed on the grid and modes with a component above N/3 are removed, so that quadratic products are free of aliasing
(Orszag's 2/3 rule). Viscosity is exact, by an integrating factor; the rest advances by the classical Runge-Kutta
method of fourth order.

Shapes: 3 components (u along x, v along y, w along z), axes z, y, x of N points over 2 pi each; F = N // 2 + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from rs_adapt.errors import ConfigError

Field = NDArray[np.floating]
Spectrum = NDArray[np.complexfloating]

BOX = 2 * math.pi
# Courant number of |u| + |v| + |w|; the method is stable up to 1.3 where the largest wavenumber is N/3.
COURANT = 0.75


@dataclass(frozen=True, kw_only=True)
class Forcing:
    """Constant power in the large scales: `f = P u_b / (2 E_b)`, u_b and E_b of the modes with `0 < |k| <= k_max`.

    It does the work P a unit of time and mass, whatever the flow is (Lamorgese et al., Physics of Fluids 17, 2005).

    Attributes:
        power: Energy injected a unit of time and mass.
        k_max: Largest wavenumber that is forced.
    """

    power: float
    k_max: float = 2.0


class NavierStokes:
    """The equations on a grid of N^3 points.

    Args:
        num_points: N, even and at least 8.
        viscosity: Kinematic viscosity, 0 or larger.
        forcing: Forcing of the large scales; None for a flow that decays.
        dtype: Precision of fields: "float32" or "float64".

    Raises:
        ConfigError: `num_points` or `viscosity` is out of range.
    """

    def __init__(
        self, num_points: int, viscosity: float, *, forcing: Forcing | None = None, dtype: str = "float32"
    ) -> None:
        if num_points < 8 or num_points % 2:
            raise ConfigError(f"A grid of {num_points} points a side is not possible: use an even number from 8 on.")
        if not (math.isfinite(viscosity) and viscosity >= 0):
            raise ConfigError(f"The viscosity is {viscosity}; it must be 0 or larger.")
        self.num_points, self.viscosity, self.forcing = num_points, viscosity, forcing
        self.dtype = np.dtype(dtype)
        full = np.fft.fftfreq(num_points, 1 / num_points)
        half = np.arange(num_points // 2 + 1, dtype=float)
        self.k_3 = tuple(
            axis.astype(self.dtype) for axis in (half[None, None, :], full[None, :, None], full[:, None, None])
        )
        k2_NNF = sum(axis**2 for axis in self.k_3)
        self._k2_NNF: Field = np.asarray(k2_NNF, self.dtype)
        self._inverse_k2_NNF = 1 / np.where(self._k2_NNF == 0, 1, self._k2_NNF).astype(self.dtype)
        inside = [np.abs(axis) <= num_points / 3 for axis in self.k_3]
        self._mask_NNF = (inside[0] & inside[1] & inside[2]).astype(self.dtype)
        limit = 0.0 if forcing is None else forcing.k_max**2
        # All components of the forced modes. Any, because numpy has no type for such an index.
        self._forced: Any = (slice(None), *np.nonzero((self._k2_NNF > 0) & (self._k2_NNF <= limit)))
        # A mode of the half spectrum stands for itself and its conjugate, except for those of kx = 0.
        weight = np.where(half == 0, 1.0, 2.0)
        weight[-1] = 1.0
        self._weight_NNF = np.broadcast_to(weight, self._k2_NNF.shape)

    def to_spectrum(self, u_3NNN: Field) -> Spectrum:
        """Return the Fourier coefficients (3, N, N, F) of a field, without divergence and without modes above N/3."""
        return self._project(np.asarray(fft.rfftn(u_3NNN.astype(self.dtype), axes=(1, 2, 3))))

    def to_field(self, u_hat: Spectrum) -> Field:
        """Return the field (3, N, N, N) of Fourier coefficients."""
        return np.asarray(fft.irfftn(u_hat, s=(self.num_points,) * 3, axes=(1, 2, 3)))

    def curl(self, u_hat: Spectrum) -> Spectrum:
        """Return the Fourier coefficients of the curl."""
        kx, ky, kz = self.k_3
        u, v, w = u_hat
        return np.stack([1j * (ky * w - kz * v), 1j * (kz * u - kx * w), 1j * (kx * v - ky * u)]).astype(u_hat.dtype)

    def divergence(self, u_hat: Spectrum) -> Field:
        """Return the divergence (N, N, N)."""
        div_hat = 1j * sum(k * component for k, component in zip(self.k_3, u_hat, strict=True))
        return np.asarray(fft.irfftn(div_hat, s=(self.num_points,) * 3))

    def energy(self, u_hat: Spectrum) -> float:
        """Return the mean kinetic energy a unit of mass, `<u^2> / 2`."""
        return self._mean(u_hat, 0.5)

    def dissipation(self, u_hat: Spectrum) -> float:
        """Return the mean dissipation a unit of mass, `nu <w^2>`."""
        return self.viscosity * self._mean(u_hat, self._k2_NNF)

    def max_step(self, u_hat: Spectrum) -> float:
        """Return the time step whose Courant number is `COURANT`."""
        speed = float(np.abs(self.to_field(u_hat)).sum(axis=0).max())
        return COURANT * BOX / self.num_points / max(speed, 1e-6)

    def step(self, u_hat: Spectrum, dt: float) -> Spectrum:
        """Return the coefficients after a time step."""
        half = np.exp(-self.viscosity * self._k2_NNF * (dt / 2)).astype(self.dtype)
        k1 = self.tendency(u_hat)
        k2 = self.tendency(half * (u_hat + dt / 2 * k1))
        k3 = self.tendency(half * u_hat + dt / 2 * k2)
        k4 = self.tendency(half * (half * u_hat + dt * k3))
        after: Spectrum = half * (half * (u_hat + dt / 6 * k1) + dt / 3 * (k2 + k3)) + dt / 6 * k4
        return after

    def advance(self, u_hat: Spectrum, duration: float) -> Spectrum:
        """Return the coefficients after a duration, in equal steps of at most `max_step` of the start."""
        num_steps = max(1, math.ceil(duration / self.max_step(u_hat)))
        for _ in range(num_steps):
            u_hat = self.step(u_hat, duration / num_steps)
        return u_hat

    def tendency(self, u_hat: Spectrum) -> Spectrum:
        """Return `P[u x w] + f`, the change in time without viscosity."""
        u, v, w = self.to_field(u_hat)
        p, q, r = self.to_field(self.curl(u_hat))
        cross = np.stack([v * r - w * q, w * p - u * r, u * q - v * p])
        change = self.to_spectrum(cross)
        if self.forcing is not None:
            forced = u_hat[self._forced]
            square = (np.abs(forced).astype(np.float64) ** 2).sum(axis=0)
            twice_energy = float((self._weight_NNF[self._forced[1:]] * square).sum()) / self.num_points**6
            # A flow at rest in the forced modes has no direction in which to be pushed.
            if twice_energy > 0:
                change[self._forced] += (self.forcing.power / twice_energy) * forced
        return change

    def _project(self, a_hat: Spectrum) -> Spectrum:
        kx, ky, kz = self.k_3
        a_hat *= self._mask_NNF
        along = (kx * a_hat[0] + ky * a_hat[1] + kz * a_hat[2]) * self._inverse_k2_NNF
        for component, k in zip(a_hat, self.k_3, strict=True):
            component -= k * along
        return a_hat

    def _mean(self, u_hat: Spectrum, factor: float | Field) -> float:
        square = (np.abs(u_hat).astype(np.float64) ** 2).sum(axis=0)
        return float((self._weight_NNF * square * factor).sum()) / self.num_points**6


def resize_spectrum(u_hat: Spectrum, num_points: int) -> Spectrum:
    """Return the same field on a finer grid of even side: coefficients (3, M, M, M // 2 + 1); new modes are 0.

    The coefficients must be 0 at the Nyquist wavenumbers of the old grid, as those of `NavierStokes` are.
    """
    old = u_hat.shape[1]
    finer = np.zeros((3, num_points, num_points, num_points // 2 + 1), u_hat.dtype)
    half = old // 2
    rows = np.r_[0:half, num_points - half + 1 : num_points]
    old_rows = np.r_[0:half, half + 1 : old]
    finer[:, rows[:, None], rows[None, :], :half] = u_hat[:, old_rows[:, None], old_rows[None, :], :half]
    return np.asarray(finer * (num_points / old) ** 3, u_hat.dtype)
