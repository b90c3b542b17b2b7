"""`rs-adapt weights verify`: compare files of base weights with the published ones, and describe them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console, say, shorten_path

if TYPE_CHECKING:
    from rs_adapt.commands.weights.checks import CheckedFact
    from rs_adapt.config.weights_files import WeightsFile


def verify_weights(
    name: Annotated[
        str | None,
        typer.Argument(help="Backbone or file (default: all on this machine).", metavar="NAME|FILE"),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare files of base weights with the published ones, and describe them.

    Prints size and SHA-256 of the file, the layout of its tensor names, the ViT's width, depth and patch size, and the
    SHA-256 of its tensors, by which an adapter pack identifies its base weights. Exit code 1 if something is wrong.

    $ rs-adapt weights verify dinov2-l

    $ rs-adapt weights verify my_vit.safetensors
    """
    from rs_adapt.commands.weights.checks import check_weights, find_published_file

    files = _files_to_check(name)
    any_fault = False
    content = []
    for path, claimed in files:
        published = claimed or find_published_file(path)
        facts = check_weights(path, published)
        faults = [fact.name for fact in facts if fact.fault]
        any_fault |= bool(faults)
        if as_json:
            values = {fact.name: {"found": fact.value, "fault": fact.fault or None} for fact in facts}
            content.append({"path": str(path), "ok": not faults, "facts": values})
        else:
            _print_facts(path, facts, is_compared=published is not None and bool(published.facts.get("sha256")))
    if as_json:
        print_json(content)
    elif not files:
        say("There are no base weights on this machine; `rs-adapt weights list` has the names.")
    if any_fault:
        raise typer.Exit(1)


def _print_facts(path: Path, facts: list[CheckedFact], *, is_compared: bool) -> None:
    from rich import box
    from rich.table import Table

    from rs_adapt.render.terminal import styled

    table = Table(title=shorten_path(path), title_justify="left", box=box.SIMPLE)
    for heading in ("", "found", ""):
        table.add_column(heading, overflow="fold")
    for fact in facts:
        table.add_row(fact.name, fact.value, styled(fact.fault, "red"))
    result_console().print(table)
    faults = ", ".join(fact.name for fact in facts if fact.fault)
    verdict = "as published" if is_compared else "no published checksum to compare with"
    say(f"{shorten_path(path)}: {f'WRONG: {faults}' if faults else verdict}")


def _files_to_check(name: str | None) -> list[tuple[Path, WeightsFile | None]]:
    """Return the files to check, each with the published file whose name it has, if any.

    Raises:
        WeightsError: The named published file is not on this machine.
    """
    from rs_adapt.config.weights_files import find_weights_file, weights_files
    from rs_adapt.errors import WeightsError

    if name is None:
        return [(file.path, file) for file in weights_files() if file.path.is_file()]
    if (path := Path(name).expanduser()).exists():
        return [(path, next((file for file in weights_files() if file.facts["file"] == path.name), None))]
    published = find_weights_file(name)
    if not published.path.is_file():
        raise WeightsError(f"{published.path} is not there. Get it: rs-adapt weights fetch {name}")
    return [(published.path, published)]
