"""`rs-adapt lint`: find what makes the score of a cell, a config or a run mean something other than its label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, say
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def lint(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="Run folder, configuration or training log, of rs-adapt or of another program on mmengine or mmcv; "
            "leave out with --bench.",
            metavar="RUN | CONFIG.py | LOG",
        ),
    ] = None,
    bench: options.OptionalBench = None,
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
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    set_: options.Set = None,
    no_data: Annotated[bool, typer.Option("--no-data", help="Do not read the tiles.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="Print the rules instead.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Find target labels in training, val = test, wrong class lists, shared tiles, changed recipes.

    Every finding names file, key and consequence. Exit code 1 if an error is found; warnings and notes give 0.
    Files of other programs are read as data, with their bases: nothing in them is executed.

    $ rs-adapt lint --bench loveda-da --protocol paper --no-data

    $ rs-adapt lint work_dirs/synthetic/da/dinov2_nano-linear/earth_adapter/dacs/seed0

    $ rs-adapt lint their_repository/configs/uda/r2u.py
    """
    from rs_adapt.audit.lint.text import as_plain, as_text, rules_plain, rules_text

    if rules:
        if as_json:
            print_json(rules_plain())
        else:
            say(rules_text())
        return
    cell_options = {
        "--setting": setting,
        "--direction": direction,
        "--method": method,
        "--backbone": backbone,
        "--head": head,
        "--strategy": strategy,
        "--seed": seed,
        "--untuned": untuned,
        "--protocol": protocol,
        "--iters": iters,
        "--batch-size": batch_size,
        "--precision": precision,
        "--weights": weights,
        "--set": set_,
    }
    if (path is None) == (bench is None):
        given = "neither is" if path is None else "both are"
        raise ConfigError(
            f"Lint takes either a run or config, or a cell with --bench; {given} given. Name exactly one."
        )
    if path is not None:
        if cell_names := [name for name, value in cell_options.items() if value]:
            raise ConfigError(
                f"{cell_names[0]} describes a cell and needs --bench; {path} states its own cell. Leave the option out."
            )
        subject: Path | ResolvedConfig = path
    else:
        from rs_adapt.api.configuration import compose

        assert bench is not None
        subject = compose(
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
            weights=weights,
            data_root=data_root,
            overrides=set_ or (),
        )
    from rs_adapt.api.checking import lint as lint_subject

    report = lint_subject(subject, data=not no_data, data_root=data_root)
    if as_json:
        print_json(as_plain(report.title, report.findings))
    else:
        say(f"{report.title}\n\n{as_text(report.findings)}")
    if report.errors:
        raise typer.Exit(1)
