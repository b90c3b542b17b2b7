"""`rs-adapt plan`: the time, memory and disk of a sweep or a cell on this machine, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json
from rs_adapt.commands.sweeps import sweep
from rs_adapt.errors import ConfigError


def plan(
    file: Annotated[Path | None, typer.Argument(help="A sweep's file; leave out with --bench.", metavar="FILE")] = None,
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
    plugins: options.Plugins = None,
    no_code: sweep.NoCode = False,
    memory: Annotated[
        bool,
        typer.Option("--memory", help="Predict memory on a GPU from shapes instead; needs no GPU, data or weights."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure how long a sweep or a cell takes on this machine, and its memory and disk.

    Nothing is written. Cells without data or weights are listed with the reason.

    $ rs-adapt plan configs/sweep/paper_da.toml

    $ rs-adapt plan --bench loveda-da --method rein --precision bf16

    $ rs-adapt plan --bench loveda-da --backbone dinov2-g --set runtime.memory=low --memory
    """
    from rs_adapt.commands.sweeps.planning import measure_plan, print_plan
    from rs_adapt.commands.sweeps.selecting import apply_launcher_options, cell_as_sweep, read_sweep, select_cells
    from rs_adapt.sweeps.launch import local_launcher

    if (file is None) == (bench is None):
        raise ConfigError("Name either a sweep's file or a cell (--bench loveda-da).")
    if file is not None:
        spec, _, expansion = read_sweep(file, work_dir=work_dir, data_root=data_root, no_code=no_code)
    else:
        axes = {"bench": bench, "setting": setting, "direction": direction, "method": method, "backbone": backbone}
        axes |= {"head": head, "strategy": strategy, "protocol": protocol}
        spec, expansion = cell_as_sweep(
            {axis: (value,) for axis, value in axes.items() if value is not None},
            texts=tuple(set_ or ()),
            iters=iters,
            untuned=untuned,
            precision=precision,
            weights=weights,
            data_root=data_root,
        )
    if memory:
        from rs_adapt.commands.sweeps.predicting import predict_and_print

        predict_and_print(spec, select_cells(expansion.cells, only), data_root=data_root, as_json=as_json)
        return
    spec = apply_launcher_options(spec, kind=None, jobs=jobs, gpus=gpus)
    launcher = local_launcher(spec.launcher)
    cost = measure_plan(spec, select_cells(expansion.cells, only), launcher=launcher, data_root=data_root)
    if as_json:
        print_json({"name": spec.name, "launcher": launcher.description, **cost.content()})
        return
    print_plan(cost, launcher=launcher.description)
