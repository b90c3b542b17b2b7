"""`rs-adapt weights verify`: whether files of base weights are the published ones, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import grouped, print_json, result_console, shown_path

if TYPE_CHECKING:
    from rs_adapt.config.weights_files import WeightsFile

    # What was checked, its value, and what is wrong with it (empty: nothing).
    Rows = list[tuple[str, str, str]]


def verify_weights(
    name: Annotated[
        str | None,
        typer.Argument(help="Backbone or file (default: all that are here).", metavar="[NAME|FILE]"),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare files of base weights with the published ones, and describe them.

    Bytes and SHA-256 of the file, then the layout of its names, width, depth and patch of the ViT, and the SHA-256 over
    its tensors, by which adapter packs know their base. Exit code 1 where something is wrong.

    $ rs-adapt weights verify dinov2-l

    $ rs-adapt weights verify my_vit.safetensors
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console = result_console()
    chosen = _chosen(name)
    wrong = 0
    content = []
    for path, claimed in chosen:
        known = claimed or _by_content(path)
        rows = _rows(path, known)
        faults = [what for what, _, fault in rows if fault]
        wrong += bool(faults)
        if as_json:
            facts = {what: {"found": value, "fault": fault or None} for what, value, fault in rows}
            content.append({"path": str(path), "ok": not faults, "facts": facts})
            continue
        table = Table(title=escape(shown_path(path)), title_justify="left", box=box.SIMPLE)
        for heading in ("", "found", ""):
            table.add_column(heading, overflow="fold")
        for what, found, fault in rows:
            table.add_row(what, escape(found), f"[red]{escape(fault)}[/]" if fault else "")
        console.print(table)
        compared = known is not None and known.facts.get("sha256")
        right = "as published" if compared else "no checksum is published that it could be compared with"
        print(f"{shown_path(path)}: {'WRONG: ' + ', '.join(faults) if faults else right}")
    if as_json:
        print_json(content)
    elif not chosen:
        print("No base weights are here; `rs-adapt weights list` has the names.")
    if wrong:
        raise typer.Exit(1)


def _chosen(name: str | None) -> list[tuple[Path, WeightsFile | None]]:
    """Files to look at, each with the published file that it should be, if it claims to be one.

    Raises:
        WeightsError: a published file is named that is not here.
    """
    from rs_adapt.config.weights_files import find_weights_file, weights_files
    from rs_adapt.errors import WeightsError

    if name is None:
        return [(one.path, one) for one in weights_files() if one.path.is_file()]
    if (path := Path(name).expanduser()).exists():
        return [(path, next((one for one in weights_files() if one.facts["file"] == path.name), None))]
    known = find_weights_file(name)
    if not known.path.is_file():
        raise WeightsError(f"{known.path} is not there. Get it: rs-adapt weights fetch {name}")
    return [(known.path, known)]


def _by_content(path: Path) -> WeightsFile | None:
    """The published file that a file is under another name."""
    from rs_adapt.backbones.weights import file_sha256
    from rs_adapt.config.weights_files import weights_files

    if not path.is_file():
        return None
    digest = file_sha256(path)
    return next((one for one in weights_files() if one.facts.get("sha256") == digest), None)


def _rows(path: Path, known: WeightsFile | None) -> Rows:
    from rs_adapt.backbones.weights import file_sha256

    rows: Rows = []
    if path.is_file():
        size, digest = path.stat().st_size, file_sha256(path)
        facts: Mapping[str, object] = known.facts if known is not None else {}
        rows.append(("published as", str(facts.get("file", "nothing that is known here")), ""))
        for what, found, text in (("bytes", size, grouped(size)), ("sha256", digest, digest)):
            expected = facts.get(what)
            rows.append((what, text, f"expected {expected}" if expected and found != expected else ""))
    return rows + _tensor_rows(path, known)


def _tensor_rows(path: Path, known: WeightsFile | None) -> Rows:
    from rs_adapt.backbones.description import describe
    from rs_adapt.config import axes
    from rs_adapt.errors import WeightsError

    try:
        found = describe(path)
    except WeightsError as error:
        return [("tensors", "not readable", str(error))]
    size, fault, hash_fault = found.size, "", ""
    if known is not None:
        backbone = axes.backbone_facts(known.name)
        wanted = (backbone["embed_dim"], backbone["depth"])
        if (size.embed_dim, size.depth) != wanted:
            fault = f"expected {wanted[0]} wide, {wanted[1]} deep"
        expected = known.facts.get("base_sha256")
        hash_fault = f"expected {expected}" if expected and expected != found.base_sha256 else ""
    positions = f"positions {found.grid} x {found.grid}" if found.grid else "no learned positions"
    shape = f"{size.embed_dim} wide, {size.depth} deep, patch {size.patch_px} px, {positions}"
    return [
        ("layout", f"{found.layout} names", ""),
        ("model", f"{found.family} {found.model}: {shape}", fault),
        ("tensors sha256", found.base_sha256, hash_fault),
    ]
