"""Maps of whole scenes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rs_adapt.api.adapting import adaptation_settings, check_adaptation
from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.presence import require_map_checkpoints
from rs_adapt.api.progress import Progress, print_loading, print_notes, progress_callback
from rs_adapt.api.reading import RunLike
from rs_adapt.errors import ConfigError
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.hub_packs import hub_origin
from rs_adapt.runs.run import Run
from rs_adapt.threads import wait_passively

if TYPE_CHECKING:
    from rs_adapt.config.execution import Tta
    from rs_adapt.launchers.kinds import LauncherKind
    from rs_adapt.prediction.companions import Companion
    from rs_adapt.prediction.layers import Layer
    from rs_adapt.prediction.predict import MapRecord
    from rs_adapt.tiles.blend import Blending

PathLike = str | os.PathLike[str]
DEFAULT_BATCH_SIZE = 8


def predict(
    run: RunLike | Sequence[RunLike],
    scenes: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    layers: Sequence[Layer] = ("classes",),
    companions: Sequence[Companion] = (),
    vector: PathLike | None = None,
    min_area: float = 0.0,
    simplify: float = 0.0,
    bands: Sequence[int] | None = None,
    stretch: Sequence[float] | Literal["scene"] | None = None,
    region: str | None = None,
    asset: str | None = None,
    parts: Sequence[PathLike] = (),
    bounds: Sequence[float] | None = None,
    bounds_crs: str | None = None,
    aoi: PathLike | None = None,
    aoi_layer: str | int | None = None,
    gsd: float | Literal["trained"] | None = None,
    tile_px: int | None = None,
    overlap_px: int | None = None,
    blending: Blending = "hann",
    tta: Tta | None = None,
    adapt: bool = False,
    adapt_steps: int | None = None,
    adapt_lr: float | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    precision: str | None = None,
    weights: PathLike | None = None,
    device: str = "auto",
    jobs: int | None = None,
    launcher: LauncherKind = "local",
    slurm: Mapping[str, object] | None = None,
    evaluate: PathLike | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
    skip_errors: bool = False,
    plugins: Sequence[PathLike] = (),
    progress: Progress = True,
) -> list[MapRecord]:
    """Predict whole scenes and write a map of each as a cloud-optimized GeoTIFF.

    A scene is read, predicted and written strip by strip, so memory does not grow with it. A call that was interrupted
    continues where it stopped when it is repeated.

    Args:
        run: A run from `train`, a run folder, a folder with an adapter pack, `hf:OWNER/NAME[@REVISION]`, or an ONNX
            model (.onnx) of `rs-adapt export`, which onnxruntime runs; or several of one base, whose probabilities are
            averaged.
        scenes: Files, folders, patterns, .txt lists or STAC items (.json); rasters that GDAL reads.
        out: The map's file (.tif) for one scene; else a folder, in which each map is named like its scene.
        layers: What is written: `classes` (indices; 255 without data), `confidence` (the largest probability),
            `entropy` (as a share of the largest possible one) and `probabilities` (one band a class). The latter three
            are stored in steps of 1/200, and their files state the scale; `confidence_float`, `entropy_float` and
            `probabilities_float` are 32-bit floats.
        companions: Files beside the map of classes: `style` (.qml, which QGIS applies to the map) and `preview` (a .png
            with a legend and the shares of the area).
        vector: Also write polygons with class, area and mean confidence: `gpkg` or `geojson` for a file beside the map,
            or a file of such an ending for one scene.
        min_area: Square metres; smaller polygons become part of their neighbours.
        simplify: Metres by which the borders of polygons may move when they get fewer corners.
        bands: Numbers from 1 of the bands that are red, green and blue; as the model was trained, else the file's own.
        stretch: Two values that become black and white, or `scene` for the percentiles 2 and 98 of each scene; as the
            model was trained.
        region: Region of the user's own bench whose bands, stretch and nodata value apply; the target.
        asset: Key of the asset of STAC items; the one with the role `data` or `visual`.
        parts: Folders in which parts of VRTs and files of STAC items may lie, besides the folder of each.
        bounds: Smallest x, smallest y, largest x, largest y of the part that is mapped, in the scene's coordinates.
        bounds_crs: Reference system of `bounds`, such as "EPSG:4326".
        aoi: File of polygons, outside of which the map has no data; only the window around them is mapped.
        aoi_layer: Layer of `aoi`, where several hold polygons.
        gsd: Ground size of the map's pixels in metres, or "trained" for that of the training: the scene is resampled.
            None for the size of the training where it brought both regions to one (`strategy.match_gsd`), else the
            scene's.
        tile_px: Side of a tile, a multiple of the backbone's patch; as the model is evaluated.
        overlap_px: Pixels that neighbouring tiles share, up to half a tile; a quarter of a tile. With 0 tiles start
            at the scene's corner, as those of `eval`, else at multiples of their step from its coordinates' origin.
        blending: Weights of tiles that overlap: `hann`, `cosine` or `flat`.
        tta: Views of each tile whose probabilities are averaged: `flips` (4 views), `d4` (8, with quarter turns) or
            `scales` (3/4, 1 and 5/4 of the side). It takes about as many times as long.
        adapt: Adapt the weights to each scene before it is mapped, with a few steps on its tiles. They are held near
            the given ones, which are used where the adapted ones drift; a remark says which. For one run or pack.
        adapt_steps: Steps of 4 tiles; 20.
        adapt_lr: Learning rate of these steps; half of the training's.
        batch_size: Tiles that the model sees at once.
        precision: `fp32` or `bf16`; the run's. ONNX models are in `fp32`.
        weights: File of base weights; the run's, else the backbone's own file. ONNX models hold theirs.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        jobs: Scenes that are predicted at once, each in a process with a model of its own; several GPUs are dealt out.
            By default 1; for the launcher `slurm` jobs in the queue at once, by default 500.
        launcher: `local` for processes of this machine, `inline` for this process, `slurm` for a job of Slurm a scene.
        slurm: Parameters of submitit for these jobs, such as `{"timeout_min": 60, "gpus_per_node": 1}`;
            `{"cluster": "local"}` runs them as processes of this machine.
        evaluate: Labels to score the maps against, read as the run's bench reads labels: a file, or for several scenes
            a folder in which each label is named like its scene.
        classes: Words in place of the classes of the training, such as `["solar panel", "road"]`, for runs whose
            classes are texts (heads `cost` and `text`). The text tower's weights are needed.
        overwrite: Replace maps that exist.
        skip_errors: Name blocks of a scene that cannot be read, and leave them without data; scenes that cannot be read
            at all are left out. By default the call stops.
        plugins: Files and folders with methods of your own, see `compose`.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        A record of each map: `scene`, `files`, `width_px`, `height_px`, `num_tiles`, `seconds`, `model_s`, `remarks`,
        `unreadable`, and `scores` if labels were given. Scenes outside of the area have none; those of scenes that were
        left out have no `files`.

    Raises:
        CheckpointMismatch: There is no adapter pack, or it is damaged or does not fit; or an ONNX model is.
        ConfigError: A value cannot be used, or onnxruntime is missing.
        DataError: A scene cannot be read as the model was trained.
        DataNotFound: There is no such scene.
        OutputExists: A map exists, and `overwrite` is False; or a different process makes it.
        RunFailed: A process was killed, or jobs have made no map.

    Examples:
        >>> import numpy as np
        >>> import rs_adapt as rsa
        >>> from PIL import Image
        >>> Image.fromarray(np.zeros((150, 200, 3), dtype=np.uint8)).save("scene.png")
        >>> (record,) = rsa.predict("work_dirs/first", "scene.png", "map.tif", device="cpu", progress=False)
        >>> record.files[0].name, record.width_px, record.height_px
        ('map.tif', 200, 150)
    """
    from rs_adapt.api.map_launching import check_launcher, log_folder, open_queue
    from rs_adapt.prediction.inputs import find_scenes, output_files

    check_launcher(launcher, jobs=jobs, slurm=slurm)
    if classes is not None and not classes:
        raise ConfigError("--classes names no class. Give one word or more, separated by commas.")
    if classes is not None and evaluate is not None:
        raise ConfigError("--evaluate scores the classes of the training, and --classes replaces them. Leave one out.")
    runs = [run] if isinstance(run, Run | str | os.PathLike) else list(run)
    folders = [find_checkpoint(one, progress=progress) for one in runs]
    check_adaptation(adapt, folders, steps=adapt_steps, lr=adapt_lr)
    require_map_checkpoints(folders, weights=weights, precision=precision, device=device)
    named = [scenes] if isinstance(scenes, str | os.PathLike) else list(scenes)
    part_folders = [Path(part).expanduser() for part in parts]
    scene_files = find_scenes([os.fspath(scene) for scene in named], asset=asset, parts=part_folders)
    maps = output_files(scene_files, Path(out).expanduser())
    from rs_adapt.prediction.vectorize import check_polygons, polygon_settings

    polygons = polygon_settings(
        None if vector is None else os.fspath(vector), min_area_m2=min_area, simplify_m=simplify, num_scenes=len(maps)
    )
    log_dir = log_folder(Path(out).expanduser())
    queue = open_queue(log_dir, jobs=jobs, parameters=slurm or {}) if launcher == "slurm" else None
    wait_passively()
    print_loading(progress)
    from rs_adapt.api.pace import Pace
    from rs_adapt.inference.words import colours_of
    from rs_adapt.prediction.appearance import choose_appearance
    from rs_adapt.prediction.checkpoints import choose_tile_px, read_checkpoint, scoring_config
    from rs_adapt.prediction.extent import Area, parse_bounds
    from rs_adapt.prediction.many import MapWork, predict_scenes
    from rs_adapt.prediction.members import check_members, describe_calibration
    from rs_adapt.prediction.outputs import check_outputs
    from rs_adapt.prediction.predict import files_of
    from rs_adapt.prediction.queued import predict_in_queue
    from rs_adapt.prediction.scoring import MapScorer, label_files
    from rs_adapt.prediction.settings import MapSettings
    from rs_adapt.prediction.skipping import skip_scene
    from rs_adapt.prediction.strips import check_maps, remove_store
    from rs_adapt.prediction.view import scenes_within
    from rs_adapt.prediction.writing import MapClasses

    use_plugins(map(Path, plugins))
    checkpoints = [read_checkpoint(folder) for folder in folders]
    manifests = [checkpoint.manifest for checkpoint in checkpoints]
    appearances = [
        choose_appearance(manifest, pack=folder, region=region, bands=bands, stretch=stretch)
        for folder, manifest in zip(folders, manifests, strict=True)
    ]
    check_members(folders, manifests, appearances)
    manifest, appearance = manifests[0], appearances[0]
    base = None if weights is None else os.fspath(weights)
    words = tuple(classes or ())
    names = words or tuple(manifest.classes)
    members = [checkpoint.member(weights=base, precision=precision, words=words) for checkpoint in checkpoints]
    unknown = checkpoints[0].word_remarks(members[0])
    side_px = tile_px if tile_px is not None else choose_tile_px(members)
    for checkpoint in checkpoints:
        checkpoint.check_tiles(side_px, tta)
    settings = MapSettings(
        tile_px=side_px,
        overlap_px=overlap_px if overlap_px is not None else side_px // 4,
        batch_size=batch_size,
        blending=blending,
        tta=tta,
        layers=tuple(layers),
        companions=tuple(companions),
        polygons=polygons,
        overwrite=overwrite,
        skip_errors=skip_errors,
        area=Area(
            bounds=parse_bounds(bounds),
            bounds_crs=bounds_crs,
            aoi=None if aoi is None else Path(aoi).expanduser(),
            aoi_layer=aoi_layer,
        ),
        gsd=gsd,
        adaptation=adaptation_settings(adapt, members, steps=adapt_steps, lr=adapt_lr),
    )
    check_maps({file: files_of(file, settings) for file in maps.values()}, overwrite=overwrite, waits=queue is not None)
    # A scene that cannot be read is reported before the model is built.
    skipped: dict[Path, MapRecord] = {}
    leave_out = partial(skip_scene, skipped=skipped, skip_errors=skip_errors)
    within, remarks = scenes_within(maps, appearance, area=settings.area, gsd=gsd, leave_out=leave_out)
    maps = {scene: maps[scene] for scene in within}
    scorer = None if evaluate is None else MapScorer(scoring_config(checkpoints[0], members[0]), region=region)
    scored = [scene for scene in scene_files if scene.path in maps]
    labels = {} if evaluate is None else label_files(scored, Path(evaluate).expanduser())
    others = [*labels.values(), *([] if settings.area.aoi is None else [settings.area.aoi])]
    check_outputs({scene: files_of(file, settings) for scene, file in maps.items()}, read=others)
    for scene, part in within.items():
        with leave_out(scene):
            if scorer is not None:
                scorer.check(part.info, labels[scene])
            if polygons is not None:
                check_polygons(part.info, part.place)
    print_notes(progress, remarks)
    if all(scene in skipped for scene in within):
        return list(skipped.values())
    work = MapWork(
        members=tuple(members),
        plugins=tuple(map(Path, plugins)),
        device=device,
        appearance=appearance,
        classes=MapClasses(names=names, palette=colours_of(names, manifest)),
        settings=settings,
        origin=", ".join(filter(None, (hub_origin(member.checkpoint) for member in members))),
        # Strips of other words are other strips.
        model_sha256="\n".join([",".join(checkpoint.sha256 for checkpoint in checkpoints), *words]),
    )
    pace = Pace()
    with progress_callback(progress, note=pace.note) as on_progress:
        readable = {scene: file for scene, file in maps.items() if scene not in skipped}
        if queue is not None:
            predicted = predict_in_queue(work, readable, queue, log_dir=log_dir, on_progress=on_progress)
        else:
            predicted = predict_scenes(work, readable, jobs=jobs or 1, on_progress=on_progress, on_start=pace.start)
    skipped |= {record.scene: record for record in predicted if not record.files}
    records = [record for record in predicted if record.files]
    changes = [remark for checkpoint in checkpoints for remark in checkpoint.remarks]
    if sentences := (*describe_calibration(manifests, layers), *changes, *unknown):
        records = [replace(record, remarks=(*record.remarks, *sentences)) for record in records]
    if scorer is not None:
        records = [replace(record, scores=scorer.score(maps[record.scene], labels[record.scene])) for record in records]
    for record in records:
        remove_store(maps[record.scene])
    return [*records, *skipped.values()]
