"""`rs-adapt data show`: a page and a picture of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console, shorten_path


def show(
    name: Annotated[
        str, typer.Argument(help="Data set (such as potsdam-irrg) or bench (such as loveda-da).", metavar="NAME")
    ],
    data_root: options.DataRoot = None,
    out: Annotated[Path | None, options.out("work_dirs/data/<name>")] = None,
    tiles: Annotated[int, typer.Option("--tiles", help="Maximum number of tiles to read per split.", min=1)] = 300,
    samples: Annotated[int, typer.Option("--samples", help="Number of tiles to show per split.", min=1)] = 4,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a page that shows a data set: tiles with labels, classes and colours of each split.

    Writes index.html, a single file that any browser opens offline, and overview.png.

    $ rs-adapt data show loveda --data-root data

    $ rs-adapt data show isprs-da --out isprs --samples 6
    """
    from rs_adapt.config import paths
    from rs_adapt.datasets.tile_sets import find_tile_sets
    from rs_adapt.reports.data_page import PAGE_FILE, PICTURE_FILE, write_data_page

    tile_sets = find_tile_sets(name, paths.data_root(data_root))
    sides = sorted({tile_set.tile_px for tile_set in tile_sets.sets if tile_set.tile_px is not None})
    tiles_line = f"Tiles of {' and '.join(map(str, sides))} px." if sides else "Whole images."
    folder = out or Path("work_dirs") / "data" / tile_sets.name
    with progress_callback(True) as on_progress:
        statistics = write_data_page(
            tile_sets,
            folder,
            facts=[f"{tiles_line} {tile_sets.licence}".strip()],
            most_tiles=tiles,
            num_samples=samples,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    if as_json:
        sets = [{"set": summary.title, "tiles": summary.num_tiles, "read": summary.num_read} for summary in statistics]
        print_json({"sets": sets, "page": str(folder / PAGE_FILE), "picture": str(folder / PICTURE_FILE)})
        return
    console = result_console()
    for tile_set in statistics:
        console.print(f"{tile_set.title}: {tile_set.num_read} of {tile_set.num_tiles} tiles read", soft_wrap=True)
    console.print(f"Page: {shorten_path(folder / PAGE_FILE)}", soft_wrap=True)
    console.print(f"Picture: {shorten_path(folder / PICTURE_FILE)}", soft_wrap=True)
