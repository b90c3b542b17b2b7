"""`rs-adapt show`: the resolved config of a cell, or its numbers of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, say, table_console

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def show(
    bench: options.Bench,
    setting: options.Setting = None,
    direction: options.Direction = None,
    method: options.Method = None,
    backbone: options.Backbone = None,
    head: options.Head = None,
    strategy: options.Strategy = None,
    seed: options.Seed = 0,
    untuned: options.Untuned = False,
    protocol: options.Protocol = None,
    iters: options.Iters = None,
    batch_size: options.BatchSize = None,
    precision: options.Precision = None,
    num_workers: options.NumWorkers = None,
    partial: options.Partial = False,
    work_dir: options.WorkDir = None,
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    cost: Annotated[bool, typer.Option("--cost", help="Print numbers of parameters instead.")] = False,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the resolved configuration of a cell as Python that mmengine reads.

    $ rs-adapt show --bench loveda-da

    $ rs-adapt show --bench isprs-dg --direction v2p --method rein --set optim.lr=6e-5

    $ rs-adapt show --bench loveda-da --cost
    """
    from rs_adapt.api.configuration import cell_of, compose
    from rs_adapt.config.text import to_python

    cfg = compose(
        bench,
        setting=setting,
        direction=direction,
        method=method,
        backbone=backbone,
        head=head,
        strategy=strategy,
        seed=seed,
        tuned=not untuned,
        protocol=protocol,
        iters=iters,
        batch_size=batch_size,
        precision=precision,
        num_workers=num_workers,
        partial=partial,
        weights=weights,
        data_root=data_root,
        work_dir=work_dir,
        overrides=set_ or (),
    )
    if cost:
        _print_cost(cfg, title=str(cell_of(cfg)), as_json=as_json)
    elif as_json:
        print_json(cfg.to_dict())
    else:
        say(to_python(cfg), end="")


def _print_cost(cfg: ResolvedConfig, *, title: str, as_json: bool) -> None:
    from rs_adapt.engine.parameters import cost_of

    counts = cost_of(cfg)
    if as_json:
        print_json(counts)
        return
    from rich import box
    from rich.table import Table

    say(title)
    table = Table(box=box.SIMPLE, show_header=False)
    for name, count in counts.items():
        table.add_row(name, group_digits(count))
    table_console().print(table)
