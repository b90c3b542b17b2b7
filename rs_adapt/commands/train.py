"""`rs-adapt train`: train a cell, score it, and leave a run folder that says all about it."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated, Any

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import grouped, shown_path


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
        bool, typer.Option("--resume", help="Go on with an interrupted run of the same options.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the run that is in the folder.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, train nothing.")] = False,
) -> None:
    """Train a method on a bench and score it on the target region.

    The run folder holds config.py, metrics.jsonl, result.json, the adapter pack, the log and pictures. Ctrl-C saves;
    the same command with --resume goes on exactly where it stopped.

    $ rs-adapt train --bench synthetic-da

    $ rs-adapt train --bench loveda-da --direction u2r --method rein --precision bf16

    $ rs-adapt train --bench loveda-da --processes 4

    $ rs-adapt train --bench isprs-dg --iters 100 --dry-run
    """
    from rs_adapt.config import compose, option_texts, resolve_cell

    if "WORLD_SIZE" in os.environ:
        # Before torch is loaded: it would warn of a search for unused parameters that found none.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    cell = resolve_cell(
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
    )
    texts = [
        *option_texts(cell, iters=iters, batch_size=batch_size, precision=precision, num_workers=num_workers),
        *(set_ or ()),
    ]
    cfg = compose(cell, overrides=texts, data_root=data_root, work_dir=work_dir, weights=weights)
    from rs_adapt.engine.loggers import resolve_loggers

    loggers = resolve_loggers(logger)
    if processes is not None and _launched(cfg, processes, dry_run=dry_run):
        return
    command = shlex.join(["rs-adapt", *sys.argv[1:]])
    how: dict[str, Any] = {"device": device, "resume": resume, "overwrite": overwrite, "dry_run": dry_run}
    _train_and_report(cfg, str(cell), command=command, loggers=loggers, **how)


def _launched(cfg: Any, processes: int, *, dry_run: bool) -> bool:
    """Whether the processes of this run were started from here, and are done.

    Raises:
        ConfigError: The batch cannot be dealt out, or a launcher has started another number of processes.
    """
    from rs_adapt.errors import ConfigError
    from rs_adapt.launching import launch_group
    from rs_adapt.processes import launched_as_group, local_batch_size

    local_batch_size(cfg.train_dataloader.batch_size, processes)
    if launched_as_group():
        if int(os.environ["WORLD_SIZE"]) != processes:
            raise ConfigError(
                f"--processes {processes} under a launcher that started {os.environ['WORLD_SIZE']}: leave the option "
                "out, the launcher's number counts."
            )
        return False
    if processes == 1 or dry_run:
        return False
    if code := launch_group(sys.argv[1:], processes):
        raise typer.Exit(code)
    return True


def _train_and_report(
    cfg: Any,
    title: str,
    *,
    command: str,
    dry_run: bool,
    **how: Any,
) -> None:
    from pathlib import Path

    from rs_adapt.commands.console import error_console, preparing, print_result, result_console
    from rs_adapt.engine.progress import TrainingProgress
    from rs_adapt.engine.recorder import Interrupted
    from rs_adapt.engine.train import train as run
    from rs_adapt.processes import launched_as_group
    from rs_adapt.reports.run_pictures import write_run_pictures

    # Of several processes the first one speaks.
    speaks = os.environ.get("RANK", "0") == "0" or not launched_as_group()
    console = error_console()
    display = TrainingProgress(console, title.split(" / ")[0])
    run_dir = Path(cfg.work_dir)
    try:
        with preparing(console) as on_progress:
            outcome = run(
                cfg,
                command=command,
                dry_run=dry_run,
                **how,
                display=display,
                on_progress=on_progress,
            )
    except Interrupted as stop:
        display.close()
        if speaks:
            again = command.replace(" --overwrite", "").removesuffix(" --resume")
            console.print(
                f"Stopped after {stop.iteration} of {cfg.train_cfg.max_iters} iterations; the state is saved. "
                f"Continue with\n  {again} --resume",
                highlight=False,
                soft_wrap=True,
            )
        raise typer.Exit(130) from None
    finally:
        display.close()
    if not speaks:
        return
    if dry_run:
        _print_plan(cfg, title, outcome)
        return
    write_run_pictures(run_dir, outcome["matrix"], classes=list(cfg.bench.classes), title=title)
    print_result(result_console(), outcome["result"], title=title, folder=run_dir)


def _print_plan(cfg: Any, title: str, plan: dict[str, Any]) -> None:
    print(f"{title}: everything needed is there.")
    for role, count in plan["tiles"].items():
        print(f"  {role}: {count} tiles")
    for line in _own_lines(cfg):
        print(line)
    for part, count in plan["parameters"].items():
        print(f"  {part} parameters: {grouped(count)}")
    print(f"  {cfg.train_cfg.max_iters} iterations of batch {cfg.train_dataloader.batch_size}")
    print(f"  run folder: {shown_path(plan['run_dir'])}")


def _own_lines(cfg: Any) -> list[str]:
    """Of a bench of one's own: how scenes became 8 bit, and what its labels hold before and after translation."""
    if not cfg.bench.get("own"):
        return []
    from rs_adapt.datasets.own.scenes import read_shares
    from rs_adapt.datasets.own.stretch import describe_stretch, read_stretch

    lines = [f"  {region} stretch: {describe_stretch(told)}" for region, told in read_stretch(cfg.prepared_dir).items()]
    for region, counts in read_shares(cfg.prepared_dir).items():
        for when, what in (("before", "labels hold"), ("after", "become")):
            total = sum(counts[when].values())
            parts = [f"{name} {100 * count / total:.1f} %" for name, count in counts[when].items() if count]
            lines.append(f"  {region} {what}: {', '.join(parts)}")
    return lines
