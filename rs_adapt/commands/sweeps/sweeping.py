"""What `sweep` and `plan` have in common: open a sweep's file, choose cells, run them under signals, print them."""

from __future__ import annotations

import fnmatch
import json
import shlex
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import result_console, shown_path
from rs_adapt.errors import ConfigError
from rs_adapt.signals import handle_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.sweeps.cells import Expansion, SweepCell
    from rs_adapt.sweeps.folder import CellState
    from rs_adapt.sweeps.launch import Choice
    from rs_adapt.sweeps.spec import Spec

_REDRAW_S = 0.5


def opened(file: Path, *, work_dir: Path | None, data_root: Path | None) -> tuple[Spec, Path, Expansion]:
    """Read and expand a sweep's file, or the shipped one of that name; gives it, its folder and the cells.

    Raises:
        ConfigError: the file cannot be used; see `read_spec` and `expand`.
    """
    from rs_adapt.sweeps.cells import expand
    from rs_adapt.sweeps.spec import read_spec

    spec = read_spec(_found(file))
    folder = (work_dir or Path("work_dirs") / spec.name).expanduser().resolve()
    return spec, folder, expand(spec, folder=folder, data_root=None if data_root is None else str(data_root))


def _found(file: Path) -> Path:
    """The file, or the shipped sweep of that name: an installed package has no `configs/` beside it."""
    from rs_adapt.config.paths import configs_dir

    shipped = configs_dir() / "sweep" / f"{file.stem}.toml"
    named = file.suffix == "" or file.parent == Path("configs/sweep")
    return shipped if named and not file.is_file() and shipped.is_file() else file


def opened_cell(
    axes: dict[str, tuple[str, ...]],
    *,
    texts: tuple[str, ...],
    iters: int | None,
    untuned: bool,
    precision: str | None,
    weights: str | None,
    data_root: Path | None,
) -> tuple[Spec, Expansion]:
    """Return one cell of the command line as a sweep of its own.

    Raises:
        ConfigError: a name or an override is not usable.
    """
    from rs_adapt.sweeps.cells import expand
    from rs_adapt.sweeps.spec import Group, LauncherSpec, Spec

    group = Group(where="", name="", axes={**axes}, set=texts, iters=iters, untuned=untuned)
    spec = Spec(
        file=Path("command line"),
        name="cell",
        title="",
        groups=(group,),
        skip=(),
        precision=precision,
        weights=weights,
        data_root=None if data_root is None else str(data_root),
        retries=0,
        launcher=LauncherSpec(),
    )
    # A folder that is not there: nothing in it is done.
    return spec, expand(spec, folder=Path("work_dirs").resolve() / ".plan")


def launcher_of(spec: Spec, *, kind: str | None, jobs: int | None, gpus: str | None) -> Spec:
    """Return the sweep with the launcher that the options ask for.

    Raises:
        ConfigError: an option's value is not usable.
    """
    from rs_adapt.sweeps.spec import LAUNCHERS

    changes: dict[str, object] = {}
    if kind is not None:
        if kind not in LAUNCHERS:
            raise ConfigError(f"--launcher {kind} is unknown. Allowed: {', '.join(LAUNCHERS)}.")
        changes["kind"] = kind
    if jobs is not None:
        changes["jobs"] = jobs
    if gpus is not None:
        numbers = [part.strip() for part in gpus.split(",") if part.strip()]
        if not all(number.isdigit() for number in numbers):
            raise ConfigError(f"--gpus {gpus!r} is no list of numbers. Use --gpus 0,1, or --gpus '' for none.")
        changes["gpus"] = tuple(int(number) for number in numbers)
    return replace(spec, launcher=spec.launcher.model_copy(update=changes))


def chosen(cells: Sequence[SweepCell], only: str | None) -> list[SweepCell]:
    """Return the cells that a pattern names; all without one.

    Raises:
        ConfigError: it names none.
    """
    if only is None:
        return list(cells)
    pattern = only if any(sign in only for sign in "*?[") else f"*{only}*"
    found = [cell for cell in cells if any(fnmatch.fnmatchcase(text, pattern) for text in (str(cell), cell.name))]
    if not found:
        raise ConfigError(
            f"--only {only!r} names none of the {len(cells)} cells, of which the first is {str(cells[0])!r} in "
            f"{cells[0].name}. --dry-run prints all."
        )
    return found


