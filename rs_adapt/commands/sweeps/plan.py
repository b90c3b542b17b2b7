"""`rs-adapt plan`: what a sweep, or one cell, will take on this machine, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rs_adapt.commands import options
from rs_adapt.commands.sweeps import sweep
from rs_adapt.errors import ConfigError


def plan(
    file: Annotated[Path | None, typer.Argument(help="A sweep's file; or name a cell with --bench.")] = None,
    bench: options.OptionalBench = None,
    setting: options.Setting = None,
    direction: options.Direction = None,
    method: options.Method = None,
    backbone: options.Backbone = None,
    head: options.Head = None,
    strategy: options.Strategy = None,
    untuned: options.Untuned = False,
    protocol: options.Protocol = None,
    iters: options.Iters = None,
    precision: options.Precision = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    jobs: sweep.Jobs = None,
    gpus: sweep.Gpus = None,
    only: sweep.Only = None,
    work_dir: options.WorkDir = None,
    data_root: options.DataRoot = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure how long a sweep or a cell takes on this machine, and its memory and disk.

    Nothing is written. Cells whose data or weights are missing are named with the reason.

    $ rs-adapt plan configs/sweep/paper_da.toml

    $ rs-adapt plan --bench loveda-da --method rein --precision bf16
    """
    from rs_adapt.commands.sweeps.planning import measured, print_plan
    from rs_adapt.commands.sweeps.sweeping import chosen, launcher_of, opened, opened_cell

    if (file is None) == (bench is None):
        raise ConfigError("Name a sweep's file or a cell (--bench loveda-da), one of them.")
    if file is not None:
        spec, _, expansion = opened(file, work_dir=work_dir, data_root=data_root)
    else:
        axes = {"bench": bench, "setting": setting, "direction": direction, "method": method, "backbone": backbone}
        axes |= {"head": head, "strategy": strategy, "protocol": protocol}
        spec, expansion = opened_cell(
            {axis: (value,) for axis, value in axes.items() if value is not None},
            texts=tuple(set_ or ()),
            iters=iters,
            untuned=untuned,
            precision=precision,
            weights=weights,
            data_root=data_root,
        )
    spec = launcher_of(spec, kind=None, jobs=jobs, gpus=gpus)
    content: dict[str, Any] = measured(spec, chosen(expansion.cells, only), data_root=data_root)
    if as_json:
        import json

        print(json.dumps(content, indent=2))
        return
    print_plan(content)
