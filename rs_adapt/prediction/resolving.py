"""A scene that a model of super-resolution enlarges, window by window, as it enlarged the tiles of the training."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine

from rs_adapt.runs.resolvers import ResolverModel, is_factor, read_resolver
from rs_adapt.scenes import Box

if TYPE_CHECKING:
    from rs_adapt.prediction.appearance import Appearance
    from rs_adapt.scenes import Scene, SceneInfo
    from rs_adapt.superresolution.resolver import Resolver

# Blocks of a scene that are kept, since tiles overlap and a row of tiles is lower than a block.
_KEPT_BYTES = 128 * 2**20


class ResolvedScene:
    """A scene in pixels a whole factor smaller, over the same ground.

    A pixel does not depend on the window that is read. Pixels have data where the scene has.

    Args:
        scene: The scene; its ground size is known.
        model: The model that enlarges it.
    """

    def __init__(self, scene: Scene, model: ResolverModel) -> None:
        self._scene, self._model, self._scale = scene, model, model.facts.scale
        self._blocks: OrderedDict[tuple[int, int], NDArray[np.uint8]] = OrderedDict()
        info, scale = scene.info, self._scale
        transform = Affine(*info.transform)
        self.info: SceneInfo = replace(
            info,
            width_px=info.width_px * scale,
            height_px=info.height_px * scale,
            transform=tuple(transform @ Affine.scale(1 / scale) if info.has_place else transform)[:6],
            gsd_m=None if info.gsd_m is None else info.gsd_m / scale,
        )

    @property
    def block_size(self) -> tuple[int, int]:
        """Columns and rows that the blocks of the file have in pixels of this size."""
        columns, rows = self._scene.block_size
        return columns * self._scale, rows * self._scale

    def read_rgb(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return colours of a window, uint8 (H, W, 3), and where there are data, bool (H, W)."""
        from rs_adapt.superresolution.resolver import assemble

        scale = self._scale
        box = box or Box(0, 0, self.info.width_px, self.info.height_px)
        coarse = Box(box.x0 // scale, box.y0 // scale, -(-box.x1 // scale), -(-box.y1 // scale))
        fine_HW3 = assemble(coarse, scale, self._block)
        valid_hw = self._scene.read_rgb(coarse)[1]
        inside = np.s_[
            box.y0 - coarse.y0 * scale : box.y1 - coarse.y0 * scale,
            box.x0 - coarse.x0 * scale : box.x1 - coarse.x0 * scale,
        ]
        return fine_HW3[inside], valid_hw.repeat(scale, axis=0).repeat(scale, axis=1)[inside]

    @cached_property
    def _resolver(self) -> Resolver:
        from rs_adapt.superresolution.resolver import load_resolver

        return load_resolver(self._model)

    def _block(self, left: int, top: int) -> NDArray[np.uint8]:
        place = (left, top)
        if place not in self._blocks:
            size = (self._scene.info.width_px, self._scene.info.height_px)
            block = self._resolver.enlarge_block(lambda box: self._scene.read_rgb(box)[0], left, top, size)
            while self._blocks and (len(self._blocks) + 1) * block.nbytes > _KEPT_BYTES:
                self._blocks.popitem(last=False)
            self._blocks[place] = block
        self._blocks.move_to_end(place)
        return self._blocks[place]


def resolved_scene(scene: Scene, size_m: float, appearance: Appearance) -> tuple[ResolvedScene | None, tuple[str, ...]]:
    """Return a scene as the model of super-resolution of a pack enlarges it, and what to know where it does not.

    Args:
        scene: The scene.
        size_m: Ground size of the pixels that are wanted.
        appearance: How the pack sees scenes.

    Raises:
        CheckpointMismatch: See `read_resolver`.
    """
    given_m = scene.info.gsd_m
    if appearance.resolver_folder is None or given_m is None or given_m <= size_m:
        return None, ()
    model = read_resolver(appearance.resolver_folder)
    if size_m == appearance.gsd_m and is_factor(model.facts.scale, given_m / size_m):
        return ResolvedScene(scene, model), ()
    return None, (
        f"Pixels of {scene.info.path} are {given_m:.3g} m and the map's {size_m:.3g} m, and the model of "
        f"super-resolution of the training enlarges {model.facts.scale} times: the scene is interpolated instead, "
        "which the model of the map has not learnt from.",
    )
