"""A scene as it is mapped: resampled on demand, its window, its place, and what to know before using the map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from rasterio.errors import RasterioError
from rasterio.transform import Affine

from rs_adapt.errors import ConfigError
from rs_adapt.files import file_state
from rs_adapt.prediction.extent import Area, AreaPixels, OutsideArea, locate
from rs_adapt.prediction.grid import MapGrid, panel_width_px
from rs_adapt.prediction.place import MapPlace, grid_phase, place_of
from rs_adapt.prediction.resampling import ResampledScene
from rs_adapt.prediction.resolving import ResolvedScene, resolved_scene
from rs_adapt.scenes import Box, files_behind
from rs_adapt.scenes.gdal_files import open_raster
from rs_adapt.scenes.vrt_parts import list_parts

if TYPE_CHECKING:
    from rs_adapt.prediction.appearance import Appearance
    from rs_adapt.prediction.damage import Pixels
    from rs_adapt.scenes import Scene, SceneInfo

Gsd = float | Literal["trained"] | None
# A ground size that differs from that of the training by more than this factor is reported.
_LARGEST_RATIO = 4 / 3
_NO_PLACE = Affine.identity()
# Sizes that follow from degrees are rounded.
_ROUNDING = 1.005


@dataclass(frozen=True, kw_only=True)
class SceneView:
    """A scene as it is mapped.

    Attributes:
        pixels: The scene, at the pixel size of the map; without data outside of the area.
        window: The map's window in pixels of it.
        scene: Facts of all of it.
        info: Facts of the map's part of it, as of a scene of its own.
        place: The place of the map.
        remarks: Sentences that one has to know before using the map.
    """

    pixels: Pixels
    window: Box
    scene: SceneInfo
    info: SceneInfo
    place: MapPlace
    remarks: tuple[str, ...]


class MappedPart(NamedTuple):
    """The part of a scene that is mapped, before it is: its facts, as of a scene of its own, and its place."""

    info: SceneInfo
    place: MapPlace


def view_scene(scene: Scene, appearance: Appearance, *, area: Area, gsd: Gsd = None) -> SceneView:
    """Return a scene as it is mapped.

    Args:
        scene: The open scene.
        appearance: How the model saw scenes, for the ground size of its training.
        area: The area that is mapped.
        gsd: Ground size of the map's pixels in metres; "trained" for that of the training. None for that of the
            training where it brought both regions to one size, else the scene's.

    Raises:
        OutsideArea: No pixel of the scene lies in the area.
        DataError: Area or pixel size cannot be found in the scene.
        ConfigError: The pack does not know the ground size of its training, or `gsd` is no size.
    """
    if gsd is None and appearance.gsd_matched and scene.info.gsd_m is not None:
        gsd = "trained"
    seen: Scene | ResampledScene | ResolvedScene = scene
    notes: tuple[str, ...] = ()
    if gsd is not None and (size_m := _size_m(gsd, appearance)) != scene.info.gsd_m:
        resolved, notes = resolved_scene(scene, size_m, appearance)
        resampled = resolved or ResampledScene(scene, size_m)
        same_px = (resampled.info.width_px, resampled.info.height_px) == (scene.info.width_px, scene.info.height_px)
        seen = scene if same_px else resampled
    window, polygons = locate(area, seen.info)
    place = place_of(seen.info, window)
    return SceneView(
        pixels=seen if polygons is None else AreaPixels(seen, polygons),
        window=window,
        scene=seen.info,
        info=_part(seen.info, window),
        place=place,
        remarks=(*notes, *_remarks(seen.info, place, appearance.gsd_m, is_resampled=seen is not scene)),
    )


def map_grid(view: SceneView, num_classes: int, *, tile_px: int, overlap_px: int, sums_bytes: int) -> MapGrid:
    """Return the tiles of a map.

    Tiles that overlap lie fixed on the map. Those that do not start at the scene's first pixel, as those do that a
    scene is cut into for training and evaluation.

    Args:
        view: The scene.
        num_classes: K.
        tile_px: Side of a tile.
        overlap_px: Pixels that neighbouring tiles share.
        sums_bytes: Memory for the sums of a row of tiles; wider maps have panels.

    Raises:
        ConfigError: The overlap is negative or more than half a tile.
    """
    x0, y0, x1, y1 = view.window
    return MapGrid(
        width_px=x1 - x0,
        height_px=y1 - y0,
        tile_px=tile_px,
        overlap_px=overlap_px,
        panel_px=panel_width_px(num_classes, tile_px, budget_bytes=sums_bytes, most_px=x1 - x0),
        x0_px=x0,
        y0_px=y0,
        scene_px=(view.scene.width_px, view.scene.height_px),
        phase_px=grid_phase(view.scene, tile_px - overlap_px) if 0 < overlap_px < tile_px else (0, 0),
    )


def scenes_within(
    scenes: Iterable[Path],
    appearance: Appearance,
    *,
    area: Area,
    gsd: Gsd = None,
    leave_out: Callable[[Path], AbstractContextManager[None]] = lambda path: nullcontext(),
) -> tuple[dict[Path, MappedPart], list[str]]:
    """Return the scenes with pixels in the area, each with the part that is mapped, and what to know before.

    `leave_out` gives the context in which a scene is read; one that ends errors leaves out scenes that cannot be read.

    Raises:
        OutsideArea: None has.
        DataError: A scene cannot be read as the model was trained, or area or pixel size cannot be found in it.
        ConfigError: See `view_scene`.
    """
    within: dict[Path, MappedPart] = {}
    remarks: list[str] = []
    outside: list[OutsideArea] = []
    for path in scenes:
        with leave_out(path), appearance.open(path) as scene:
            try:
                view = view_scene(scene, appearance, area=area, gsd=gsd)
                remarks += view.remarks
                within[path] = MappedPart(view.info, view.place)
            except OutsideArea as error:
                outside.append(error)
    if outside and not within:
        raise outside[0]
    if outside:
        more = f" {len(outside) - 1} more scenes have none." if len(outside) > 1 else ""
        remarks.append(f"No map is made of a scene outside of the area: {outside[0]}{more}")
    return within, remarks


def files_read(scene: Path, area: Area) -> list[list[object]]:
    """Return names and states of the files that the pixels of a map depend on: scene, masks, parts, polygons."""
    files = {scene: None}
    try:
        with open_raster(scene) as dataset:
            files |= dict.fromkeys(Path(file) for file in dataset.files if not file.endswith(".ovr"))
    except RasterioError:
        # PIL knows more variants of plain images than GDAL does; these are one file.
        pass
    if scene.suffix.lower() == ".vrt":
        files |= dict.fromkeys(list_parts(scene))
    if area.aoi is not None:
        files |= dict.fromkeys(files_behind([area.aoi]))
    return [[str(file.resolve()), *file_state(file)] for file in files if file.exists()]


def ratio_remark(gsd_m: float | None, trained_m: float | None, subject: str) -> str | None:
    """Return a sentence on pixels of a size that differs from the training's by more than a third; None for none."""
    if gsd_m is None or trained_m is None or max(gsd_m / trained_m, trained_m / gsd_m) <= _LARGEST_RATIO * _ROUNDING:
        return None
    ratio, kind = (gsd_m / trained_m, "smaller") if gsd_m > trained_m else (trained_m / gsd_m, "larger")
    return (
        f"A pixel of {subject} is {gsd_m:.3g} m wide, and those of the training were {trained_m:.3g} m: things look "
        f"{ratio:.1f} times {kind} than the model knows them, and the map is worse for it. --gsd trained resamples the "
        "scene."
    )


