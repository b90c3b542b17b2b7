"""`rs-adapt inspect`: show what a trained adapter does to the features of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console, shorten_path
from rs_adapt.errors import DataNotFound
from rs_adapt.runs.files import INSPECT_DIR


def inspect(
    run: options.Run,
    image: Annotated[Path, typer.Option("--image", help="Image to look at: an 8-bit RGB PNG, JPEG or TIFF.")],
    out: Annotated[Path | None, options.out("RUN/inspect/<name of the image>")] = None,
    size_px: Annotated[
        int | None,
        typer.Option("--size-px", help="Longest side of the centre crop to use (default: the bench's crop)."),
    ] = None,
    overwrite: options.Overwrite = False,
    precision: options.Precision = None,
    device: options.Device = "auto",
    weights: options.Weights = None,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what an adapter does to one image: prediction, features by block, the adapter's maps.

    Writes a page (index.html, for any browser), its pictures, and the numbers as inspect.json. No labels are read.

    $ rs-adapt inspect work_dirs/synthetic/da/dinov2_nano-linear/earth_adapter/dacs/seed0 --image tile.png

    $ rs-adapt inspect RUN --image scene.jpg --size-px 1024 --out inside
    """
    from rs_adapt.api.checkpoints import find_checkpoint
    from rs_adapt.api.presence import require_checkpoint
    from rs_adapt.api.progress import print_loading

    run = find_checkpoint(run)
    require_checkpoint(run, weights=weights)
    if not image.exists():
        raise DataNotFound(f"There is no image {image}. Check --image.")
    print_loading(True)
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.inspection.write import PAGE_FILE, inspect_checkpoint
    from rs_adapt.links import place_inside
    from rs_adapt.path_names import path_name
    from rs_adapt.runs.hub_packs import results_folder
    from rs_adapt.runs.locking import share_run
    from rs_adapt.runs.packs import pack_folder

    cfg = recompose(run, weights=weights, precision=precision)
    folder = pack_folder(run)
    # A file may be called `..png`.
    name = path_name(image.stem, what="The name of the image (use --out)")
    # As evaluations: bf16 is another model's view, and would replace that of fp32.
    suffix = "" if cfg.runtime.precision == "fp32" else f"-{cfg.runtime.precision}"
    target = out or place_inside(results_folder(folder), INSPECT_DIR, f"{name}{suffix}")
    with share_run(folder):
        record = inspect_checkpoint(
            cfg, folder, image, out_dir=target, size_px=size_px, overwrite=overwrite, device=device
        )
    if as_json:
        print_json({**record.content(), "page": str(target / PAGE_FILE)})
        return
    console = result_console()
    if record.adapter is None:
        console.print(f"Method {cfg.cell.method} has no adapter: prediction and features only.")
    else:
        last = record.blocks[-1]
        console.print(f"{record.adapter}: update norm {last.update_norm:.3f} after block {last.block}.")
    console.print(f"Page: {shorten_path(target / PAGE_FILE)}", soft_wrap=True)
