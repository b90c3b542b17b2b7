"""`rs-adapt adapt`: train without and with the target, and average both."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, say, shorten_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.api.averaged_adaptation import Adaptation
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.plan import TrainingPlan

_STRATEGY = "dacs_matched"


def adapt(
    bench: options.Bench,
    setting: options.Setting = None,
    direction: options.Direction = None,
    method: options.Method = None,
    backbone: options.Backbone = None,
    head: options.Head = None,
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy",
            help="How source and target are trained on; see `list strategies` (default: dacs-matched).",
            rich_help_panel="Cell",
            show_default=False,
        ),
    ] = _STRATEGY,
    seed: options.Seed = 0,
    untuned: options.Untuned = False,
    protocol: options.Protocol = None,
    iters: options.Iters = None,
    batch_size: options.BatchSize = None,
    precision: options.Precision = None,
    num_workers: options.NumWorkers = None,
    partial: options.Partial = False,
    device: options.Device = "auto",
    threads: options.Threads = "auto",
    logger: options.Logger = None,
    work_dir: options.WorkDir = None,
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run with the same options.")
    ] = False,
    dry_run: options.DryRun = False,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Train on the source, train again with the target's images, and average the weights of both.

    For a region without labels, where nobody sees if adaptation helps: the mean gains less where the adapted model
    gains, and loses less where it loses. The folder gets source_only, adapted and mean; the mean is a model like any
    other. Needs the time of two trainings. Ctrl-C saves; the same command with --resume continues.

    $ rs-adapt adapt --bench my.toml --setting da --work-dir work_dirs/my_region

    $ rs-adapt adapt --bench loveda-da --direction u2r --strategy daformer
    """
    from rs_adapt.api.averaged_adaptation import adapt as adapt_region
    from rs_adapt.api.averaged_adaptation import check_adaptation
    from rs_adapt.api.configuration import compose
    from rs_adapt.commands.stopping import INTERRUPTED
    from rs_adapt.commands.train_printing import print_how_to_continue
    from rs_adapt.config.cell import default_run_dir, resolve
    from rs_adapt.engine.recorder import Interrupted

    cell = resolve(
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
    cfg = compose(
        cell,
        iters=iters,
        batch_size=batch_size,
        precision=precision,
        num_workers=num_workers,
        partial=partial,
        weights=weights,
        data_root=data_root,
        work_dir=work_dir or default_run_dir(dataclasses.replace(cell, strategy=f"{cell.strategy}-average")),
        overrides=set_ or (),
    )
    if dry_run:
        _print_plans(check_adaptation(cfg, device=device, resume=resume), as_json=as_json)
        return
    command = shlex.join(["rs-adapt", *sys.argv[1:]])
    try:
        models = adapt_region(cfg, device=device, resume=resume, loggers=logger, command=command)
    except Interrupted as stop:
        print_how_to_continue(command, iteration=stop.iteration, max_iters=cfg.train_cfg.max_iters)
        raise typer.Exit(INTERRUPTED) from None
    except KeyboardInterrupt:
        print_how_to_continue(command)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        scores = _scores(models).items()
        print_json({name: {"folder": str(folder), "miou_pct": score} for name, (folder, score) in scores})
    else:
        _print(models)


def _print_plans(plans: Sequence[tuple[ResolvedConfig, TrainingPlan | None]], *, as_json: bool) -> None:
    """Print both planned runs; a run without a plan is finished."""
    from rs_adapt.commands.train_printing import plan_content, print_plan

    if as_json:
        print_json({Path(cfg.work_dir).name: None if plan is None else plan_content(cfg, plan) for cfg, plan in plans})
        return
    for cfg, plan in plans:
        if plan is None:
            say(f"{shorten_path(cfg.work_dir)} is finished.")
        else:
            print_plan(cfg, plan, as_json=False)


def _scores(models: Adaptation) -> dict[str, tuple[Path, float | None]]:
    """Return folder and mIoU in % of each model by its name; None where the target has no labels."""
    return {
        "source_only": (models.source_only.folder, models.source_only.miou_pct),
        "adapted": (models.adapted.folder, models.adapted.miou_pct),
        "mean": (models.mean, None if models.scored is None else models.scored.result.miou_pct),
    }


def _print(models: Adaptation) -> None:
    for words, (folder, score) in zip(("source only", "adapted", "their mean"), _scores(models).values(), strict=True):
        say(f"{words:<12} {'no labels' if score is None else f'{score:.1f} mIoU':<10}  {shorten_path(folder)}")
    mean, source_only = (shlex.quote(shorten_path(folder)) for folder in (models.mean, models.source_only.folder))
    say(f"Map scenes with `rs-adapt predict SCENES --checkpoint {mean} --out maps`.")
    say(f"Compare both without labels with `rs-adapt judge {mean} --against {source_only}`.")
