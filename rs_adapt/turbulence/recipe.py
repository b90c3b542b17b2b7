"""Snapshots of turbulence that are simulated on this machine, and the folder that they are written to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.turbulence.initial import random_start
from rs_adapt.turbulence.solver import Forcing, NavierStokes, resize_spectrum
from rs_adapt.turbulence.storage import SPLITS, Split, write_flow

# A change of the solver or of the starting fields that changes snapshots raises it; prepared folders store it.
SOLVER_VERSION = 1
_START_ENERGY = 0.5


def _even(points: int) -> int:
    if points % 4:
        raise ValueError("it must be a multiple of 4, as the flow is spun up on half the grid")
    return points


class TurbulenceRecipe(BaseModel):
    """Simulated turbulence, `kind = "turbulence"`: one flow a snapshot, each from a random start of its own.

    A flow is spun up on half the grid, which costs a sixteenth, then on the full grid until the small scales have
    filled. No two snapshots share a flow, so splits share none either.

    Attributes:
        kind: The kind of recipe.
        seed: Seed of all starting fields.
        num_points: Points along a side of the box of side 2 pi.
        viscosity: Kinematic viscosity.
        power: Energy injected a unit of time and mass; 0 for decaying turbulence.
        spin_up: Duration on half the grid.
        refine: Duration on the full grid.
        snapshots: Number of snapshots by split.
        slice_step: Distance of the slices that are used, grid points.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["turbulence"]
    seed: int = Field(ge=0)
    num_points: Annotated[int, Field(ge=16, le=512), AfterValidator(_even)]
    viscosity: float = Field(gt=0, allow_inf_nan=False)
    power: float = Field(ge=0, allow_inf_nan=False)
    spin_up: float = Field(ge=0, le=1000, allow_inf_nan=False)
    refine: float = Field(ge=0, le=1000, allow_inf_nan=False)
    snapshots: dict[Split, PositiveInt]
    slice_step: PositiveInt


def simulate(recipe: TurbulenceRecipe, *, split: Split, number: int) -> NDArray[np.float32]:
    """Return a snapshot (3, N, N, N): components u, v, w along x, y, z; axes z, y, x.

    Args:
        recipe: The recipe.
        split: A split of the recipe.
        number: Number of the snapshot in its split, from 0.
    """
    forcing = Forcing(power=recipe.power) if recipe.power else None
    coarse = NavierStokes(recipe.num_points // 2, recipe.viscosity, forcing=forcing)
    seed = recipe.seed, SPLITS.index(split), number
    u_hat = random_start(coarse, seed=seed, energy=_START_ENERGY)
    u_hat = _advance(coarse, u_hat, recipe.spin_up)
    flow = NavierStokes(recipe.num_points, recipe.viscosity, forcing=forcing)
    u_hat = _advance(flow, resize_spectrum(u_hat, recipe.num_points), recipe.refine)
    return np.asarray(flow.to_field(u_hat), np.float32)


def _advance(flow: NavierStokes, u_hat: NDArray[np.complexfloating], duration: float) -> NDArray[np.complexfloating]:
    """Advance in intervals of at most half a unit of time, after each of which the step is chosen again."""
    num_intervals = int(np.ceil(duration / 0.5))
    for _ in range(num_intervals):
        u_hat = flow.advance(u_hat, duration / num_intervals)
    return u_hat


def write_turbulence(folder: Path, recipe: TurbulenceRecipe, on_progress: OnProgress = no_progress) -> None:
    """Simulate the snapshots of a recipe and write them into an existing folder; see `rs_adapt.turbulence.storage`.

    Args:
        folder: The folder, empty.
        recipe: The recipe.
        on_progress: Called after each snapshot.
    """
    plan = [(split, number) for split in SPLITS for number in range(recipe.snapshots.get(split, 0))]

    def stacks() -> Iterator[tuple[Split, NDArray[np.float32]]]:
        for done, (split, number) in enumerate(plan, start=1):
            field_3ZYX = simulate(recipe, split=split, number=number)
            yield split, field_3ZYX[:, :: recipe.slice_step]
            on_progress("simulating turbulence", done, len(plan))

    write_flow(folder, stacks(), is_periodic=True)
