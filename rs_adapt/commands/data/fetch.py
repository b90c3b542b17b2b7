"""`rs-adapt data fetch`: the archives of a data set, or the steps to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, say, shorten_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.datasets.manifest import Archive, Manifest


def fetch_data(
    name: Annotated[str, typer.Argument(help="Data set; `data list` lists them all.", metavar="NAME")],
    archives: Annotated[
        list[str] | None, typer.Option("--archive", help="Fetch only this archive. Repeatable.", metavar="NAME")
    ] = None,
    out: Annotated[Path | None, options.out("$RS_ADAPT_HOME/downloads/NAME")] = None,
    to: Annotated[Path | None, typer.Option("--to", hidden=True)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also fetch archives that no bench needs.")] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept licence and conditions without asking.")
    ] = False,
) -> None:
    """Fetch the archives of a data set and verify their checksums.

    Licence and conditions are printed first, and must be accepted if they restrict the use. An interrupted download
    continues where it stopped. If a site gives out its files on request only, the steps are printed: put the files
    into the folder named there and run the command again to verify them.

    $ rs-adapt data fetch loveda --accept-licence

    $ rs-adapt data fetch loveda --archive Val.zip --out /data/zips
    """
    from rs_adapt.commands.downloading import download
    from rs_adapt.config.paths import downloads_dir
    from rs_adapt.datasets.manifest import load_manifest
    from rs_adapt.errors import DataNotFound

    manifest = load_manifest(name)
    selected = manifest.select_archives(archives or (), include_optional=all_)
    folder = (out or to or downloads_dir(manifest.name)).expanduser()
    for line in (manifest.title, f"Licence: {manifest.licence}. {manifest.conditions}", f"Cite: {manifest.citation}"):
        say(line)
    if manifest.access == "drawn":
        say(manifest.how_to_get)
        return
    if manifest.restricted and any(archive.urls for archive in selected):
        _require_acceptance(manifest, accepted=accept_licence)
    missing = []
    for archive in selected:
        path = folder / archive.name
        if archive.urls:
            state = "fetched" if download(archive.published, path) else "was there"
        elif path.is_file():
            archive.check_file(path)
            state = "was there"
        else:
            missing.append(archive)
            continue
        size = group_digits(path.stat().st_size)
        say(f"{shorten_path(path)}: {state}, {size} bytes, {archive.published.describe_check()}")
    if missing or (manifest.by_hand and not selected):
        _print_steps(manifest, missing, folder)
        names = ", ".join(archive.name for archive in missing) or manifest.title
        raise DataNotFound(f"{names} must be fetched by hand: the steps are printed above.")


def _require_acceptance(manifest: Manifest, *, accepted: bool) -> None:
    """Require that the conditions are accepted, by the option or by a person at a terminal.

    Raises:
        LicenceNotAccepted: They are not accepted.
    """
    import sys

    from rs_adapt.errors import LicenceNotAccepted

    if accepted or (sys.stdin.isatty() and typer.confirm("Do you accept them?", err=True)):
        return
    raise LicenceNotAccepted(
        f"{manifest.title} is distributed under the licence {manifest.licence}. {manifest.conditions} "
        "Nothing was fetched. Add --accept-licence if you accept that."
    )


def _print_steps(manifest: Manifest, missing: Sequence[Archive], folder: Path) -> None:
    say("By hand:")
    for number, step in enumerate(manifest.by_hand, start=1):
        say(f"  {number}. {step}")
    if missing:
        say(f"  {len(manifest.by_hand) + 1}. Put into {shorten_path(folder)}:")
        for archive in missing:
            say(f"       {archive.name} ({archive.published.describe()})")
        say(f"  {len(manifest.by_hand) + 2}. Run the same command again: it verifies the files.")
    say(f"Then: {manifest.how_to_get}")
