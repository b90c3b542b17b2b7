"""The tiles of a bench of your own, made before its first run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands.console import result_console, shorten_path

if TYPE_CHECKING:
    from pathlib import Path


def prepare_own(name: str, data_root: Path, *, jobs: int | None, dry_run: bool) -> None:
    """Cut the scenes of a bench's file unless their tiles are there, and print what is in them.

    Args:
        name: The bench's TOML file.
        data_root: The data root.
        jobs: Processes; None takes all cores where there is much to cut.
        dry_run: Print the scenes of each split, and cut nothing.

    Raises:
        RsAdaptError: See `rs_adapt.datasets.prepare.ensure_prepared`.
    """
    from rs_adapt.config import axes, paths
    from rs_adapt.config.own import bench as own_bench
    from rs_adapt.datasets.own.contents import describe_contents, read_contents
    from rs_adapt.datasets.own.regions import plan_regions
    from rs_adapt.datasets.prepare import ensure_prepared
    from rs_adapt.datasets.recipes import ScenesRecipe, read_recipe

    bench = axes.load("bench", own_bench.find(name))["bench"]
    out, results = paths.prepared_dir(bench, data_root), result_console()
    recipe = read_recipe(bench["prepare"])
    if dry_run:
        assert isinstance(recipe, ScenesRecipe)
        for plan in plan_regions(recipe, bench["tile_px"]):
            splits = Counter(one.split for one in plan.scenes)
            counts = ", ".join(f"{count} {split}" for split, count in splits.items())
            results.print(f"{plan.region.name}: {len(plan.scenes)} scenes ({counts})", soft_wrap=True)
        results.print(f"Nothing is cut. Tiles would go to {shorten_path(out)}.", soft_wrap=True)
        return
    with progress_callback(True) as on_progress:
        ensure_prepared(
            prepare=bench["prepare"],
            bench=bench,
            data_root=data_root,
            out_dir=out,
            jobs=jobs,
            on_progress=on_progress,
        )
    results.print(f"{bench['title']}: {shorten_path(out)}", style="bold", soft_wrap=True)
    for line in describe_contents(read_contents(out)):
        results.print(line, soft_wrap=True)
