"""`rs-adapt train`: train a cell, score it, and write its run folder."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.config.execution import require_processes

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
    batch_size: options.BatchSizeOrAuto = None,
    precision: options.Precision = None,
    num_workers: options.NumWorkers = None,
    partial: options.Partial = False,
    device: options.Device = "auto",
    threads: options.Threads = "auto",
    processes: options.Processes = None,
    logger: options.Logger = None,
    work_dir: options.WorkDir = None,
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run with the same options.")
    ] = False,
    from_run: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from this path: a run or pack with trained weights, or hf:OWNER/NAME.",
            metavar="RUN",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            "--teacher",
            help="Learn from this trained run or pack, or hf:OWNER/NAME, with --strategy distill.",
            metavar="RUN",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a method on a bench and score it on the target region.

    The run folder holds config.py, metrics.jsonl, result.json, the adapter pack, the log and pictures. Ctrl-C saves;
    the same command with --resume continues exactly where it stopped; options that change the result need a new run,
    which --from starts from saved weights. Results of a run with --partial state what was missing.

    $ rs-adapt train --bench synthetic-da

    $ rs-adapt train --bench loveda-da --direction u2r --method rein --precision bf16

    $ rs-adapt train --bench loveda-da --processes 4

    $ rs-adapt train --bench loveda-da --batch-size auto

    $ rs-adapt train --bench loveda-da --from RUN --iters 20000 --work-dir work_dirs/longer

    $ rs-adapt train --bench loveda-da --backbone mit-b0 --strategy distill --teacher RUN

    $ rs-adapt train --bench isprs-dg --iters 100 --dry-run
    """
    from rs_adapt.api.checkpoints import find_checkpoint
    from rs_adapt.api.configuration import compose, with_values_of_start
    from rs_adapt.api.presence import require_inputs_of_training
    from rs_adapt.api.progress import print_loading
    from rs_adapt.api.training import check
    from rs_adapt.commands.train_printing import print_plan
    from rs_adapt.runs.packs import find_weights

    if "WORLD_SIZE" in os.environ:
        # Set before torch is loaded, which would warn that a search for unused parameters found none.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    compose_with = functools.partial(
        compose,
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
        precision=precision,
        num_workers=num_workers,
        partial=partial,
        weights=weights,
        data_root=data_root,
        work_dir=work_dir,
    )
    cfg = compose_with(batch_size=batch_size or None, overrides=set_ or ())
    if batch_size == options.AUTO_BATCH:
        batch_size = _find_batch_size(cfg, device=device, resume=resume, processes=processes)
        # The number of an override was the most that is allowed.
        others = [text for text in set_ or () if not text.strip().startswith("bench.schedule.batch_size.")]
        cfg = compose_with(batch_size=batch_size, overrides=others)
    named = with_values_of_start(cfg) if resume else cfg
    require_inputs_of_training(named, resume=resume, overwrite=overwrite, start_from=from_run, teacher=teacher)
    if from_run is not None:
        from_run, _ = find_weights(find_checkpoint(from_run))
    # Of several processes only rank 0 prints.
    prints = int(os.environ.get("WORLD_SIZE", "1")) == 1 or os.environ.get("RANK", "0") == "0"
    if processes in (None, 1) or dry_run:
        print_loading(prints)
    if processes is not None:
        _launch(cfg, processes, dry_run=dry_run)
    if not dry_run:
        _train(
            cfg,
            device=device,
            resume=resume,
            overwrite=overwrite,
            start_from=from_run,
            teacher=teacher,
            loggers=logger,
            prints=prints,
            as_json=as_json,
        )
        return
    require_processes(cfg.runtime.get("sharding"), processes or int(os.environ.get("WORLD_SIZE", "1")))
    plan = check(cfg, device=device, resume=resume, overwrite=overwrite, start_from=from_run, teacher=teacher)
    if plan is not None:
        print_plan(cfg, plan, as_json=as_json)


def _find_batch_size(cfg: ResolvedConfig, *, device: str, resume: bool, processes: int | None) -> int:
    """Return the batch of an interrupted run, or the largest that fits in memory, which is printed."""
    from rs_adapt.api.configuration import stored_batch_size
    from rs_adapt.api.progress import error_console
    from rs_adapt.errors import ConfigError

    if processes not in (None, 1) or "WORLD_SIZE" in os.environ:
        raise ConfigError(
            "--batch-size auto looks at the memory of one device, and several processes share the batch. Give a "
            "number; `rs-adapt plan --memory` predicts what it needs."
        )
    if resume and (stored := stored_batch_size(cfg)) is not None:
        return stored
    from rs_adapt.cost.batch_size import choose_batch_size

    choice = choose_batch_size(cfg, device=device)
    error_console().print(choice.describe(), highlight=False, soft_wrap=True)
    return choice.batch_size


def _launch(cfg: ResolvedConfig, processes: int, *, dry_run: bool) -> None:
    """Train in several processes and exit, unless this process is one of them or trains alone."""
    from rs_adapt.launching import launch_group
    from rs_adapt.processes import check_processes, launched_as_group
    from rs_adapt.runs.locking import inherited_locks

    check_processes(processes, batch_size=cfg.train_dataloader.batch_size)
    if processes > 1 and not dry_run and not launched_as_group():
        raise typer.Exit(launch_group(sys.argv[1:], processes, pass_fds=inherited_locks()))


def _train(
    cfg: ResolvedConfig,
    *,
    device: str,
    resume: bool,
    overwrite: bool,
    start_from: Path | None,
    teacher: Path | None,
    loggers: list[str] | None,
    prints: bool,
    as_json: bool,
) -> None:
    from rs_adapt.api.training import train as train_run
    from rs_adapt.commands.train_printing import print_how_to_continue, print_run
    from rs_adapt.engine.recorder import Interrupted

    command = shlex.join(["rs-adapt", *sys.argv[1:]])
    try:
        run = train_run(
            cfg,
            device=device,
            resume=resume,
            overwrite=overwrite,
            start_from=start_from,
            teacher=teacher,
            loggers=loggers,
            command=command,
            progress=prints,
        )
    except Interrupted as stop:
        if prints:
            print_how_to_continue(command, iteration=stop.iteration, max_iters=cfg.train_cfg.max_iters)
        raise typer.Exit(130) from None
    if prints and run.result is not None:
        print_run(cfg, run.folder, run.result, as_json=as_json)
