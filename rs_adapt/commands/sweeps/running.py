"""Run the cells of a sweep under signals, with a live table on a terminal or a line for each change elsewhere."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from rs_adapt.api.progress import error_console
from rs_adapt.signals import STOP_SIGNALS, handle_signals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_adapt.sweeps.cells import Expansion, SweepCell
    from rs_adapt.sweeps.folder import CellState
    from rs_adapt.sweeps.launch import RerunPolicy
    from rs_adapt.sweeps.spec import Spec

_REDRAW_S = 0.5


def run_selected(
    spec: Spec, folder: Path, expansion: Expansion, cells: Sequence[SweepCell], *, policy: RerunPolicy
) -> tuple[dict[str, CellState], bool]:
    """Run the selected cells that are not done, and show their progress on standard error.

    Returns:
        The states of the cells at the end, and whether the sweep ended without being stopped.
    """
    from rs_adapt.commands import main
    from rs_adapt.launchers.stop import Stop
    from rs_adapt.sweeps.launch import Progress, choose_launcher, read_states, run_cells
    from rs_adapt.sweeps.table import change_line, counts_line, live_view, write_sweep_file

    stop = Stop()
    launcher = choose_launcher(spec.launcher, log_dir=str(folder / "slurm"), stop=stop, run_inline=main)
    write_sweep_file(folder, spec, expansion)
    for cell in expansion.cells:
        cell.move_to_folder()
    progress = Progress(states=read_states(cells))
    console = error_console()
    console.print(f"{spec.name}: {counts_line(progress.states)}; {launcher.description}", highlight=False)
    run = partial(
        run_cells,
        cells,
        launcher,
        spec=spec.launcher,
        retries=spec.retries,
        policy=policy,
        stop=stop,
        progress=progress,
    )
    with handle_signals(STOP_SIGNALS, stop):
        # A cell that runs in this process prints its own progress.
        if not console.is_terminal or spec.launcher.kind == "inline":
            progress.on_change = lambda cell, state: console.print(
                change_line(cell, state, {**progress.states, cell.name: state}),
                highlight=False,
                soft_wrap=True,
            )
            finished = run()
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
                finished = run()
    return read_states(cells), finished
