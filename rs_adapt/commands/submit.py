"""`rs-adapt submit`: write predictions of LoveDA's test images for its server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.api.progress import print_loading, progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, say, shorten_path


def submit(
    run: options.Run,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder with the test images, or Test.zip (default: where data fetch puts it)."),
    ] = None,
    out: Annotated[Path, options.out()] = Path("submission.zip"),
    partial: options.Partial = False,
    overwrite: options.Overwrite = False,
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    precision: options.Precision = None,
    device: options.Device = "auto",
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the zip of predictions that LoveDA's server scores.

    $ rs-adapt data fetch loveda --archive Test.zip

    $ rs-adapt submit work_dirs/loveda_r2u/da-loveda_server/.../seed0 --out urban.zip
    """
    from rs_adapt.api.checkpoints import find_checkpoint
    from rs_adapt.api.presence import require_checkpoint
    from rs_adapt.config.paths import downloads_dir

    run = find_checkpoint(run)
    require_checkpoint(run, weights=weights)
    print_loading(True)
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.submission import write_submission
    from rs_adapt.runs.packs import pack_folder

    cfg = recompose(run, data_root=str(data_root) if data_root else None, weights=weights, precision=precision)
    with progress_callback(True) as on_progress:
        submission = write_submission(
            cfg,
            pack_folder(run),
            images=images or downloads_dir("loveda") / "Test.zip",
            out=out,
            partial=partial,
            overwrite=overwrite,
            device=device,
            on_progress=on_progress,
        )
    if as_json:
        print_json(
            {
                "file": str(submission.file),
                "images": submission.images,
                "of": submission.of,
                "share_pct": submission.share_pct,
            }
        )
        return
    counts = f"{submission.images} of {submission.of} images"
    say(f"{shorten_path(submission.file)}: {counts} of the domain {cfg.bench.target.region}")
    say("  " + ", ".join(f"{name} {share:.1f} %" for name, share in submission.share_pct.items()))
    if submission.images < submission.of:
        say("  The server scores complete submissions only.")
