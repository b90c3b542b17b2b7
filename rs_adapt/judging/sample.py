"""Points to label by hand, drawn where two maps agree and where they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError
from rs_adapt.judging.pairs import PairPrediction, RasterPlace

STRATA = ("same", "differ")


@dataclass(frozen=True, kw_only=True)
class SamplePoint:
    """A pixel to label.

    Attributes:
        id: Number from 1, in random order.
        stratum: `same` where both models give one class, `differ` where they do not.
        image: Name of the tile or scene.
        column: Column of the pixel, from 0.
        row: Row of the pixel, from 0.
        run: Class of RUN.
        against: Class of AGAINST.
        place: Where the image lies; None where that is not known.
    """

    id: int
    stratum: str
    image: str
    column: int
    row: int
    run: int
    against: int
    place: RasterPlace | None = None

    @property
    def xy(self) -> tuple[float, float]:
        """Position of the pixel's centre: on the map, else in pixels of the image."""
        column, row = self.column + 0.5, self.row + 0.5
        return (column, row) if self.place is None else self.place.locate(column, row)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Points drawn at random within each stratum.

    Attributes:
        points: The points by number.
        pixels: Pixels of the images by stratum.
        seed: Seed of the draw.
    """

    points: tuple[SamplePoint, ...]
    pixels: dict[str, int]
    seed: int

    def size(self, stratum: str) -> int:
        """Return the number of points of a stratum."""
        return sum(point.stratum == stratum for point in self.points)

    @property
    def sentence(self) -> str:
        """How many points were drawn in which stratum."""
        total = sum(self.pixels.values())
        sizes = [
            f"{self.size(stratum)} where the maps {words} ({100 * self.pixels[stratum] / total:.1f} % of the area)"
            for stratum, words in (("differ", "differ"), ("same", "agree"))
        ]
        return (
            f"Points to label: {sizes[0]} and {sizes[1]}, each drawn with equal probability from the pixels of its "
            "part. Those where the maps differ decide which one is better; the others tell how good both are."
        )


class PointSampler:
    """Draws points while images pass by, with equal probabilities and only the drawn ones in memory.

    Each pixel gets a random number; those with the smallest ones are the sample, whatever the order of the images.

    Args:
        num_points: Number of points, half of them in each stratum; the odd one where the maps differ.
        seed: Seed of the draw.
    """

    def __init__(self, num_points: int, *, seed: int = 0) -> None:
        self._wanted = {"same": num_points // 2, "differ": num_points - num_points // 2}
        self._pixels = dict.fromkeys(STRATA, 0)
        self._drawn: dict[str, list[tuple[float, SamplePoint]]] = {stratum: [] for stratum in STRATA}
        self._rng, self._seed = np.random.default_rng(seed), seed

    def add(self, pair: PairPrediction) -> None:
        """Offer the pixels of an image."""
        for stratum, mask_HW in (("same", pair.valid_HW & ~pair.differs_HW), ("differ", pair.differs_HW)):
            self._add(pair, stratum, mask_HW)

    def _add(self, pair: PairPrediction, stratum: str, mask_HW: NDArray[np.bool_]) -> None:
        positions = np.flatnonzero(mask_HW)
        self._pixels[stratum] += len(positions)
        keys = self._rng.random(len(positions))
        count = min(self._wanted[stratum], len(positions))
        if not count:
            return
        drawn = self._drawn[stratum]
        for index in np.argpartition(keys, count - 1)[:count]:
            row, column = divmod(int(positions[index]), mask_HW.shape[1])
            point = SamplePoint(
                id=0,
                stratum=stratum,
                image=pair.image,
                column=pair.left_px + column,
                row=pair.top_px + row,
                run=int(pair.run_HW[row, column]),
                against=int(pair.against_HW[row, column]),
                place=pair.place,
            )
            drawn.append((float(keys[index]), point))
        drawn.sort(key=lambda entry: entry[0])
        del drawn[self._wanted[stratum] :]

    def sample(self) -> Sample:
        """Return the points of both strata, mixed, so that their order tells nothing.

        Raises:
            ConfigError: A stratum has fewer pixels than points.
        """
        for stratum, words in (("differ", "differ"), ("same", "agree")):
            if self._pixels[stratum] < self._wanted[stratum]:
                raise ConfigError(
                    f"--sample asks for {self._wanted[stratum]} points where the maps {words}, but they {words} at "
                    f"{self._pixels[stratum]} pixels only. Ask for fewer points, or predict more images."
                )
        points = [point for stratum in STRATA for _, point in self._drawn[stratum]]
        order = self._rng.permutation(len(points))
        return Sample(
            points=tuple(replace(points[index], id=number) for number, index in enumerate(order, start=1)),
            pixels=dict(self._pixels),
            seed=self._seed,
        )
