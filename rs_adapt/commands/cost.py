"""`rs-adapt cost`: measure parameters, memory and time of methods on the same work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console, shorten_path
from rs_adapt.errors import ConfigError


def cost(
    bench: options.Bench,
    setting: options.Setting = None,
    direction: options.Direction = None,
    methods: Annotated[
        str, typer.Option("--methods", help="Comma-separated names, such as lora,rein; or all.", metavar="NAMES")
    ] = "all",
    backbone: options.Backbone = None,
    head: options.Head = None,
    untuned: options.Untuned = False,
    batch_size: options.BatchSize = None,
    precision: options.Precision = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    rounds: Annotated[
        int, typer.Option("--rounds", help="Measured rounds; in each, every method trains and predicts once.", min=1)
    ] = 10,
    warmup: Annotated[int, typer.Option("--warmup", help="Unmeasured rounds before them.", min=1)] = 3,
    device: options.Device = "auto",
    out: Annotated[Path | None, options.out("work_dirs/cost/<bench>")] = None,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure what methods of segmentation cost: parameters, memory, size on disk, time of training and inference.

    Every method does the same work on the same random crops: forward, loss, backward and optimizer step of the
    segmentor, without a strategy. The methods take turns, round by round. No data set is read. `frozen` is always
    measured, because the other methods are compared with it.

    $ rs-adapt cost --bench synthetic-da

    $ rs-adapt cost --bench loveda-da --methods lora,rein,earth-adapter --precision bf16 --rounds 30
    """
    from rs_adapt.config import axes, option_texts, resolve_cell
    from rs_adapt.config.tasks import SEGMENTATION, task_of

    task = task_of(axes.bench_facts(resolve_cell(bench, setting=setting, direction=direction).bench)).name
    if task != SEGMENTATION:
        raise ConfigError(
            f"Costs are measured on segmentors, and the task of bench {bench} is {task}. Allowed: a bench of "
            f"segmentation (rs-adapt list benches). A short run states parameters and time: rs-adapt train --bench "
            f"{bench} --iters 20."
        )
    # Only the segmentor is measured: the strategy does not change it.
    cell = resolve_cell(
        bench,
        setting=setting,
        direction=direction,
        backbone=backbone,
        head=head,
        strategy="source_only",
        tuned=not untuned,
    )
    selected = [axes.find("method", name) for name in _split_names(methods, available=axes.values("method"))]
    texts = [*option_texts(cell, batch_size=batch_size, precision=precision), *(set_ or ())]
    folder = out or Path("work_dirs") / "cost" / f"{cell.bench_name}-{cell.setting}"

    from rs_adapt.cost.measure import compare_costs
    from rs_adapt.cost.table import cost_notes, cost_record, cost_table, cost_title
    from rs_adapt.cost.write import check_cost_folder, write_cost_files

    check_cost_folder(folder, overwrite=overwrite)
    with progress_callback(True) as on_progress:
        comparison = compare_costs(
            cell,
            selected,
            overrides=texts,
            weights=weights,
            device=device,
            rounds=rounds,
            warmup=warmup,
            on_progress=on_progress,
        )
    record = cost_record(comparison)
    write_cost_files(folder, record)
    if as_json:
        print_json(record.content())
        return
    console = result_console()
    console.print(cost_title(record), style="bold", soft_wrap=True)
    console.print(cost_table(record))
    for note in cost_notes(record):
        console.print(note, soft_wrap=True)
    console.print(f"Files: {shorten_path(folder)}", soft_wrap=True)


def _split_names(text: str, *, available: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for entry in text.split(",") if (name := entry.strip()))
    if not names:
        raise ConfigError(f"--methods {text!r} names no method. Use all, or comma-separated names.")
    return available if names == ("all",) else names
