"""A map of each scene: the function behind `rs-adapt predict`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

from rs_adapt import __version__
from rs_adapt.config.execution import check_tta
from rs_adapt.errors import ConfigError
from rs_adapt.files import make_output_folder
from rs_adapt.inference.windows import check_tile_px
from rs_adapt.prediction.adapting import adaptation_facts, adaptation_remarks, adapted_to
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.companions import companion_file, write_companion
from rs_adapt.prediction.damage import describe_unreadable, require_sample
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.panels import TileModel, predict_panels
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.stages import StageCounter
from rs_adapt.prediction.strips import (
    NUMERICS,
    StripStore,
    check_files,
    has_begun_files,
    is_store_of,
    lock_map,
    strips_folder,
)
from rs_adapt.prediction.vector_file import vector_file
from rs_adapt.prediction.vectorize import write_map_polygons
from rs_adapt.prediction.view import SceneView, files_read, map_grid, view_scene
from rs_adapt.prediction.writing import CACHE_MIB, MapClasses, layer_file, write_map
from rs_adapt.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from rs_adapt.inference.ensemble import TilePredictor
    from rs_adapt.prediction.scoring import MapScores
    from rs_adapt.scenes import Box, Scene

# A stage, its tiles that are done already and in all, and the megapixels of all.
OnStart = Callable[[str, int, int, float], None]


@dataclass(frozen=True, kw_only=True)
class MapRecord:
    """A map that was made.

    Attributes:
        scene: The scene.
        files: The map of classes and the other layers.
        width_px: Columns.
        height_px: Rows.
        num_tiles: Tiles of the map.
        seconds: From opening the scene to the finished files.
        model_s: Seconds of it in which the model computed.
        remarks: Sentences that one has to know before using the map.
        unreadable: Blocks of the scene (x0, y0, x1, y1) that cannot be read and have no data on the map.
        scores: Scores against labels; None where none were given.
    """

    scene: Path
    files: tuple[Path, ...]
    width_px: int
    height_px: int
    num_tiles: int
    seconds: float
    model_s: float
    remarks: tuple[str, ...]
    unreadable: tuple[Box, ...] = ()
    scores: MapScores | None = None


def predict_scene(
    predictor: TilePredictor,
    scene_file: Path,
    out: Path,
    *,
    appearance: Appearance,
    classes: MapClasses,
    settings: MapSettings,
    model_sha256: str,
    origin: str = "",
    on_progress: OnProgress = no_progress,
    on_start: OnStart = lambda stage, done, total, mpx: None,
) -> MapRecord:
    """Predict a scene of any size and write its map, with memory that does not grow with the scene.

    Finished strips are stored beside the map until it is complete: after an interruption the same call continues there.
    That a map is complete stays recorded beside it until `remove_store`, so that of many scenes only the rest is done.

    Args:
        predictor: The model.
        scene_file: The scene.
        out: The map's file; further layers get names of their own beside it. Its folder is made.
        appearance: How the scene becomes RGB.
        classes: Names and colours of the classes.
        settings: Tiles, blending and layers.
        model_sha256: Of the model's tensors; strips of a different model are not used.
        origin: Address of the model on the Hub, for the tags of the map; empty for none.
        on_progress: Called with a stage, and with the tiles done and in all.
        on_start: Called before with the stage, the tiles done by an interrupted call and in all, and the megapixels.

    Returns:
        The record of the map.

    Raises:
        OutputExists: A file of the map exists, and `settings.overwrite` is False.
        DataError: The scene cannot be read.
    """
    started_s = time.perf_counter()
    check_settings(predictor, settings)
    files = files_of(out, settings)
    make_output_folder(out.parent)
    with lock_map(out):
        with rasterio.Env(GDAL_CACHEMAX=CACHE_MIB << 20), appearance.open(scene_file) as scene:
            if settings.skip_errors and appearance.by_scene and scene.info.dtype != "uint8":
                require_sample(scene)
            view, grid = lay_out(scene, appearance, settings, predictor.num_classes)
            job = job_of(scene_file, appearance, settings, grid, model_sha256, numerics=predictor.numerics)
            folder = strips_folder(out)
            is_continued = is_store_of(folder, job) and has_begun_files(folder)
            check_files(files, overwrite=settings.overwrite or is_continued)
            store = StripStore(folder, job, takes_gaps=settings.skip_errors)
            is_done = store.is_finished and all(file.exists() for file in files)
            model_s = 0.0
            if not is_done:
                stage, num_tiles = f"predicting {scene_file.name}", grid.num_tiles()
                on_start(stage, store.num_tiles(grid), num_tiles, grid.width_px * grid.height_px / 1e6)
                report = StageCounter(stage, num_tiles, on_progress)
                model = TileModel(
                    predict=partial(predictor.predict_tiles, tta=settings.tta),
                    num_classes=predictor.num_classes,
                    batch_size=settings.batch_size,
                )
                on_unreadable = store.add_unreadable if settings.skip_errors else None
                with adapted_to(
                    predictor,
                    view.pixels,
                    grid,
                    settings.adaptation,
                    folder=folder,
                    stage=f"adapting to {scene_file.name}",
                    on_unreadable=on_unreadable,
                    on_progress=on_progress,
                ):
                    model_s = predict_panels(
                        view.pixels,
                        grid,
                        model,
                        store,
                        layers=settings.stored_layers,
                        blending=settings.blending,
                        on_tiles=report.add,
                        on_unreadable=on_unreadable,
                    )
        if not is_done:
            store.begin_files()
            facts = {"rs_adapt": __version__, "model_sha256": model_sha256} | ({"model": origin} if origin else {})
            facts |= adaptation_facts(folder, settings.adaptation)
            for layer in settings.layers:
                file = layer_file(out, layer)
                writing = StageCounter(f"writing {file.name}", grid.height_px, on_progress)
                write_map(
                    file, store, grid, layer=layer, place=view.place, classes=classes, facts=facts, on_rows=writing.add
                )
            for companion in settings.companions:
                write_companion(out, companion, classes)
            if settings.polygons is not None:
                tracing = StageCounter("tracing polygons", 2 * grid.height_px, on_progress)
                write_map_polygons(
                    files[-1], store, grid, settings.polygons, place=view.place, classes=classes, on_rows=tracing.add
                )
            store.finish()
    return record_of(
        scene_file,
        files,
        view,
        grid,
        seconds=time.perf_counter() - started_s,
        model_s=model_s,
        unreadable=tuple(store.unreadable()),
        further=adaptation_remarks(folder, classes.names),
    )


def lay_out(scene: Scene, appearance: Appearance, settings: MapSettings, num_classes: int) -> tuple[SceneView, MapGrid]:
    """Return an open scene as it is mapped, and the tiles of its map."""
    view = view_scene(scene, appearance, area=settings.area, gsd=settings.gsd)
    tile_px, overlap_px = settings.tile_px, settings.overlap_px
    grid = map_grid(view, num_classes, tile_px=tile_px, overlap_px=overlap_px, sums_bytes=settings.sums_bytes)
    return view, grid


def record_of(
    scene: Path,
    files: tuple[Path, ...],
    view: SceneView,
    grid: MapGrid,
    *,
    seconds: float,
    model_s: float,
    unreadable: tuple[Box, ...],
    further: tuple[str, ...] = (),
) -> MapRecord:
    """Return the record of a map, see `MapRecord`; `further` are remarks beside those of the scene."""
    remarks = (*view.remarks, *further)
    if unreadable:
        remarks = (*remarks, f"{scene}: {describe_unreadable(unreadable)}")
    return MapRecord(
        scene=scene,
        files=files,
        width_px=grid.width_px,
        height_px=grid.height_px,
        num_tiles=grid.num_tiles(),
        seconds=seconds,
        model_s=model_s,
        remarks=remarks,
        unreadable=unreadable,
    )


def files_of(out: Path, settings: MapSettings) -> tuple[Path, ...]:
    """Return the files of a map: its layers, then its companions, then its polygons."""
    layers = (layer_file(out, layer) for layer in settings.layers)
    polygons = () if settings.polygons is None else (vector_file(out, settings.polygons.vector),)
    return (*layers, *(companion_file(out, companion) for companion in settings.companions), *polygons)


def check_settings(predictor: TilePredictor, settings: MapSettings) -> None:
    """Refuse tiles that the backbone cannot see.

    Raises:
        ConfigError: The tile is no multiple of the patch, the batch is empty, or the views have no such name.
    """
    check_tile_px(settings.tile_px, predictor.patch_px)
    if settings.batch_size < 1:
        raise ConfigError(f"--batch-size is {settings.batch_size}. Allowed: 1 or more.")
    check_tta(settings.tta)


def job_of(
    scene: Path,
    appearance: Appearance,
    settings: MapSettings,
    grid: MapGrid,
    model_sha256: str,
    *,
    numerics: tuple[str, ...] = (),
) -> dict[str, object]:
    """Return everything that the strips of a map depend on; `numerics` are those of the model on its device."""
    return {
        "scene": files_read(scene, settings.area),
        "area": repr(settings.area),
        "gsd": settings.gsd,
        "model": model_sha256,
        NUMERICS: list(numerics),
        "version": __version__,
        "appearance": repr(appearance),
        "grid": repr(grid),
        "batch_size": settings.batch_size,
        "blending": settings.blending,
        "tta": settings.tta,
        "layers": list(settings.stored_layers),
        "polygons": repr(settings.polygons),
        # Strips of before have no such entry.
        **({} if settings.adaptation is None else {"adaptation": repr(settings.adaptation)}),
    }
