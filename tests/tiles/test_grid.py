"""Where tiles lie."""

from __future__ import annotations

import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.scenes import Box
from rs_adapt.tiles import tile_boxes, tile_name, tile_origins


def test_potsdam_grid_has_twelve_origins_and_an_edge_tile() -> None:
    origins = tile_origins(6000, 512, 512)
    assert origins == [*range(0, 5121, 512), 5488]
    assert len(origins) == 12
    # 24 training and 14 validation scenes, as mmsegmentation counts them.
    boxes = tile_boxes(6000, 6000, 512, 512)
    assert (24 * len(boxes), 14 * len(boxes)) == (3456, 2016)


def test_loveda_is_cut_into_four_disjoint_tiles() -> None:
    assert tile_boxes(1024, 1024, 512, 512) == [
        Box(0, 0, 512, 512),
        Box(512, 0, 1024, 512),
        Box(0, 512, 512, 1024),
        Box(512, 512, 1024, 1024),
    ]


@pytest.mark.parametrize(
    ("size_px", "tile_px", "stride_px", "wanted"),
    [(512, 512, 512, [0]), (300, 512, 512, [0]), (513, 512, 512, [0, 1]), (1024, 512, 384, [0, 384, 512])],
)
def test_grids_have_known_answers(size_px: int, tile_px: int, stride_px: int, wanted: list[int]) -> None:
    assert tile_origins(size_px, tile_px, stride_px) == wanted


@pytest.mark.parametrize("size_px", [64, 65, 97, 128, 200, 255, 256])
@pytest.mark.parametrize("stride_px", [17, 32, 64])
def test_every_pixel_is_covered_and_no_tile_leaves_the_scene(size_px: int, stride_px: int) -> None:
    origins = tile_origins(size_px, 64, stride_px)
    covered = {p for o in origins for p in range(o, o + 64)}
    assert covered == set(range(size_px))
    assert origins == sorted(set(origins))


@pytest.mark.parametrize("bad", [(0, 64, 64), (100, 0, 1), (100, 64, 0), (100, 64, 65)])
def test_impossible_grids_are_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="Cannot lay tiles"):
        tile_origins(*bad)


def test_names_equal_the_converters() -> None:
    assert tile_name("2_10", Box(0, 0, 512, 512)) == "2_10_0_0_512_512.png"
    assert tile_name("area1", Box(1407, 512, 1919, 1024)) == "area1_1407_512_1919_1024.png"
