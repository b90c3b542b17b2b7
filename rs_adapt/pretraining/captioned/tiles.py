"""Tiles with captions: windows of drawn scenes, with objects drawn onto them (H/W pixels)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.pretraining.captioned.facts import TILE_PX, ObjectPart, TileFacts, read_facts
from rs_adapt.pretraining.captioned.grammar import Caption, write_caption
from rs_adapt.pretraining.captioned.objects import KINDS, TRAINING_KINDS, draw_stamp, paint_stamp
from rs_adapt.pretraining.captioned.styles import StyleScene, draw_style_scene
from rs_adapt.pretraining.crops import MATERIALS, restyle
from rs_adapt.progress import OnProgress, no_progress

# To be raised whenever a change gives other pixels or captions; files of weights record it.
CAPTION_VERSION = 1
# Ground that a pixel of a tile covers, metres.
_PIXEL_M = (0.45, 1.3)
# Shares of tiles with 0, 1, 2, 3 and 4 objects drawn onto them.
_OBJECTS = (0.4, 0.2, 0.2, 0.14, 0.06)
_SAME_KIND = 0.35
_TRIES = 12
_WATER = MATERIALS.index("water")
_BUILDING = MATERIALS.index("building")


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionedTile:
    """A tile: RGB in 0-255, float32 (64, 64, 3), what is on it, and a caption that is true of it."""

    image_HW3: NDArray[np.float32]
    facts: TileFacts
    caption: Caption


class CaptionedTiles:
    """Scenes in memory, and tiles of them; tile n is a function of the arguments and n.

    Args:
        seed: Seed of scenes and tiles.
        split: "train" or "val"; no two splits share a style.
        num_scenes: Scenes, each in a style and a season of its own.
        scene_px: Side of a scene.
        kinds: Kinds of objects that are drawn onto tiles.
        on_progress: Called after each scene.
    """

    def __init__(
        self,
        *,
        seed: int,
        split: str,
        num_scenes: int,
        scene_px: int,
        kinds: Sequence[str] = TRAINING_KINDS,
        on_progress: OnProgress = no_progress,
    ) -> None:
        self.seed, self.split, self.kinds = seed, split, tuple(kinds)
        self.scenes: list[StyleScene] = []
        for number in range(num_scenes):
            self.scenes.append(draw_style_scene(seed=seed, split=split, number=number, size_px=scene_px))
            on_progress("drawing scenes", number + 1, num_scenes)

    def tile(self, number: int) -> CaptionedTile:
        """Return tile `number`, 0 or more; there is no last one."""
        rng = np.random.default_rng((self.seed, len(self.split), number))
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        image_HW3, material_HW, object_HW, scale = _window(rng, scene)
        parts = {
            index: ObjectPart(
                kind=house.kind, roof="pitched" if house.pitched else "flat", area_px=house.area_px * scale**2
            )
            for index, house in enumerate(scene.buildings, start=1)
        }
        stamped_HW = self._stamp(rng, scene, image_HW3, material_HW, object_HW, parts)
        image_HW3 = restyle(rng, image_HW3.clip(0, 255))
        facts = read_facts(image_HW3, material_HW, object_HW, parts, season=scene.season, stamped=stamped_HW)
        return CaptionedTile(image_HW3=image_HW3, facts=facts, caption=write_caption(rng, facts))

    def batch(self, first: int, count: int) -> tuple[NDArray[np.float32], list[str]]:
        """Return images (B, 3, 64, 64), RGB, float32 in 0-255, and captions of `count` tiles from number `first`."""
        tiles = [self.tile(number) for number in range(first, first + count)]
        images = np.stack([tile.image_HW3.transpose(2, 0, 1) for tile in tiles])
        return np.ascontiguousarray(images, dtype=np.float32), [tile.caption.text for tile in tiles]

    def _stamp(
        self,
        rng: np.random.Generator,
        scene: StyleScene,
        image_HW3: NDArray[np.float32],
        material_HW: NDArray[np.uint8],
        object_HW: NDArray[np.uint16],
        parts: dict[int, ObjectPart],
    ) -> NDArray[np.bool_]:
        """Draw objects in place where nothing else is; return where they hide the ground."""
        stamped_HW = np.zeros(material_HW.shape, dtype=bool)
        count = int(rng.choice(len(_OBJECTS), p=_OBJECTS))
        kind, number = "", len(scene.buildings)
        for _ in range(count):
            if not kind or rng.random() >= _SAME_KIND:
                kind = str(rng.choice(self.kinds))
            for _ in range(_TRIES):
                x, y = (float(at) for at in rng.uniform(4, TILE_PX - 4, 2))
                at = int(y), int(x)
                if object_HW[at] or (material_HW[at] == _WATER) != KINDS[kind].on_water:
                    continue
                stamp = draw_stamp(rng, kind, x, y)
                window, covered, rgb = paint_stamp(stamp, TILE_PX)
                mask = covered > 0.5
                ground, room = material_HW[window][mask], cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
                if not mask.any() or object_HW[window][room.astype(bool)].any() or np.any(ground == _BUILDING):
                    continue
                if np.any((ground == _WATER) != KINDS[kind].on_water):
                    continue
                number += 1
                haze, noise = scene.region.haze, scene.region.noise
                if KINDS[kind].tall:
                    _shade(image_HW3, paint_stamp(stamp, TILE_PX, shift_px=_shadow_px(scene)))
                seen = rgb * (1 - haze) + np.asarray(scene.region.haze_rgb, dtype=np.float32) * haze
                seen += noise * rng.standard_normal(seen.shape, dtype=np.float32)
                image_HW3[window] += (seen - image_HW3[window]) * covered[..., None]
                object_HW[window][mask] = number
                stamped_HW[window] |= mask
                low, high = KINDS[kind].long_px
                place = (2 * stamp.half_long - low) / (high - low)
                parts[number] = ObjectPart(
                    kind=kind,
                    size="small" if place < 1 / 3 else "large" if place > 2 / 3 else "",
                    roof={"house": "pitched", "warehouse": "flat"}.get(kind, ""),
                    area_px=4 * stamp.half_long * stamp.half_wide * (1 if kind not in _ROUND else np.pi / 4),
                )
                break
        return stamped_HW


_ROUND = ("storage tank", "pond", "boat", "helipad")


def _window(
    rng: np.random.Generator, scene: StyleScene
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint16], float]:
    """Return a window of a scene at the tile's size, mirrored at random, and the factor of enlargement."""
    side_px = len(scene.material_HW)
    window_px = min(round(TILE_PX * rng.uniform(*_PIXEL_M) / scene.region.gsd_m), side_px)
    y, x = (int(v) for v in rng.integers(0, side_px - window_px + 1, 2))
    window = slice(y, y + window_px), slice(x, x + window_px)
    smooth = cv2.INTER_AREA if window_px > TILE_PX else cv2.INTER_LINEAR
    size = (TILE_PX, TILE_PX)
    image_HW3 = cv2.resize(scene.image_HW3[window], size, interpolation=smooth).astype(np.float32)
    material_HW = cv2.resize(scene.material_HW[window], size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    object_HW = cv2.resize(scene.building_HW[window], size, interpolation=cv2.INTER_NEAREST).astype(np.uint16)
    if rng.random() < 0.5:
        image_HW3, material_HW = np.ascontiguousarray(image_HW3[:, ::-1]), np.ascontiguousarray(material_HW[:, ::-1])
        object_HW = np.ascontiguousarray(object_HW[:, ::-1])
    return image_HW3, material_HW, object_HW, TILE_PX / window_px


def _shadow_px(scene: StyleScene) -> tuple[float, float]:
    azimuth = np.radians(scene.region.sun_azimuth_deg)
    return -1.8 * float(np.sin(azimuth)), 1.8 * float(np.cos(azimuth))


def _shade(image_HW3: NDArray[np.float32], shadow: tuple[tuple[slice, slice], NDArray[np.float32], object]) -> None:
    window, covered, _ = shadow
    image_HW3[window] *= 1 - 0.45 * covered[..., None]