def run(
    spec: Spec, folder: Path, expansion: Expansion, cells: Sequence[SweepCell], *, choice: Choice
) -> tuple[dict[str, CellState], bool]:
    """Run what is to be run; gives the states at the end, and whether it came to its end without a stop."""
    from rs_adapt.commands import main
    from rs_adapt.sweeps.launch import Progress, choose_launcher, read_states, run_cells
    from rs_adapt.sweeps.table import change_line, counts_line, live_view, write_sweep_file
    from rs_adapt.sweeps.work import Stop

    stop = Stop()
    launcher = choose_launcher(spec.launcher, log_dir=str(folder / "slurm"), stop=stop, run_inline=main)
    write_sweep_file(folder, spec, expansion)
    progress = Progress(states=read_states(cells))
    console = error_console()
    console.print(f"{spec.name}: {counts_line(progress.states)}; {launcher.described}", highlight=False)
    arguments: dict[str, Any] = {"spec": spec.launcher, "retries": spec.retries, "choice": choice, "stop": stop}
    with handle_signals((signal.SIGINT, signal.SIGTERM), stop):
        # A cell in this process prints by itself.
        if not console.is_terminal or spec.launcher.kind == "inline":
            progress.on_change = lambda cell, state: console.print(
                change_line(cell, state, {**progress.states, cell.name: state}),
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
            finished = run_cells(cells, launcher, progress=progress, **arguments)
        else:
            from rich.live import Live

            with Live(console=console, auto_refresh=False, transient=True) as live:
                drawn_s = 0.0

                def draw() -> None:
                    nonlocal drawn_s
                    if time.monotonic() - drawn_s >= _REDRAW_S:
                        drawn_s = time.monotonic()
                        live.update(live_view(cells, progress.states, height=console.height), refresh=True)

                progress.on_tick = draw
                finished = run_cells(cells, launcher, progress=progress, **arguments)
    return read_states(cells), finished


def show(
    spec: Spec,
    folder: Path,
    expansion: Expansion,
    cells: Sequence[SweepCell],
    states: dict[str, CellState],
    *,
    choice: Choice,
    dry_run: bool,
) -> None:
    """Print the table of the cells, what is wrong, what is skipped, the counts, and which options would do more."""
    from rs_adapt.sweeps.table import cells_table, counts_line, trouble_lines

    console, remarks = result_console(), error_console()
    console.print(cells_table(cells, states))

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    for line in trouble_lines(cells, states):
        say(line)
    by_reason: dict[str, list[str]] = {}
    for one in expansion.skipped:
        by_reason.setdefault(one.reason, []).append(one.what)
    for reason, what in by_reason.items():
        more = f" and {len(what) - 1} more" if len(what) > 1 else ""
        say(f"skipped: {what[0]}{more}: {reason}")
    for remark in expansion.remarks:
        remarks.print(f"{spec.file}: {remark}", markup=False, soft_wrap=True)
    say(f"{spec.name}: {counts_line(states)}. Files: {shown_path(folder)}")
    if dry_run:
        wanted = sum(choice.wants(state) for state in states.values())
        resumed = sum(state.status == "interrupted" for state in states.values())
        going_on = f", {resumed} of them from where they stopped" if resumed else ""
        say(f"Would run {wanted} cell{'s' * (wanted != 1)}{going_on}.")
        say(f"`rs-adapt plan {spec.file}` measures what that costs.")
    statuses = {state.status for state in states.values()}
    if "stale" in statuses and not choice.rerun_stale:
        say("Stale results are kept as they are; --rerun-stale runs them anew.")
    if "failed" in statuses and not (dry_run and choice.retry_failed):
        say("--retry-failed runs failed cells once more.")


def say_how_to_go_on() -> None:
    """Print the command that continues a stopped sweep, as it was typed."""
    again = shlex.join(["rs-adapt", *sys.argv[1:]])
    error_console().print(
        f"Stopped; what was running is saved. Continue with\n  {again}", highlight=False, soft_wrap=True, markup=False
    )


def show_json(
    spec: Spec,
    folder: Path,
    expansion: Expansion,
    cells: Sequence[SweepCell],
    states: dict[str, CellState],
    *,
    choice: Choice,
    dry_run: bool,
) -> None:
    """Print the same as JSON."""
    from rs_adapt.sweeps.table import cell_facts

    content = {
        "name": spec.name,
        "folder": str(folder),
        "dry_run": dry_run,
        "cells": [
            cell_facts(cell, states[cell.name]) | ({"would_run": choice.wants(states[cell.name])} if dry_run else {})
            for cell in cells
        ],
        "skipped": [vars(one) for one in expansion.skipped],
        "remarks": list(expansion.remarks),
    }
    print(json.dumps(content, indent=2))
