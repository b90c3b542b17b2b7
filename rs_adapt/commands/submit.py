"""`rs-adapt submit`: predictions of LoveDA's test images for its server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options


def submit(
    checkpoint: Annotated[Path, typer.Argument(help="Run folder, or folder of an adapter pack.", metavar="RUN")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with the test images, or Test.zip (default: where data fetch puts it)."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Zip to write.")] = Path("submission.zip"),
    partial: Annotated[
        bool, typer.Option("--partial", help="Write what is there where images are missing (the server wants all).")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the zip if it exists.")] = False,
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    precision: options.Precision = None,
    device: options.Device = "auto",
) -> None:
    """Write the zip of predictions that LoveDA's server scores.

    $ rs-adapt data fetch loveda --archive Test.zip

    $ rs-adapt submit work_dirs/loveda_r2u/da-loveda_server/.../seed0 --out urban.zip
    """
    from rs_adapt.commands.console import error_console, preparing, shown_path
    from rs_adapt.config.paths import downloads_dir
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.submission import write_submission

    cfg = recompose(checkpoint, data_root=str(data_root) if data_root else None, weights=weights, precision=precision)
    with preparing(error_console()) as on_progress:
        written = write_submission(
            cfg,
            checkpoint if checkpoint.is_dir() else checkpoint.parent,
            images=images or downloads_dir("loveda") / "Test.zip",
            out=out,
            partial=partial,
            overwrite=overwrite,
            device=device,
            on_progress=on_progress,
        )
    print(
        f"{shown_path(written.file)}: {written.images} of {written.of} images of the domain {cfg.bench.target.region}"
    )
    print("  " + ", ".join(f"{name} {share:.1f} %" for name, share in written.share_pct.items()))
    if written.images < written.of:
        print("  The server wants all of them.")