def _part(info: SceneInfo, window: Box) -> SceneInfo:
    transform = Affine(*info.transform) @ Affine.translation(window.x0, window.y0) if info.has_place else _NO_PLACE
    width_px, height_px = window.x1 - window.x0, window.y1 - window.y0
    return replace(info, width_px=width_px, height_px=height_px, transform=tuple(transform)[:6])


def _size_m(gsd: float | Literal["trained"], appearance: Appearance) -> float:
    if gsd != "trained":
        if not 0 < gsd < float("inf"):
            raise ConfigError(f"--gsd is {gsd}. Allowed: metres above 0, such as --gsd 0.5, or trained.")
        return gsd
    if appearance.gsd_m is None:
        raise ConfigError(
            "--gsd is trained, but the pack does not state the ground size of its training. Give it in metres, such as "
            "--gsd 0.5."
        )
    return appearance.gsd_m


def _remarks(info: SceneInfo, place: MapPlace, trained_m: float | None, *, is_resampled: bool) -> Sequence[str]:
    remarks = []
    if place.transform is None and not place.gcps:
        fault = "" if info.place_fault is None else f": it {info.place_fault.rstrip('.')}"
        remarks.append(f"{info.path} has no place on the map, and so has its map{fault}.")
    elif place.crs is None:
        remarks.append(
            f"{info.path} states no reference system, and so does its map. Write it into the map: gdal_edit -a_srs "
            "EPSG:..."
        )
    subject = f"{info.path} as --gsd resamples it" if is_resampled else str(info.path)
    if (remark := ratio_remark(info.gsd_m, trained_m, subject)) is not None:
        remarks.append(remark)
    return remarks
