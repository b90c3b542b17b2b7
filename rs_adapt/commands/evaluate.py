"""`rs-adapt eval`: score a run or an adapter pack on a labelled split."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, print_result, result_console
from rs_adapt.errors import ConfigError


class Split(StrEnum):
    """Which labelled tiles are scored."""

    TEST = "test"
    VAL = "val"
    SOURCE_VAL = "source-val"


def evaluate(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help=options.RUN_HELP, show_default=False)] = None,
    bench: options.BenchOfRun = None,
    setting: options.Setting = None,
    direction: options.Direction = None,
    split: Annotated[
        Split, typer.Option("--split", help="Tiles of the target (test, val) or of the source (source-val).")
    ] = Split.TEST,
    overlays: Annotated[
        int,
        typer.Option("--overlays", help="Number of pictures to write that show image, truth and prediction.", min=0),
    ] = 0,
    out: Annotated[Path | None, options.out("RUN/eval/<bench>-<split>")] = None,
    tta: Annotated[options.Views | None, options.tta()] = None,
    precision: options.Precision = None,
    device: options.Device = "auto",
    threads: options.Threads = "auto",
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
    checkpoint: Annotated[Path | None, typer.Option("--checkpoint", hidden=True)] = None,
) -> None:
    """Score a trained model on a labelled split: IoU and accuracy by class, confusion matrix.

    Writes result.json, confusion.csv, confusion.png, the confusion matrix of each image, and overlays; result.json also
    has the calibration error. An evaluation of other precision, views, device, version or tiles is not replaced: this
    one gets a folder beside it, and both are listed.

    $ rs-adapt eval work_dirs/synthetic/da/dinov2_nano-linear/earth_adapter/dacs/seed0

    $ rs-adapt eval RUN --bench loveda-dg --split source-val --overlays 8
    """
    from rs_adapt.api.models import evaluate as evaluate_run

    if (run is None) == (checkpoint is None):
        raise ConfigError("Name one trained model: rs-adapt eval RUN, the folder of a run or of an adapter pack.")
    scored = evaluate_run(
        run or checkpoint or "",
        split=split.value,
        bench=bench,
        setting=setting,
        direction=direction,
        out=out,
        overlays=overlays,
        tta=tta,
        precision=precision,
        device=device,
        data_root=data_root,
        weights=weights,
    )
    if as_json:
        agreement = None if scored.agreement is None else asdict(scored.agreement)
        others = [{"folder": str(folder), **other.content()} for folder, other in scored.others.items()]
        print_json({**scored.result.content(), "folder": str(scored.folder), "agreement": agreement, "others": others})
    else:
        print_result(
            result_console(),
            scored.result,
            title=scored.name,
            folder=scored.folder,
            others=scored.others,
            agreement=scored.agreement,
        )
