"""`rs-adapt predict`: write maps of whole scenes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from rs_adapt.commands import options, scene_options
from rs_adapt.commands.map_printing import print_maps
from rs_adapt.commands.parameters import parse_parameters
from rs_adapt.commands.stopping import continued_by_repeating

if TYPE_CHECKING:
    from rs_adapt.launchers.kinds import LauncherKind

_LAYERS = "Files"
_SCENE = scene_options.PANEL
_TILES = "Tiles"
_BOUNDS = "numbers. Allowed: four, such as 500000,4999000,501000,5000000"


@continued_by_repeating("the finished strips are saved")
def predict(
    scenes: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Scenes: files, folders, quoted patterns, a .txt with one path a line, or STAC items (.json).",
        ),
    ],
    checkpoint: Annotated[
        list[Path],
        typer.Option(
            "--checkpoint", help="Run folder, pack, hf:OWNER/NAME, or ONNX model of export; repeat it to average."
        ),
    ],
    out: Annotated[Path, options.out()],
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Also write the largest probability.", rich_help_panel=_LAYERS)
    ] = False,
    entropy: Annotated[
        bool, typer.Option("--entropy", help="Also write the entropy, 0 to 1.", rich_help_panel=_LAYERS)
    ] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write a band for each class.", rich_help_panel=_LAYERS)
    ] = False,
    as_float: Annotated[
        bool,
        typer.Option("--float", help="Write these as 32-bit floats (default: 8 bit).", rich_help_panel=_LAYERS),
    ] = False,
    style: Annotated[
        bool, typer.Option("--style", help="Also write a style that QGIS applies (.qml).", rich_help_panel=_LAYERS)
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write a picture with a legend (.png).", rich_help_panel=_LAYERS)
    ] = False,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            help='Map these words, separated by commas ("in quotes" with commas), with a run whose classes are texts.',
            rich_help_panel=_LAYERS,
        ),
    ] = None,
    vector: Annotated[
        str | None,
        typer.Option(
            "--vector",
            metavar="FORMAT|FILE",
            help="Also write polygons: gpkg or geojson for a file beside the map, or a file.",
            rich_help_panel=_LAYERS,
        ),
    ] = None,
    min_area: Annotated[
        float,
        typer.Option(
            "--min-area", help="Merge polygons smaller than this (m2) into neighbours.", rich_help_panel=_LAYERS
        ),
    ] = 0.0,
    simplify: Annotated[
        float,
        typer.Option("--simplify", help="Move borders of polygons by up to this (m).", rich_help_panel=_LAYERS),
    ] = 0.0,
    bands: scene_options.Bands = None,
    stretch: scene_options.Stretch = None,
    region: scene_options.Region = None,
    asset: scene_options.Asset = None,
    parts: scene_options.Parts = None,
    bounds: Annotated[
        str | None,
        typer.Option(
            "--bounds",
            help="Map a rectangle only: smallest x, smallest y, largest x, largest y, in the scene's coordinates.",
            rich_help_panel=_SCENE,
        ),
    ] = None,
    bounds_crs: Annotated[
        str | None, typer.Option("--bounds-crs", help="System of --bounds, such as EPSG:4326.", rich_help_panel=_SCENE)
    ] = None,
    aoi: Annotated[
        Path | None,
        typer.Option("--aoi", help="Map inside of polygons only (.gpkg, .geojson, ...).", rich_help_panel=_SCENE),
    ] = None,
    aoi_layer: Annotated[
        str | None,
        typer.Option("--aoi-layer", help="Layer of --aoi, if several hold polygons.", rich_help_panel=_SCENE),
    ] = None,
    gsd: Annotated[
        str | None,
        typer.Option(
            "--gsd",
            help="Resample scenes to pixels of so many metres; trained: to the ground size of the training, the "
            "default of models with strategy.match_gsd.",
            rich_help_panel=_SCENE,
        ),
    ] = None,
    tile_px: Annotated[
        int | None,
        typer.Option(
            "--tile-px", help="Side of a tile in pixels (default: as evaluated).", min=1, rich_help_panel=_TILES
        ),
    ] = None,
    overlap_px: Annotated[
        int | None,
        typer.Option(
            "--overlap-px",
            help="Pixels shared by tiles (default: a quarter of one). With 0 they start at the scene's corner.",
            min=0,
            rich_help_panel=_TILES,
        ),
    ] = None,
    blending: Annotated[
        Literal["hann", "cosine", "flat"],
        typer.Option("--blending", help="Weights of overlapping tiles.", rich_help_panel=_TILES),
    ] = "hann",
    tta: Annotated[options.Views | None, options.tta(panel=_TILES)] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt", help="Adapt the model to each scene first, with a drift guard.", rich_help_panel=_TILES
        ),
    ] = False,
    adapt_steps: Annotated[
        int | None,
        typer.Option("--adapt-steps", help="Steps of --adapt (default: 20).", min=1, rich_help_panel=_TILES),
    ] = None,
    adapt_lr: Annotated[
        float | None,
        typer.Option(
            "--adapt-lr", help="Learning rate of --adapt (default: half of the training's).", rich_help_panel=_TILES
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", help="Batch size: tiles at once (default: 8).", min=1, rich_help_panel=_TILES),
    ] = None,
    evaluate: Annotated[
        Path | None,
        typer.Option("--evaluate", help="Labels to score against: a file, or a folder with labels named like scenes."),
    ] = None,
    precision: options.Precision = None,
    weights: options.Weights = None,
    device: options.Device = "auto",
    threads: options.Threads = "auto",
    jobs: Annotated[int | None, options.jobs("1; of Slurm 500")] = None,
    launcher: Annotated[str | None, options.launcher("local")] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option("--slurm", metavar="NAME=VALUE", help="Parameter of submitit, such as timeout_min=60; repeat it."),
    ] = None,
    plugins: options.Plugins = None,
    skip_errors: Annotated[
        bool,
        typer.Option(
            "--skip-errors",
            help="Leave out blocks and scenes that cannot be read (default: stop).",
            rich_help_panel=_SCENE,
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Predict whole scenes and write georeferenced maps (cloud-optimized GeoTIFF).

    The output is the map (.tif) of one scene, or a folder in which maps are named like their scenes.

    Scenes of any size are read, predicted and written strip by strip. After an interruption the same command continues.

    $ rs-adapt predict scene.tif --checkpoint RUN --out map.tif

    $ rs-adapt predict scenes/ --checkpoint RUN --out maps --confidence
    """
    from rs_adapt.api.prediction import DEFAULT_BATCH_SIZE
    from rs_adapt.api.prediction import predict as predict_maps
    from rs_adapt.prediction.companions import Companion
    from rs_adapt.prediction.layers import Layer

    shares: list[tuple[bool, Layer, Layer]] = [
        (confidence, "confidence", "confidence_float"),
        (entropy, "entropy", "entropy_float"),
        (probabilities, "probabilities", "probabilities_float"),
    ]
    if as_float and not any(is_wanted for is_wanted, _, _ in shares):
        raise typer.BadParameter("Add --confidence, --entropy or --probabilities.", param_hint="--float")
    beside: dict[Companion, bool] = {"style": style, "preview": preview}
    records = predict_maps(
        checkpoint,
        scenes,
        out,
        layers=("classes", *(exact if as_float else steps for is_wanted, steps, exact in shares if is_wanted)),
        companions=[companion for companion, is_wanted in beside.items() if is_wanted],
        vector=vector,
        min_area=min_area,
        simplify=simplify,
        bands=scene_options.parse_bands(bands),
        stretch=scene_options.parse_stretch(stretch),
        region=region,
        asset=asset,
        parts=parts or (),
        bounds=None if bounds is None else scene_options.parse_numbers(bounds, float, "--bounds", _BOUNDS),
        bounds_crs=bounds_crs,
        aoi=aoi,
        aoi_layer=aoi_layer,
        gsd=_parse_gsd(gsd),
        tile_px=tile_px,
        overlap_px=overlap_px,
        blending=blending,
        tta=tta,
        adapt=adapt,
        adapt_steps=adapt_steps,
        adapt_lr=adapt_lr,
        batch_size=batch_size or DEFAULT_BATCH_SIZE,
        precision=precision,
        weights=weights,
        device=device,
        jobs=jobs,
        # Other names are refused there.
        launcher=cast("LauncherKind", launcher or "local"),
        slurm=parse_parameters(slurm or ()),
        evaluate=evaluate,
        classes=None if classes is None else _split_names(classes),
        overwrite=overwrite,
        skip_errors=skip_errors,
        plugins=plugins or (),
    )
    print_maps(records, as_json=as_json)


def _split_names(text: str) -> list[str]:
    """Return names that commas separate; one in double quotes may hold commas itself."""
    try:
        (names,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise typer.BadParameter(
            f"{text!r} cannot be read. Separate the names by commas, in one line, and close each quotation mark.",
            param_hint="--classes",
        ) from None
    return [name.strip() for name in names]


def _parse_gsd(text: str | None) -> float | Literal["trained"] | None:
    if text is None or text == "trained":
        return None if text is None else "trained"
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no size. Allowed: metres, such as 0.5, or trained.", param_hint="--gsd"
        ) from None
