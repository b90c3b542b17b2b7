"""How maps are made: the options of a call that its maps share."""

from __future__ import annotations

from dataclasses import dataclass

from rs_adapt.config.execution import Tta
from rs_adapt.inference.drift import AdaptationSettings
from rs_adapt.prediction.companions import Companion
from rs_adapt.prediction.extent import EVERYWHERE, Area
from rs_adapt.prediction.layers import Layer
from rs_adapt.prediction.polygons import PolygonSettings
from rs_adapt.prediction.view import Gsd
from rs_adapt.tiles.blend import Blending

# Sums of class probabilities of one row of tiles: 22 000 columns of six classes with tiles of 512 px.
_SUMS_BYTES = 320 << 20


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """How maps are made.

    Attributes:
        tile_px: Side of a tile; a multiple of the backbone's patch.
        overlap_px: Pixels that neighbouring tiles share, 0 to half a tile.
        batch_size: Tiles that the model sees at once.
        blending: Weights of tiles that overlap.
        tta: Views of a tile whose probabilities are averaged; None for the tile alone.
        layers: What is written; the map of classes first.
        companions: Files beside the map of classes.
        polygons: How polygons are made; None writes none.
        overwrite: Replace maps that exist.
        skip_errors: Leave blocks of a scene that cannot be read without data, and name them.
        area: The part of each scene that is mapped.
        gsd: Ground size of the map's pixels in metres; "trained" for that of the training; see `view_scene` for None.
        adaptation: How the model adapts to each scene; None for not at all.
        sums_bytes: Memory for the sums of a row of tiles; wider scenes are predicted in panels.
    """

    tile_px: int
    overlap_px: int
    batch_size: int
    blending: Blending = "hann"
    tta: Tta | None = None
    layers: tuple[Layer, ...] = ("classes",)
    companions: tuple[Companion, ...] = ()
    polygons: PolygonSettings | None = None
    overwrite: bool = False
    skip_errors: bool = False
    area: Area = EVERYWHERE
    gsd: Gsd = None
    adaptation: AdaptationSettings | None = None
    sums_bytes: int = _SUMS_BYTES

    @property
    def stored_layers(self) -> tuple[Layer, ...]:
        """Layers of the strips: polygons need the confidence, also where it is not written."""
        needs_more = self.polygons is not None and "confidence" not in self.layers
        return (*self.layers, "confidence") if needs_more else self.layers
