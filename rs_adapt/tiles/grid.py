"""The grid of tiles: regular, plus one tile aligned with the edge, in pixels."""

from __future__ import annotations

from rs_adapt.errors import ConfigError
from rs_adapt.scenes import Box


def tile_origins(size_px: int, tile_px: int, stride_px: int) -> list[int]:
    """First pixels of the tiles along one side.

    The grid starts at 0 and steps by `stride_px`; where it does not end on the edge, one more tile is aligned with the
    edge. A side smaller than a tile gives a single tile, which then has to be padded. 6000 px in tiles of 512 px and
    steps of 512 px give the 12 origins of mmsegmentation's Potsdam converter: 0, 512, ..., 5120, 5488.

    Args:
        size_px: Length of the side.
        tile_px: Side of a tile.
        stride_px: Step of the grid, at most `tile_px` (a larger one would leave gaps).

    Returns:
        Increasing origins, the first one 0.

    Raises:
        ConfigError: A length is not positive, or the stride is larger than a tile.
    """
    if size_px < 1 or tile_px < 1 or not 1 <= stride_px <= tile_px:
        raise ConfigError(
            f"Cannot lay tiles of {tile_px} px with a stride of {stride_px} px over {size_px} px: all three must be at "
            "least 1, and the stride at most the tile size."
        )
    if size_px <= tile_px:
        return [0]
    last = size_px - tile_px
    return [*range(0, last, stride_px), last]


def tile_boxes(width_px: int, height_px: int, tile_px: int, stride_px: int) -> list[Box]:
    """All windows of a scene, row by row; where the scene is smaller than a tile, the window ends at its edge."""
    return [
        Box(x0, y0, min(x0 + tile_px, width_px), min(y0 + tile_px, height_px))
        for y0 in tile_origins(height_px, tile_px, stride_px)
        for x0 in tile_origins(width_px, tile_px, stride_px)
    ]


def tile_name(stem: str, box: Box) -> str:
    """File name of a tile, `{stem}_{x0}_{y0}_{x1}_{y1}.png`, as mmsegmentation's converters write it."""
    return f"{stem}_{box.x0}_{box.y0}_{box.x1}_{box.y1}.png"
