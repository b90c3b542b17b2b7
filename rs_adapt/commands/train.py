"""`rs-adapt train`: train a cell, score it, and write its run folder."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.api.progress import error_console
from rs_adapt.commands import options
from rs_adapt.commands.console import (
    print_json,
    print_result,
    result_console,
)

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def train(
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
    device: options.Device = "auto",
    processes: options.Processes = None,
    logger: options.Logger = None,
    work_dir: options.WorkDir = None,
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run with the same options.")
    ] = False,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a method on a bench and score it on the target region.

    The run folder holds config.py, metrics.jsonl, result.json, the adapter pack, the log and pictures. Ctrl-C saves;
    the same command with --resume continues exactly where it stopped.

    $ rs-adapt train --bench synthetic-da

    $ rs-adapt train --bench loveda-da --direction u2r --method rein --precision bf16

    $ rs-adapt train --bench loveda-da --processes 4

    $ rs-adapt train --bench isprs-dg --iters 100 --dry-run
    """
    from rs_adapt.api.configuration import compose

    if "WORLD_SIZE" in os.environ:
        # Set before torch is loaded, which would warn that a search for unused parameters found none.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
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
        weights=weights,
        data_root=data_root,
        work_dir=work_dir,
        overrides=set_ or (),
    )
    if processes is not None and _launch(cfg, processes, dry_run=dry_run):
        return
    if dry_run:
        _check(cfg, device=device, resume=resume, overwrite=overwrite, as_json=as_json)
    else:
        _train(cfg, device=device, resume=resume, overwrite=overwrite, loggers=logger, as_json=as_json)


def _launch(cfg: ResolvedConfig, processes: int, *, dry_run: bool) -> bool:
    """Start the processes of this run unless a launcher did, and return whether they ran to their end.

    Raises:
        ConfigError: The batch cannot be divided among them, or a launcher started a different number.
    """
    from rs_adapt.errors import ConfigError
    from rs_adapt.launching import launch_group
    from rs_adapt.processes import launched_as_group, local_batch_size

    local_batch_size(cfg.train_dataloader.batch_size, processes)
    if launched_as_group():
        if int(os.environ["WORLD_SIZE"]) != processes:
            raise ConfigError(
                f"--processes is {processes}, but a launcher has started {os.environ['WORLD_SIZE']} processes already. "
                "Leave the option out: the launcher sets the number."
            )
        return False
    if processes == 1 or dry_run:
        return False
    if code := launch_group(sys.argv[1:], processes):
        raise typer.Exit(code)
    return True


def _train(
    cfg: ResolvedConfig, *, device: str, resume: bool, overwrite: bool, loggers: list[str] | None, as_json: bool
) -> None:
    from rs_adapt.api.configuration import cell_of
    from rs_adapt.api.models import train as train_run
    from rs_adapt.engine.recorder import Interrupted
    from rs_adapt.processes import launched_as_group

    # Of several processes only rank 0 prints.
    prints = os.environ.get("RANK", "0") == "0" or not launched_as_group()
    command = shlex.join(["rs-adapt", *sys.argv[1:]])
    try:
        run = train_run(
            cfg, device=device, resume=resume, overwrite=overwrite, loggers=loggers, command=command, progress=prints
        )
    except Interrupted as stop:
        if prints:
            resumed = command.replace(" --overwrite", "").removesuffix(" --resume")
            error_console().print(
                f"Stopped after {stop.iteration} of {cfg.train_cfg.max_iters} iterations; the state is saved. "
                f"Continue with\n  {resumed} --resume",
                highlight=False,
                soft_wrap=True,
            )
        raise typer.Exit(130) from None
    if not prints or run.result is None:
        return
    if as_json:
        print_json({**run.result.content(), "folder": str(run.folder)})
    else:
        print_result(result_console(), run.result, title=str(cell_of(cfg)), folder=run.folder)


def _check(cfg: ResolvedConfig, *, device: str, resume: bool, overwrite: bool, as_json: bool) -> None:
    from rs_adapt.api.models import check

    plan = check(cfg, device=device, resume=resume, overwrite=overwrite)
    if plan is None:
        return
    if as_json:
        print_json({**asdict(plan), "folder": str(plan.folder)})
    else:
        from rs_adapt.commands.train_plan import plan_lines

        print("\n".join(plan_lines(cfg, plan)))
