"""`rs-adapt eval`: score a run or an adapter pack on a labelled split."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.errors import ConfigError
from rs_adapt.runs.files import EVAL_DIR


class Split(StrEnum):
    """Which labelled tiles are scored."""

    TEST = "test"
    VAL = "val"
    SOURCE_VAL = "source-val"


def evaluate(
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="Run folder, or folder of an adapter pack.")],
    bench: Annotated[
        str | None, typer.Option("--bench", help="Bench to score on (default: the one it was trained on).")
    ] = None,
    setting: options.Setting = None,
    direction: options.Direction = None,
    split: Annotated[
        Split, typer.Option("--split", help="Tiles of the target (test, val) or of the source (source-val).")
    ] = Split.TEST,
    overlays: Annotated[
        int, typer.Option("--overlays", help="Pictures of image, truth and prediction to write.", min=0)
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to (default: CHECKPOINT/eval/<bench>-<split>).")
    ] = None,
    precision: options.Precision = None,
    device: options.Device = "auto",
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
) -> None:
    """Score a trained model on a labelled split: IoU and accuracy by class, confusion matrix.

    $ rs-adapt eval --checkpoint work_dirs/synthetic/da/dinov2_nano-linear/earth_adapter/dacs/seed0

    $ rs-adapt eval --bench loveda-dg --checkpoint RUN --split source-val --overlays 8
    """
    from rs_adapt.commands.console import error_console, preparing, print_result, result_console
    from rs_adapt.config import resolve_cell
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.evaluation import score_checkpoint

    if direction and not bench:
        raise ConfigError(f"--direction {direction} needs --bench too, such as --bench loveda-da --direction u2r.")
    cfg = recompose(
        checkpoint,
        bench=resolve_cell(bench, setting=setting, direction=direction).bench if bench else None,
        data_root=str(data_root) if data_root else None,
        weights=weights,
        precision=precision,
    )
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    target = out or folder / EVAL_DIR / f"{cfg.bench.name}-{split.value}"
    with preparing(error_console()) as on_progress:
        result = score_checkpoint(
            cfg, folder, split=split.value, out_dir=target, overlays=overlays, device=device, on_progress=on_progress
        )
    title = f"{cfg.bench.name.replace('_', '-')} ({split.value}) / {cfg.cell.method} / {cfg.cell.backbone}"
    print_result(result_console(), result, title=title, folder=target)
