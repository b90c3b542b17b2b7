"""Measure a plan in a slot of the sweep's launcher, and print it as tables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import result_console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_adapt.sweeps.cells import SweepCell
    from rs_adapt.sweeps.local import Local
    from rs_adapt.sweeps.plan import SweepCost
    from rs_adapt.sweeps.probe import Measured
    from rs_adapt.sweeps.spec import Spec


def measure_plan(spec: Spec, cells: Sequence[SweepCell], *, launcher: Local, data_root: Path | None) -> SweepCost:
    """Measure the cells that are not done in the first slot of the launcher; see `build_plan`."""
    from rs_adapt.sweeps.launch import read_states
    from rs_adapt.sweeps.plan import build_plan
    from rs_adapt.sweeps.probe import probe

    console = error_console()
    root = spec.data_root if data_root is None else str(data_root)

    def measure(cell: SweepCell) -> Measured | str:
        return probe(
            cell.cell,
            overrides=cell.overrides,
            data_root=root,
            weights=spec.weights,
            env=os.environ | launcher.environment(0, cell.identity),
        )

    def print_probe(number: int, count: int, cell: SweepCell) -> None:
        console.print(f"measuring {number}/{count}: {cell}", highlight=False, soft_wrap=True)

    states = read_states(cells)
    done = frozenset(name for name, state in states.items() if state.status == "done")
    return build_plan(cells, done=done, measure=measure, slots=launcher.slots, on_probe=print_probe)


def print_plan(cost: SweepCost, *, launcher: str) -> None:
    """Print the measurements, the estimate of each cell, and the totals."""
    from rich.table import Table

    console = result_console()
    probes = Table(title="Measured", title_justify="left", box=None, header_style="bold", pad_edge=False)
    probes.add_column("measured for", overflow="fold")
    for name in ("cells", "s/iteration", "s/tile", "start s", "memory MiB", "pack MB", "state MB"):
        probes.add_column(name, justify="right", no_wrap=True)
    for kind in cost.probes:
        if not isinstance(measured := kind.outcome, str):
            probes.add_row(
                kind.stands_for,
                str(kind.cells),
                *(f"{seconds:.3f}" for seconds in (measured.iter_s, measured.tile_s)),
                f"{measured.start_s:.0f}",
                str(measured.memory_mib),
                *(f"{size / 1e6:.1f}" for size in (measured.pack_bytes, measured.state_bytes)),
            )
    if probes.row_count:
        console.print(probes)
    cells = Table(title="By cell", title_justify="left", box=None, header_style="bold", pad_edge=False)
    cells.add_column("cell", overflow="fold")
    for name in ("iterations", "time", "training", "disk MB"):
        cells.add_column(name, justify="right", no_wrap=True)
    for row in cost.cells:
        if not isinstance(row.cost, str):
            cells.add_row(
                row.cell,
                str(row.iters),
                _duration(row.cost.hours),
                _duration(row.cost.train_hours),
                f"{row.cost.disk_bytes / 1e6:.1f}",
            )
    if cells.row_count:
        console.print(cells)

    def print_line(text: str) -> None:
        console.print(text, soft_wrap=True)

    for kind in cost.probes:
        if isinstance(kind.outcome, str):
            others = f" and {kind.cells - 1} more" if kind.cells > 1 else ""
            print_line(f"not measured: {kind.stands_for}{others}: {kind.outcome}")
    totals = cost.totals
    done_note = f", {totals.done_cells} more are done" if totals.done_cells else ""
    count = f"{totals.cells} cell{'s' * (totals.cells != 1)}{done_note}"
    print_line(f"{count}; {totals.measured_cells} measured; {launcher}")
    if totals.measured_cells:
        print_line(
            f"Time: {_duration(totals.cell_hours)} of computation, {_duration(totals.wall_hours)} on the clock, "
            f"{totals.at_once} at once. Memory: up to {totals.memory_mib_of_a_cell} MiB a cell, "
            f"{totals.memory_mib_at_once} MiB at once. Disk: {totals.disk_bytes / 1e9:.2f} GB."
        )
    for note in cost.notes:
        print_line(note)


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
