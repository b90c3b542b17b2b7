"""A sweep on the screen: its cells and their states as tables or JSON, and how to continue after a stop."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import print_json, result_console, shorten_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_adapt.runs.records import TuningRecord
    from rs_adapt.sweeps.cells import Expansion, SweepCell
    from rs_adapt.sweeps.folder import CellState
    from rs_adapt.sweeps.launch import RerunPolicy
    from rs_adapt.sweeps.spec import Spec


def print_sweep(
    spec: Spec,
    folder: Path,
    expansion: Expansion,
    cells: Sequence[SweepCell],
    states: dict[str, CellState],
    *,
    policy: RerunPolicy,
    dry_run: bool,
) -> None:
    """Print the cells with their states, failures, skipped combinations, counts, and options that run more cells."""
    from rs_adapt.sweeps.table import cells_table, counts_line, trouble_lines, tuned_lines

    console, errors = result_console(), error_console()
    console.print(cells_table(cells, states))

    def print_line(text: str) -> None:
        console.print(text, soft_wrap=True)

    for line in (*tuned_lines(cells, states), *trouble_lines(cells, states)):
        print_line(line)
    by_reason: dict[str, list[str]] = {}
    for skipped in expansion.skipped:
        by_reason.setdefault(skipped.reason, []).append(skipped.what)
    for reason, combinations in by_reason.items():
        more = f" and {len(combinations) - 1} more" if len(combinations) > 1 else ""
        print_line(f"skipped: {combinations[0]}{more}: {reason}")
    for remark in expansion.remarks:
        errors.print(f"{spec.file}: {remark}", soft_wrap=True)
    print_line(f"{spec.name}: {counts_line(states)}. Files: {shorten_path(folder)}")
    if dry_run:
        num_selected = sum(policy.selects(state) for state in states.values())
        num_resumed = sum(state.status == "interrupted" for state in states.values())
        resume_note = f", {num_resumed} of them from where they stopped" if num_resumed else ""
        print_line(f"Would run {num_selected} cell{'s' * (num_selected != 1)}{resume_note}.")
        print_line(f"`rs-adapt plan {spec.file}` measures the time, memory and disk that they take.")
    statuses = {state.status for state in states.values()}
    if "stale" in statuses and not policy.rerun_stale:
        print_line("Stale results stay as they are; --rerun-stale runs those cells again.")
    if "failed" in statuses and not (dry_run and policy.retry_failed):
        print_line("--retry-failed runs failed cells again.")


def print_sweep_json(
    spec: Spec,
    folder: Path,
    expansion: Expansion,
    cells: Sequence[SweepCell],
    states: dict[str, CellState],
    *,
    policy: RerunPolicy,
    dry_run: bool,
    tuning: TuningRecord | None,
) -> None:
    """Print the sweep and the states of its cells as JSON."""
    from rs_adapt.sweeps.table import cell_facts

    content = {
        "name": spec.name,
        "folder": str(folder),
        "dry_run": dry_run,
        "cells": [
            cell_facts(cell, states[cell.name]) | ({"would_run": policy.selects(states[cell.name])} if dry_run else {})
            for cell in cells
        ],
        "skipped": [vars(skipped) for skipped in expansion.skipped],
        "remarks": list(expansion.remarks),
    }
    print_json(content if tuning is None else content | {"tuning": tuning.content()})


def print_how_to_continue() -> None:
    """Print the command that continues a stopped sweep, as it was typed."""
    command = shlex.join(["rs-adapt", *sys.argv[1:]])
    error_console().print(
        f"Stopped; the running cells are saved. Continue with\n  {command}",
        highlight=False,
        soft_wrap=True,
    )
