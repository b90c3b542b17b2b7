"""`rs-adapt data prepare`: cut the originals of a data set into the tiles that benches read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.api.progress import error_console, progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import result_console, shorten_path
from rs_adapt.errors import ConfigError

INTERRUPTED = 130


def prepare(
    name: Annotated[
        str,
        typer.Argument(
            help="Data set or variant, such as loveda or potsdam-irrg, or the TOML file of your own bench.",
            metavar="NAME",
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            help="Folder or zip of the originals; zips inside are read too (default: where data fetch puts them).",
        ),
    ] = None,
    data_root: options.DataRoot = None,
    tile_px: Annotated[
        int | None, typer.Option("--tile-px", help="Side of a tile in pixels (default: as published).", min=1)
    ] = None,
    stride_px: Annotated[
        int | None,
        typer.Option(
            "--stride-px", help="Stride of the grid in pixels (default: as published; --tile-px if given).", min=1
        ),
    ] = None,
    jobs: Annotated[int | None, options.jobs("all cores")] = None,
    partial: options.Partial = False,
    split: Annotated[
        Path | None,
        typer.Option(
            "--split-file",
            help="Of scene classes: take this released list (JSON of path, label, class name) instead of making one.",
            metavar="FILE",
        ),
    ] = None,
    split_seed: Annotated[int, typer.Option("--split-seed", help="Of scene classes: seed of the split.", min=0)] = 0,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
) -> None:
    """Cut the originals of a data set into the tiles of its published protocol.

    After an interruption, run the same command to continue. A finished folder is verified; only damaged or missing
    scenes are cut again.

    $ rs-adapt data prepare loveda --data-root data

    $ rs-adapt data prepare potsdam --source Potsdam.zip --dry-run

    $ rs-adapt data prepare myset.toml --jobs 4

    $ rs-adapt data prepare aid --data-root data
    """
    from rs_adapt.commands.data.prepare_tables import print_plan, remarks, result_table
    from rs_adapt.config import paths
    from rs_adapt.config.own.bench import is_own
    from rs_adapt.datasets.originals import load_layout, prepare_originals
    from rs_adapt.datasets.scene_classes.prepare import scene_bench

    errors, results = error_console(), result_console()
    root = paths.data_root(data_root)
    if (scenes := scene_bench(name)) is not None:
        from rs_adapt.commands.data.scene_split import prepare_scene_split

        prepare_scene_split(scenes, root, seed=split_seed, released=split, overwrite=overwrite, dry_run=dry_run)
        return
    if split is not None or split_seed or overwrite:
        raise ConfigError(
            f"--split-file, --split-seed and --overwrite are for data sets of scene classes, such as aid; {name} is "
            "none."
        )
    if is_own(name):
        from rs_adapt.commands.data.prepare_own import prepare_own

        given = {"--source": source, "--tile-px": tile_px, "--stride-px": stride_px, "--partial": partial or None}
        if unused := [option for option, value in given.items() if value is not None]:
            raise ConfigError(f"{', '.join(unused)} does not apply to {name}: the bench file sets it.")
        prepare_own(name, root, jobs=jobs, dry_run=dry_run)
        return
    # `data fetch` puts archives here; a variant shares those of its data set.
    originals = source.expanduser() if source else paths.downloads_dir(load_layout(name).manifest.name)
    try:
        with progress_callback(True) as on_progress:
            prepared = prepare_originals(
                name,
                originals,
                root,
                tile_px=tile_px,
                stride_px=stride_px,
                jobs=jobs,
                partial=partial,
                dry_run=dry_run,
                on_plan=lambda plan: print_plan(results if dry_run else errors, plan),
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        errors.print("Stopped. The scenes that are cut are saved: the same command continues.")
        raise typer.Exit(INTERRUPTED) from None
    if dry_run:
        results.print(f"Nothing is cut. Tiles would go to {shorten_path(prepared.plan.folder)}.", soft_wrap=True)
        return
    plan = prepared.plan
    results.print(f"{plan.layout.title}: {shorten_path(plan.folder)}", style="bold", soft_wrap=True)
    results.print(result_table(prepared))
    for line in remarks(prepared):
        results.print(line, soft_wrap=True)
    for line in prepared.wrong_counts():
        errors.print(f"error: {line}. The originals are not the published ones.", soft_wrap=True)
    if prepared.wrong_counts():
        raise typer.Exit(1)
