"""Polygons as arrays of vertices, so that tens of thousands are cut to a window or transformed at once.

N vertices form R rings; the rings of a part are its outline and its holes; the P parts of all features follow each
other in the order of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError
from rs_adapt.scenes.polygons.attributes import attribute_text

# A GeoJSON object, as json and fiona give them.
Geometry: TypeAlias = Mapping[str, Any]
# The outline of a polygon and its holes; vertices of shape (N, 2) each.
Part: TypeAlias = list[NDArray[np.float64]]
# A ring needs three corners, and its first point again as its last.
LEAST_POINTS = 4
# Names of skipped features that are listed for each reason.
LISTED_FEATURES = 5


class Feature(NamedTuple):
    """A feature of a file: its name in messages, its GeoJSON geometry and its attributes."""

    name: str
    geometry: Geometry | None
    attributes: Mapping[str, object]


class Bounds(NamedTuple):
    """A rectangle of coordinates."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __str__(self) -> str:
        """Return both ranges with digits enough to compare them."""
        digits = 0 if max(map(abs, self)) >= 1000 else 4
        return f"x {self.x0:.{digits}f} to {self.x1:.{digits}f}, y {self.y0:.{digits}f} to {self.y1:.{digits}f}"


@dataclass(frozen=True, kw_only=True)
class Polygons:
    """Polygons of a file, or those of them that lie on a scene.

    Attributes:
        path: The file.
        xy_N2: Vertices, float64, shape (N, 2).
        ring_starts: Number of each ring's first vertex, and N at the end; shape (R + 1).
        part_starts: Number of each part's first ring, and R at the end; shape (P + 1).
        feature_P: Number of each part's feature in the file.
        text_P: Number of each part's attribute in `texts`.
        texts: Distinct attributes as text, see `attribute_text`.
        num_features: Number of the file's features that were read, polygons or not.
        skipped: Numbers of features and parts that are no polygons, by the reason.
        skipped_names: Names of the first of these features, by the reason.
    """

    path: Path
    xy_N2: NDArray[np.float64]
    ring_starts: NDArray[np.int64]
    part_starts: NDArray[np.int64]
    feature_P: NDArray[np.int64]
    text_P: NDArray[np.int64]
    texts: tuple[str, ...]
    num_features: int
    skipped: Counter[str]
    skipped_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.feature_P)

    @property
    def text_counts(self) -> Counter[str]:
        """Number of features by attribute."""
        of_feature = np.unique(np.stack([self.feature_P, self.text_P]), axis=1)[1]
        numbers, counts = np.unique(of_feature, return_counts=True)
        return Counter({self.texts[number]: int(count) for number, count in zip(numbers, counts, strict=True)})

    @cached_property
    def bounds_P4(self) -> NDArray[np.float64]:
        """Bounding boxes of the parts: x0, y0, x1, y1."""
        if not len(self):
            return np.empty((0, 4))
        first_P = self.ring_starts[self.part_starts[:-1]]
        low_P2, high_P2 = (edge.reduceat(self.xy_N2, first_P, axis=0) for edge in (np.minimum, np.maximum))
        return np.concatenate([low_P2, high_P2], axis=1)

    @property
    def bounds(self) -> Bounds:
        """Bounding box of all parts; there must be one."""
        low_2, high_2 = self.bounds_P4[:, :2].min(axis=0), self.bounds_P4[:, 2:].max(axis=0)
        return Bounds(*map(float, (*low_2, *high_2)))

    def touch(self, bounds: Bounds) -> NDArray[np.bool_]:
        """Return whether the bounding box of each part touches a rectangle; one with x0 > x1 crosses 180 degrees."""
        x0_P, y0_P, x1_P, y1_P = self.bounds_P4.T
        right_P, left_P = x1_P >= bounds.x0, x0_P <= bounds.x1
        across_P = right_P & left_P if bounds.x0 <= bounds.x1 else right_P | left_P
        touching_P: NDArray[np.bool_] = across_P & (y1_P >= bounds.y0) & (y0_P <= bounds.y1)
        return touching_P

    def take(self, chosen_P: NDArray[np.bool_]) -> Polygons:
        """Return the chosen parts."""
        ring_sizes, part_sizes = np.diff(self.ring_starts), np.diff(self.part_starts)
        chosen_R = np.repeat(chosen_P, part_sizes)
        return replace(
            self,
            xy_N2=self.xy_N2[np.repeat(chosen_R, ring_sizes)],
            ring_starts=_starts(ring_sizes[chosen_R]),
            part_starts=_starts(part_sizes[chosen_P]),
            feature_P=self.feature_P[chosen_P],
            text_P=self.text_P[chosen_P],
        )

    def moved(self, xy_N2: NDArray[np.float64]) -> Polygons:
        """Return the polygons with other coordinates."""
        return replace(self, xy_N2=xy_N2)

    def parts(self) -> Iterator[Part]:
        """Yield the rings of each part, the outline first."""
        for first, end in pairwise(self.part_starts):
            yield [self.xy_N2[a:b] for a, b in pairwise(self.ring_starts[first : end + 1])]

    def with_parts(self, parts: Sequence[Part]) -> Polygons:
        """Return the polygons with other rings for each part; those without a ring are left out."""
        present_P = np.array([bool(part) for part in parts], dtype=bool)
        xy_N2, ring_starts, part_starts = _join(part for part in parts if part)
        return replace(
            self,
            xy_N2=xy_N2,
            ring_starts=ring_starts,
            part_starts=part_starts,
            feature_P=self.feature_P[present_P],
            text_P=self.text_P[present_P],
        )

    def shapes(self, offset: tuple[float, float] = (0.0, 0.0)) -> Iterator[Geometry]:
        """Yield each part as a GeoJSON polygon, less an offset in x and y."""
        for part in self.moved(self.xy_N2 - np.asarray(offset)).parts():
            yield {"type": "Polygon", "coordinates": [ring.tolist() for ring in part]}


