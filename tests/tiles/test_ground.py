"""The ground that tiles show, by their index."""

from __future__ import annotations

import pytest

from rs_adapt.scenes import Box
from rs_adapt.tiles import Tile
from rs_adapt.tiles.ground import find_shared_ground, median_pixel_m

UTM = "EPSG:32632"


def tile(x: float, y: float, *, pixel: float = 2.0, crs: str | None = UTM, side: int = 32, flip: bool = False) -> Tile:
    """Return a tile whose upper left corner is there; lower left where rows run north."""
    return Tile(
        name=f"{x:g}_{y:g}.png",
        scene="s",
        box=Box(0, 0, side, side),
        transform=(pixel, 0.0, x, 0.0, pixel if flip else -pixel, y),
        crs=crs,
        valid_share=1.0,
    )


# 64 m wide, in the corner of a zone.
HERE = tile(500_000, 5_000_000)


@pytest.mark.parametrize(
    ("other", "is_shared"),
    [
        (tile(500_000, 5_000_000), True),
        # Half of it, a corner of it, and its neighbours, which only touch.
        (tile(500_032, 5_000_000), True),
        (tile(500_050, 5_000_050), True),
        (tile(500_064, 5_000_000), False),
        (tile(500_000, 4_999_936), False),
        # A small tile inside of it, a large one around it, and one whose rows run north.
        (tile(500_010, 4_999_990, pixel=0.1), True),
        (tile(499_000, 5_001_000, pixel=100), True),
        (tile(500_000, 4_999_936, flip=True), True),
        (tile(500_000, 5_000_000, flip=True), False),
        # The same numbers in a different zone, and the same place in degrees.
        (tile(500_000, 5_000_000, crs="EPSG:32633"), False),
        (tile(8.9999, 45.1539, pixel=0.00002, crs="EPSG:4326"), True),
        # No system: nothing is known.
        (tile(500_000, 5_000_000, crs=None), False),
    ],
)
def test_shared_ground_is_an_overlap_of_areas(other: Tile, is_shared: bool) -> None:
    assert bool(find_shared_ground([HERE], [other])) is is_shared
    assert bool(find_shared_ground([other], [HERE])) is is_shared


def test_positions_of_all_tiles_are_returned() -> None:
    row = [tile(500_000 + 64 * number, 5_000_000) for number in range(5)]
    assert find_shared_ground(row, [row[1], row[4]]) == [1, 4]
    assert find_shared_ground(row, []) == []


def test_scenes_with_world_files_alone_are_compared_by_their_numbers() -> None:
    assert find_shared_ground([tile(10, 10, crs=None)], [tile(10, 10, crs=None)]) == [0]


def test_tiles_without_georeference_are_not_compared() -> None:
    plain = Tile(
        name="a", scene="a", box=Box(0, 0, 8, 8), transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), crs=None, valid_share=1.0
    )
    assert find_shared_ground([plain], [plain]) == []
    assert median_pixel_m([plain]) is None


def test_pixel_sizes_are_in_metres() -> None:
    assert median_pixel_m([HERE]) == 2.0
    # Feet, and degrees at the equator and at 60 degrees, where they are half as wide.
    assert median_pixel_m([tile(0, 0, crs="EPSG:2263")]) == pytest.approx(2 * 0.3048, rel=1e-3)
    assert median_pixel_m([tile(9, 0.001, pixel=1e-5, crs="EPSG:4326")]) == pytest.approx(1.11, rel=0.01)
    assert median_pixel_m([tile(9, 60, pixel=1e-5, crs="EPSG:4326")]) == pytest.approx(1.11 * 0.5**0.5, rel=0.01)
    assert median_pixel_m([HERE, HERE, tile(0, 0, pixel=9)]) == 2.0
