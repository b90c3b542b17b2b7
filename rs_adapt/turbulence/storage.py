"""Folders of images for super-resolution: `<split>/00000.npy`, one a snapshot, and `flow.json` with statistics.

A file holds a stack of parallel slices (3, n, H, W), float32: components u along the columns, v along the rows, w out
of the plane. All slices of one file belong to one snapshot, and intervals are taken over snapshots. Of colour images a
file holds one, uint8: red, green, blue.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from rs_adapt.documents import read_json
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import write_json

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Content = Literal["velocity", "colour"]
Stack = NDArray[np.float32] | NDArray[np.uint8]
FACTS_FILE = "flow.json"
_DTYPES = {"velocity": np.float32, "colour": np.uint8}


class FlowFacts(BaseModel):
    """Facts of a folder of images.

    Attributes:
        mean: Mean of each component over the training images, in the unit of the data.
        scale: Standard deviation of all components together. One number, because a scale for each component would
            change directions and divergence.
        value_range: Largest minus smallest value over all components of the training images.
        is_periodic: Whether images continue at their borders.
        slices: Number of slices of each file by split.
        content: What the three components are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, float, float]
    scale: float
    value_range: float
    is_periodic: bool
    slices: dict[Split, tuple[int, ...]]
    content: Content = "velocity"


def write_flow(
    folder: Path,
    stacks: Iterable[tuple[Split, Stack]],
    *,
    is_periodic: bool,
    content: Content = "velocity",
) -> FlowFacts:
    """Write stacks of slices, one file each, and the statistics of the training split.

    Args:
        folder: An existing folder.
        stacks: Split and stack (3, n, H, W) of each snapshot.
        is_periodic: See `FlowFacts`.
        content: See `FlowFacts`; colours are stored as uint8.

    Raises:
        DataError: There is no training stack, a value is not finite, or all values are equal.
    """
    slices: dict[Split, list[int]] = {}
    training = _Moments()
    for split, stack_3nHW in stacks:
        numbers = slices.setdefault(split, [])
        if not np.isfinite(stack_3nHW).all():
            raise DataError(
                f"Snapshot {len(numbers)} of split {split} has values that are not finite. Leave it out, or crop the "
                "images to where velocities were measured."
            )
        (folder / split).mkdir(exist_ok=True)
        np.save(stack_file(folder, split, len(numbers)), np.ascontiguousarray(stack_3nHW, _DTYPES[content]))
        numbers.append(stack_3nHW.shape[1])
        if split == "train":
            training.add(stack_3nHW)
    mean_3, scale, value_range = training.statistics()
    facts = FlowFacts(
        mean=mean_3,
        scale=scale,
        value_range=value_range,
        is_periodic=is_periodic,
        slices={split: tuple(numbers) for split, numbers in slices.items()},
        content=content,
    )
    write_json(folder / FACTS_FILE, facts.model_dump(mode="json"))
    return facts


def statistics(stacks: Iterable[Stack]) -> tuple[tuple[float, float, float], float, float]:
    """Return mean, scale and range of values of training images, as `FlowFacts` has them.

    Raises:
        DataError: There is no image, or all values are equal.
    """
    moments = _Moments()
    for stack_3nHW in stacks:
        moments.add(stack_3nHW)
    return moments.statistics()


class _Moments:
    """Sums over stacks of images, which need not be in memory together."""

    def __init__(self) -> None:
        self.count, self.total_3, self.squares = 0, np.zeros(3), 0.0
        self.least, self.most = np.inf, -np.inf

    def add(self, stack_3nHW: Stack) -> None:
        values = stack_3nHW.astype(np.float64)
        self.count += values[0].size
        self.total_3 += values.sum(axis=(1, 2, 3))
        self.squares += float((values**2).sum())
        self.least, self.most = min(self.least, float(values.min())), max(self.most, float(values.max()))

    def statistics(self) -> tuple[tuple[float, float, float], float, float]:
        if not self.count:
            raise DataError("There is no training image: the statistics of the training split normalise all others.")
        mean_3 = self.total_3 / self.count
        scale = float(np.sqrt(max(self.squares / (3 * self.count) - (mean_3**2).mean(), 0)))
        if scale <= 1e-12 * max(abs(self.least), abs(self.most)) or scale == 0:
            raise DataError("All values of the training images are equal: there is nothing to reconstruct.")
        return (float(mean_3[0]), float(mean_3[1]), float(mean_3[2])), scale, self.most - self.least


def stack_file(folder: Path, split: Split, number: int) -> Path:
    """Return the file of a snapshot."""
    return folder / split / f"{number:05d}.npy"


def read_facts(folder: Path) -> FlowFacts:
    """Return the facts of a folder of images.

    Raises:
        DataNotFound: There is no such folder.
        DataError: Its facts are damaged.
    """
    path = folder / FACTS_FILE
    remedy = "Remove the folder, and the next run makes it again."
    try:
        return FlowFacts.model_validate(read_json(path, error=DataError, remedy=remedy))
    except FileNotFoundError as error:
        raise DataNotFound(f"There is no {path}: the folder holds no prepared images.") from error
    except ValidationError as error:
        raise DataError(f"{path} is damaged. {remedy}") from error


def read_stack(path: Path, *, slices: int) -> Stack:
    """Return the stack (3, n, H, W) of a snapshot, as a read-only view of the file.

    Raises:
        DataNotFound: There is no such file.
        DataError: It is damaged.
    """
    try:
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataNotFound(f"There is no {path}. Remove the folder, and the next run makes it again.") from error
    except Exception as error:
        # A damaged header is parsed as Python, and raises errors of many classes.
        raise DataError(f"{path} is damaged ({error}). Remove the folder, and the next run makes it again.") from error
    if stack.ndim != 4 or stack.shape[:2] != (3, slices) or stack.dtype not in _DTYPES.values():
        raise DataError(
            f"{path} does not hold (3, {slices}, H, W), float32 or uint8. Remove the folder; it is made again."
        )
    return np.asarray(stack)
