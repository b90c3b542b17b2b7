"""Pairs of coarse and fine images from a folder of `rs_adapt.turbulence.storage` (H/W fine, h/w coarse)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.turbulence.degrade import Degradation, degrade, transform_plane
from rs_adapt.turbulence.measures import SSIM_WINDOW_PX
from rs_adapt.turbulence.storage import Split, read_facts, read_stack, stack_file

Pixels = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A coarse image and the fine one, normalised: mean 0 of each component, one scale for all three.

    Attributes:
        coarse_3hw: The coarse image, float32.
        fine_3HW: The fine image, float32.
        name: Snapshot and slice, such as `00003/08`.
        snapshot: Name of the snapshot; slices of one snapshot are not independent.
    """

    coarse_3hw: Pixels
    fine_3HW: Pixels
    name: str
    snapshot: str


class FlowImages:
    """The images of a split; training images with random symmetries of the plane.

    Args:
        folder: A folder of velocity images.
        split: "train", "val" or "test".
        scale: Factor between the sides.
        operator: How coarse images are made.
        num_snapshots: Number of snapshots to use, the first ones; None for all.
        crop_px: Side of the crops that `draw` takes of an image, a multiple of the factor; None for whole images.

    Raises:
        DataNotFound, DataError: The folder or a file is missing or damaged, the split has no image, or its images have
            different sizes, sides that are no multiple of the factor, below the window of SSIM or below the crops.
        ConfigError: The operator needs periodic images, and these are not; or the crops are no multiple of the factor.
    """

    def __init__(
        self,
        folder: Path,
        *,
        split: Split,
        scale: int,
        operator: Degradation = Degradation.BOX,
        num_snapshots: int | None = None,
        crop_px: int | None = None,
    ) -> None:
        self.facts = read_facts(folder)
        if operator is Degradation.SPECTRAL and not self.facts.is_periodic:
            raise ConfigError(
                "The degradation `spectral` is for periodic images, and these are not periodic. Use `box`."
            )
        counts = self.facts.slices.get(split, ())[:num_snapshots]
        if not counts:
            raise DataError(f"{folder} has no images for {split}. Name files for this split.")
        self.scale, self.operator, self.split, self.crop_px = scale, operator, split, crop_px
        self._files = [(stack_file(folder, split, number), count) for number, count in enumerate(counts)]
        sides = [read_stack(path, slices=count).shape[2:] for path, count in self._files]
        _check_sides(sides, scale=scale, where=f"{folder / split}")
        _check_crops(crop_px, sides[0], scale=scale)
        self._places = [(number, z) for number, count in enumerate(counts) for z in range(count)]
        self._mean_311 = np.array(self.facts.mean, np.float32).reshape(3, 1, 1)

    @property
    def value_range(self) -> float:
        """Largest minus smallest value of the training images, in units of the normalised ones."""
        return self.facts.value_range / self.facts.scale

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._places)

    def pair(self, index: int) -> Pair:
        """Return an image as it is."""
        number, z = self._places[index]
        fine = self._normalised(number, z)
        return self._pair(fine, f"{number:05d}/{z:02d}", f"{number:05d}")

    def draw(self, seed: int, number: int) -> Pair:
        """Return a training image, a function of seed and number: cropped, turned, mirrored and, if periodic, shifted.

        Of velocities all are symmetries of isotropic turbulence, w mirrored with the rest; vectors turn along with the
        pixels.
        """
        rng = np.random.default_rng((seed, number))
        snapshot, z = self._places[int(rng.integers(len(self._places)))]
        fine = self._normalised(snapshot, z)
        if self.facts.is_periodic:
            fine = np.roll(fine, rng.integers(0, fine.shape[1:]), axis=(1, 2))
        if self.crop_px is not None:
            top, left = rng.integers(0, np.array(fine.shape[1:]) - self.crop_px + 1)
            fine = fine[:, top : top + self.crop_px, left : left + self.crop_px]
        if self.facts.content == "colour":
            mirrored = fine[:, :, ::-1] if rng.integers(2) else fine
            colours = np.ascontiguousarray(np.rot90(mirrored, int(rng.integers(4)), axes=(1, 2)))
            return self._pair(colours, f"{snapshot:05d}/{z:02d}", f"{snapshot:05d}")
        turned = transform_plane(fine, turns=int(rng.integers(4)), is_mirrored=bool(rng.integers(2)))
        if rng.integers(2):
            turned[2] *= -1
        return self._pair(np.asarray(turned, np.float32), f"{snapshot:05d}/{z:02d}", f"{snapshot:05d}")

    def _normalised(self, number: int, z: int) -> Pixels:
        # Opened for each image: a process may hold fewer open files than a region has tiles.
        path, count = self._files[number]
        return np.asarray((read_stack(path, slices=count)[:, z] - self._mean_311) / self.facts.scale, np.float32)

    def _pair(self, fine_3HW: Pixels, name: str, snapshot: str) -> Pair:
        coarse = degrade(fine_3HW, self.scale, self.operator)
        return Pair(coarse_3hw=coarse, fine_3HW=fine_3HW, name=name, snapshot=snapshot)


def _check_sides(sides: Sequence[tuple[int, ...]], *, scale: int, where: str) -> None:
    if len(set(sides)) > 1:
        listed = ", ".join(sorted({f"{height} x {width}" for height, width in sides}))
        raise DataError(f"The images of {where} have different sizes ({listed}): crop them to one.")
    height, width = sides[0]
    if height % scale or width % scale or min(height, width) < SSIM_WINDOW_PX:
        raise DataError(
            f"The images of {where} have {height} x {width} pixels. Both sides must be multiples of the factor {scale} "
            f"(bench.scale) and at least {SSIM_WINDOW_PX}, the window of SSIM: crop them."
        )


def _check_crops(crop_px: int | None, sides: tuple[int, ...], *, scale: int) -> None:
    if crop_px is None:
        return
    if crop_px % scale:
        raise ConfigError(f"bench.crop_px is {crop_px}, which is no multiple of the factor {scale} (bench.scale).")
    if crop_px > min(sides):
        raise DataError(
            f"The images have {sides[0]} x {sides[1]} pixels, and bench.crop_px is {crop_px}. Allowed: up to "
            f"{min(sides) // scale * scale}."
        )
