"""`rs-adapt export`: a run's result as files for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Run folder, or folder of an adapter pack.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Fold the adapter into the backbone's weights, where the method allows it.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")] = False,
    weights: options.Weights = None,
    device: options.Device = "cpu",
) -> None:
    """Write the adapter pack of a run, or with --merge a plain backbone that gives the same output.

    Merging works for methods that change weights: lora, flora, sam-parser, bitfit, norm, hclip, cobot on lora, stacks
    of these and peft's. What it writes is base weights and a pack of the head for them.

    $ rs-adapt export RUN --out packs/rural2urban

    $ rs-adapt export RUN --merge --out merged

    $ rs-adapt eval --checkpoint merged --weights merged/backbone.safetensors
    """
    from rs_adapt.commands.console import grouped, shown_path
    from rs_adapt.engine.checkpoint import recompose
    from rs_adapt.engine.export import export_merged, export_pack

    folder = checkpoint if checkpoint.is_dir() or not checkpoint.exists() else checkpoint.parent
    if merge:
        cfg = recompose(folder, weights=weights)
        files = export_merged(cfg, folder, out, device=device, overwrite=overwrite)
    else:
        files = export_pack(folder, out, overwrite=overwrite)
    for file in files:
        print(f"{shown_path(file)}: {grouped(file.stat().st_size)} bytes")