def collect_polygons(path: Path, features: Iterator[Feature], column: str | None) -> Polygons:
    """Turn features into arrays.

    Features without geometry, parts without area and lines or points beside polygons in a collection are skipped and
    counted.

    Args:
        path: The file, for messages.
        features: Its features, in order.
        column: Attribute that names the class; None takes none.

    Raises:
        DataError: A feature is no polygon, or its coordinates are no finite numbers.
    """
    parts: list[Part] = []
    feature_P: list[int] = []
    text_P: list[int] = []
    numbers: dict[str, int] = {}
    skipped: Counter[str] = Counter()
    skipped_names: dict[str, list[str]] = {}
    num_features = 0
    for number, feature in enumerate(features):
        num_features += 1
        text = "" if column is None else attribute_text(feature.attributes.get(column))
        before = skipped.copy()
        for part in _parts(path, feature, skipped):
            parts.append(part)
            feature_P.append(number)
            text_P.append(numbers.setdefault(text, len(numbers)))
        for reason in skipped - before:
            if len(names := skipped_names.setdefault(reason, [])) < LISTED_FEATURES:
                names.append(feature.name)
    xy_N2, ring_starts, part_starts = _join(parts)
    return Polygons(
        path=path,
        xy_N2=xy_N2,
        ring_starts=ring_starts,
        part_starts=part_starts,
        feature_P=np.asarray(feature_P, dtype=np.int64),
        text_P=np.asarray(text_P, dtype=np.int64),
        texts=tuple(numbers),
        num_features=num_features,
        skipped=skipped,
        skipped_names=skipped_names,
    )


def _join(parts: Iterable[Part]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the vertices of all parts, the number of each ring's first one, and of each part's first ring."""
    parts = list(parts)
    rings = [ring for part in parts for ring in part]
    xy_N2 = np.concatenate(rings) if rings else np.empty((0, 2))
    return xy_N2, _starts([len(ring) for ring in rings]), _starts([len(part) for part in parts])


def _starts(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))]).astype(np.int64)


def _parts(path: Path, feature: Feature, skipped: Counter[str]) -> list[Part]:
    parts: list[Part] = []
    try:
        geometries, others = _split(feature.geometry)
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path}: the geometry of {feature.name} is not that of GeoJSON ({error}).") from error
    if others and not geometries:
        raise DataError(
            f"{path}: {feature.name} is a {others[0]}; labels are polygons. Take lines and points out of the file, "
            "or draw polygons around them."
        )
    if others:
        skipped["points or lines beside polygons"] += len(others)
    for polygon in geometries:
        outline, *holes = _rings(path, feature, polygon) if polygon else [np.empty((0, 2))]
        if len(outline) < LEAST_POINTS:
            skipped["with fewer than three corners" if polygon else "without geometry"] += 1
            continue
        areas = [hole for hole in holes if len(hole) >= LEAST_POINTS]
        if len(areas) < len(holes):
            skipped["holes with fewer than three corners"] += len(holes) - len(areas)
        parts.append([outline, *areas])
    if not geometries:
        skipped["without geometry"] += 1
    return parts


def _split(geometry: Geometry | None) -> tuple[list[Sequence[Any]], list[str]]:
    """Return the coordinates of a geometry's polygons, and the types of what else it holds."""
    if geometry is None:
        return [], []
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        pairs = [_split(part) for part in geometry.get("geometries") or ()]
        return [polygon for polygons, _ in pairs for polygon in polygons], [k for _, kinds in pairs for k in kinds]
    coordinates = geometry.get("coordinates")
    if kind == "Polygon":
        return [coordinates or []], []
    if kind == "MultiPolygon":
        return list(coordinates or ()), []
    return [], [str(kind)]


def _rings(path: Path, feature: Feature, polygon: Sequence[Any]) -> Part:
    try:
        # A third number is the height.
        read = [np.asarray([(x, y) for x, y, *_ in ring]) for ring in polygon]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: the coordinates of {feature.name} are no rings of x, y pairs ({error}).") from error
    wrong = [ring for ring in read if ring.size and (ring.ndim != 2 or ring.dtype.kind not in "iuf")]
    if wrong:
        fault = "brackets are nested too deep" if wrong[0].ndim != 2 else "a coordinate is no number"
        raise DataError(f"{path}: the coordinates of {feature.name} are no rings of x, y pairs ({fault}).")
    rings = [ring.astype(np.float64).reshape(-1, 2) for ring in read]
    if not all(np.isfinite(xy_N2).all() for xy_N2 in rings):
        raise DataError(f"{path}: {feature.name} has a coordinate that is not a number. Repair or remove it.")
    return [closed(xy_N2) for xy_N2 in rings]


def closed(xy_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring whose first point is its last one, too."""
    return xy_N2 if (xy_N2[:1] == xy_N2[-1:]).all() else np.concatenate([xy_N2, xy_N2[:1]])
