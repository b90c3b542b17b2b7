"""`rs-adapt weights import`: convert a checkpoint that the authors of a method released to an adapter pack."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, result_console, say, shorten_path

if TYPE_CHECKING:
    from rich.table import Table

    from rs_adapt.exchange.importing import Imported


class Kind(StrEnum):
    """A method with a released layout."""

    EARTH_ADAPTER = "earth-adapter"
    REIN = "rein"
    MASK2FORMER = "mask2former"


# A Mask2Former alone is imported with the frozen backbone.
_METHODS = {Kind.MASK2FORMER: "frozen"}


def import_weights(
    checkpoint: Annotated[Path, typer.Argument(help="The released file (.pth or .safetensors).", metavar="OFFICIAL")],
    kind: Annotated[Kind, typer.Option("--as", help="Content of the file: an adapter with its head, or a head alone.")],
    bench: options.Bench,
    direction: options.Direction = None,
    backbone: options.Backbone = None,
    out: Annotated[Path | None, options.out("the file's name without its ending")] = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    device: options.Device = "cpu",
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Convert a released checkpoint of Earth-Adapter, Rein or Mask2Former to an adapter pack.

    Rank, tokens and sizes of the head are read from the tensors and checked against bench and backbone. Earth-Adapter's
    cutoff, and its frequency layers where the tensors do not determine them, are those tuned for the bench; --set
    changes them. The pack is bound to the base weights. Nothing in the file is executed.

    $ rs-adapt weights import r2u.pth --as earth-adapter --bench loveda-da --out packs/r2u

    $ rs-adapt eval packs/r2u
    """
    from rs_adapt.config import resolve_cell
    from rs_adapt.exchange.importing import import_checkpoint

    method = _METHODS.get(kind, kind.value)
    cell = resolve_cell(bench, direction=direction, method=method, backbone=backbone, head="mask2former")
    imported = import_checkpoint(
        checkpoint,
        cell=cell,
        texts=set_ or (),
        out=out or Path(checkpoint.stem),
        weights=weights,
        device=device,
        overwrite=overwrite,
    )
    if as_json:
        print_json(
            {
                "settings": {
                    key: {"value": value, "from": source} for key, (value, source) in imported.settings.items()
                },
                "base": imported.base,
                "backbone_compared": imported.vit_compared,
                "unused_tensors": imported.unused,
                "files": [str(file) for file in imported.files],
            }
        )
        return
    console = result_console()
    cell_name = f"{cell.bench}_{cell.setting} / {cell.backbone}".replace("_", "-")
    title = f"{shorten_path(checkpoint)} as {kind.value}: {cell_name}"
    console.print(title, style="bold", soft_wrap=True)
    console.print(_settings_table(imported))
    compared = "; the backbone in the file is equal" if imported.vit_compared else ""
    say(f"bound to {imported.base['name']}, SHA-256 {imported.base['sha256']}{compared}")
    say(f"{group_digits(imported.unused)} tensors of the file are not used")
    for file in imported.files:
        say(f"{shorten_path(file)}: {group_digits(file.stat().st_size)} bytes")


def _settings_table(imported: Imported) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for heading in ("setting", "value", "from"):
        table.add_column(heading)
    for key, (value, source) in imported.settings.items():
        text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
        table.add_row(key.removeprefix("model."), text, source)
    return table
