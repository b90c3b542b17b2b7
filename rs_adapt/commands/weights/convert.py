"""`rs-adapt weights convert`: convert any layout of base weights to one safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, say, shorten_path


def convert_weights(
    file: Annotated[Path, typer.Argument(help="File or folder, of any layout that --weights accepts.", metavar="FILE")],
    out: Annotated[Path, options.out()],
    patch_px: Annotated[
        int | None, typer.Option("--patch-px", help="Resize the patch kernel (default: unchanged).", min=1)
    ] = None,
    image_px: Annotated[
        int | None,
        typer.Option("--image-px", help="Resize position embeddings for this image size (default: unchanged).", min=1),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Convert base weights of any layout to one safetensors file.

    A run resizes weights by itself, so --patch-px and --image-px are for other tools. Without them the values and
    their SHA-256 do not change, and adapter packs still fit; with them the result is a different base.

    $ rs-adapt weights convert dinov2_vitl14_pretrain.pth --out dinov2_l.safetensors

    $ rs-adapt weights convert dinov2_vitl14_pretrain.pth --out l16.safetensors --patch-px 16 --image-px 512
    """
    from rs_adapt.backbones.description import convert
    from rs_adapt.errors import DataNotFound

    if not file.exists():
        raise DataNotFound(f"There is no file of weights {file}: check the path.")
    description = convert(file, out, patch_px=patch_px, image_px=image_px, overwrite=overwrite)
    # A pyramid, which has none, is refused.
    assert description.size is not None
    model = f"{description.family} {description.model}, patch {description.size.patch_px} px"
    say(f"{shorten_path(out)}: {group_digits(out.stat().st_size)} bytes, {model}")
    positions = f"positions {description.grid} x {description.grid}" if description.grid else "no learned positions"
    say(f"{positions}, tensors sha256 {description.base_sha256}")
