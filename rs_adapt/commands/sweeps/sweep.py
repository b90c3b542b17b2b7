"""`rs-adapt sweep`: run all cells of a sweep's file that are not done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options

Launcher = Annotated[str | None, options.launcher("the file's, else local")]
Jobs = Annotated[int | None, options.jobs("one per GPU, else one")]
Gpus = Annotated[
    str | None, typer.Option("--gpus", help="Indices of the GPUs to use, such as 0,1; '' for none (default: all).")
]
Only = Annotated[
    str | None,
    typer.Option("--only", help="Only cells whose name or folder contains this text, or matches it with * and ?."),
]
NoCode = Annotated[
    bool, typer.Option("--no-code", help="Refuse a file that can run code of its own: for files that others wrote.")
]
Tune = Annotated[
    str | None,
    typer.Option(
        "--tune",
        help="Choose a setting for each target among finished cells, without its labels: label-free for the "
        "statistic that did so best, or the name of one, such as info-max.",
        metavar="STATISTIC",
    ),
]


def sweep(
    file: Annotated[
        Path, typer.Argument(help="The sweep's file, such as configs/sweep/paper_da.toml.", metavar="FILE")
    ],
    dry_run: options.DryRun = False,
    jobs: Jobs = None,
    gpus: Gpus = None,
    launcher: Launcher = None,
    rerun_stale: Annotated[
        bool, typer.Option("--rerun-stale", help="Run cells again whose result belongs to a different configuration.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    only: Only = None,
    tune: Tune = None,
    work_dir: options.WorkDir = None,
    data_root: options.DataRoot = None,
    plugins: options.Plugins = None,
    no_code: NoCode = False,
    as_json: options.AsJson = False,
) -> None:
    """Run the cells of a sweep: skip finished cells, resume interrupted ones, report failures.

    A sweep's file is code: it may name programs and classes. --no-code refuses one that does.

    After Ctrl-C, a kill or a failure, run the same command to continue. Exit codes: 0 all cells are done, 1 some are
    not, 2 wrong file or options, 130 stopped.

    $ rs-adapt sweep configs/sweep/synthetic_all.toml --jobs 2

    $ rs-adapt sweep configs/sweep/paper_da.toml --dry-run

    $ rs-adapt sweep configs/sweep/adaptation.toml --tune label-free
    """
    from rs_adapt.commands.console import result_console
    from rs_adapt.commands.sweeps.printing import print_how_to_continue, print_sweep, print_sweep_json
    from rs_adapt.commands.sweeps.running import run_selected
    from rs_adapt.commands.sweeps.selecting import apply_launcher_options, read_sweep, select_cells
    from rs_adapt.sweeps.launch import RerunPolicy, read_states
    from rs_adapt.sweeps.tuning import check_tuning, choose_settings, tuning_lines, write_tuning

    spec, folder, expansion = read_sweep(file, work_dir=work_dir, data_root=data_root, no_code=no_code)
    spec = apply_launcher_options(spec, kind=launcher, jobs=jobs, gpus=gpus)
    cells = select_cells(expansion.cells, only)
    statistic = None if tune is None else check_tuning(cells, tune)
    policy = RerunPolicy(rerun_stale=rerun_stale, retry_failed=retry_failed)
    finished = True
    if not dry_run:
        states, finished = run_selected(spec, folder, expansion, cells, policy=policy)
    else:
        states = read_states(cells)
    tuning = None if statistic is None else choose_settings(cells, states, statistic=statistic, sweep=spec.name)
    if tuning is not None and not dry_run:
        write_tuning(folder, tuning)
    if as_json:
        print_sweep_json(spec, folder, expansion, cells, states, policy=policy, dry_run=dry_run, tuning=tuning)
    else:
        print_sweep(spec, folder, expansion, cells, states, policy=policy, dry_run=dry_run)
        for line in () if tuning is None else tuning_lines(tuning):
            result_console().print(line, highlight=False, soft_wrap=True)
    if not finished:
        print_how_to_continue()
        raise typer.Exit(130)
    if not dry_run and any(state.status != "done" for state in states.values()):
        raise typer.Exit(1)
