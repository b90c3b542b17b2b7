"""The cost of a sweep: cells that cost the same are measured once, and the rest is extrapolated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from rs_adapt.config.tasks import SUPER_RESOLUTION
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.sweeps.cells import SweepCell
from rs_adapt.sweeps.probe import MEASURED_ITERS, WARMUP_ITERS, Measured

# Size of a count in a confusion matrix, before compression.
_COUNT_BYTES = 8
# Allowance for the configuration, log, metrics and pictures of a run; a run on the synthetic bench has 0.4 MB.
_SMALL_FILES_BYTES = 2**20
# Overrides that change the length of a run, but not the cost of an iteration.
_LENGTH = ("bench.schedule.iters=", "bench.schedule.eval_every=")

Measure = Callable[[SweepCell], Measured | str]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a cell.

    `hours` is the time of the whole cell, `train_hours` the time of its iterations. `disk_bytes` remain after the run,
    `state_bytes` exist only while it runs.
    """

    hours: float
    train_hours: float
    memory_mib: int
    disk_bytes: int
    state_bytes: int


@dataclass(frozen=True, kw_only=True)
class ProbedKind:
    """Cells of equal cost, and the probe of one of them.

    Attributes:
        stands_for: The cell that was measured, in one line.
        cells: Number of cells of this kind.
        outcome: The measurements, or the reason why there are none.
    """

    stands_for: str
    cells: int
    outcome: Measured | str

    def content(self) -> dict[str, object]:
        """Return the kind as JSON."""
        outcome = {"not_measured": self.outcome} if isinstance(self.outcome, str) else asdict(self.outcome)
        return {"stands_for": self.stands_for, "cells": self.cells, **outcome}


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """The extrapolated cost of a cell, or the reason why it is not known.

    Attributes:
        cell: The cell in one line.
        iters: Its training iterations.
        cost: The cost, or the reason.
    """

    cell: str
    iters: int
    cost: Cost | str

    def content(self) -> dict[str, object]:
        """Return the cost of the cell as JSON."""
        if isinstance(self.cost, str):
            return {"cell": self.cell, "not_measured": self.cost}
        return {"cell": self.cell, "iters": self.iters, **asdict(self.cost)}


@dataclass(frozen=True, kw_only=True)
class TotalCost:
    """The cost of all measured cells together.

    `cells` are those that are not done, `at_once` those that run at the same time. `cell_hours` is the sum over the
    cells, `wall_hours` the time on the clock.
    """

    cells: int
    measured_cells: int
    done_cells: int
    cell_hours: float
    at_once: int
    wall_hours: float
    memory_mib_of_a_cell: int
    memory_mib_at_once: int
    disk_bytes: int


@dataclass(frozen=True, kw_only=True)
class SweepCost:
    """The cost of a sweep: the measurements, the estimate of each cell, the sum, and notes for the reader."""

    probes: tuple[ProbedKind, ...]
    cells: tuple[CellCost, ...]
    totals: TotalCost
    notes: tuple[str, ...]

    def content(self) -> dict[str, object]:
        """Return the cost as plain values, for JSON."""
        return {
            "probes": [probe.content() for probe in self.probes],
            "cells": [cell.content() for cell in self.cells],
            "totals": asdict(self.totals),
            "notes": list(self.notes),
        }


def probe_key(cell: SweepCell) -> tuple[Any, ...]:
    """Return a key that is equal for cells of equal cost, which one probe measures for all.

    It holds the names of the cell except its seed and protocol, the batch and crop sizes, the inference mode, and all
    overrides except those that change the length of the training.
    """
    names, facts = cell.cell, cell.identity
    return (
        *(names.bench, names.setting, names.method, names.backbone, names.head, names.strategy, names.tuned),
        facts.get(f"bench.schedule.batch_size.{names.setting}"),
        facts.get("bench.crop_px"),
        facts.get("bench.inference.mode"),
        *(text for text in cell.overrides if not text.startswith(_LENGTH)),
    )


def extrapolate_cost(cell: SweepCell, measured: Measured) -> Cost:
    """Extrapolate from a probe to a whole cell.

    Every evaluation scores the validation tiles and the tiles that other selections need. At the end, up to five
    checkpoints are scored on the test tiles; none is if the protocol reports the validation tiles. Super-resolution
    saves and scores the last one alone, and a run without training has no evaluation before it.
    """
    facts = cell.identity
    is_flow = facts.get("bench.task") == SUPER_RESOLUTION
    evaluations = math.ceil(cell.iters / cast("int", facts["train_cfg.val_interval"]))
    num_checkpoints = 1 if is_flow else min(len(SELECTIONS), evaluations)
    if is_flow and not measured.state_bytes:
        evaluations = 0
    tiles = measured.tiles
    tiles_per_evaluation = sum(tiles.get(role, 0) for role in ("val", "source_val", "label_free"))
    reported = tiles.get("test", 0)
    final = num_checkpoints * reported if facts.get("protocol.report_split") == "test" else 0
    train_s = cell.iters * measured.iter_s
    classes = len(cast("list[str]", facts["bench.classes"]))
    # Super-resolution stores scores, not counts of classes.
    matrices_bytes = 0 if is_flow else reported * classes**2 * _COUNT_BYTES
    return Cost(
        hours=(measured.start_s + train_s + (evaluations * tiles_per_evaluation + final) * measured.tile_s) / 3600,
        train_hours=train_s / 3600,
        memory_mib=measured.memory_mib,
        disk_bytes=num_checkpoints * (measured.pack_bytes + matrices_bytes) + _SMALL_FILES_BYTES,
        state_bytes=measured.state_bytes,
    )


def build_plan(
    cells: Sequence[SweepCell],
    *,
    done: frozenset[str],
    measure: Measure,
    slots: int,
    on_probe: Callable[[int, int, SweepCell], None] = lambda number, count, cell: None,
) -> SweepCost:
    """Measure each kind of cell, and add up the costs.

    Args:
        cells: The cells of the sweep.
        done: Names of the finished cells, which are neither measured nor counted.
        measure: Returns the measurements of a cell, or the reason why it cannot be measured.
        slots: Cells at once.
        on_probe: Called before each probe with its number, the count of probes and the cell that represents its kind.
    """
    kinds: dict[tuple[Any, ...], list[SweepCell]] = {}
    for cell in cells:
        if cell.name not in done:
            kinds.setdefault(probe_key(cell), []).append(cell)
    probes: list[ProbedKind] = []
    rows: list[CellCost] = []
    for number, alike in enumerate(kinds.values(), start=1):
        on_probe(number, len(kinds), alike[0])
        outcome = measure(alike[0])
        probes.append(ProbedKind(stands_for=str(alike[0]), cells=len(alike), outcome=outcome))
        for cell in alike:
            cost = outcome if isinstance(outcome, str) else extrapolate_cost(cell, outcome)
            rows.append(CellCost(cell=str(cell), iters=cell.iters, cost=cost))
    costs = [row.cost for row in rows if isinstance(row.cost, Cost)]
    return SweepCost(
        probes=tuple(probes),
        cells=tuple(rows),
        totals=_totals(costs, count=len(rows), done=len(done), slots=slots),
        notes=tuple(_notes(probes, slots=slots)),
    )


def _totals(costs: Sequence[Cost], *, count: int, done: int, slots: int) -> TotalCost:
    hours = sum(cost.hours for cost in costs)
    at_once = max(1, min(slots, len(costs)))
    largest = sorted((cost.memory_mib for cost in costs), reverse=True)[:at_once]
    states = sorted((cost.state_bytes for cost in costs), reverse=True)[:at_once]
    return TotalCost(
        cells=count,
        measured_cells=len(costs),
        done_cells=done,
        cell_hours=hours,
        at_once=at_once,
        # The sweep takes at least as long as its longest cell.
        wall_hours=max(hours / at_once, max((cost.hours for cost in costs), default=0.0)),
        memory_mib_of_a_cell=max(largest, default=0),
        memory_mib_at_once=sum(largest),
        disk_bytes=sum(cost.disk_bytes for cost in costs) + sum(states),
    )


def _notes(probes: Sequence[ProbedKind], *, slots: int) -> list[str]:
    kinds = {probe.outcome.memory_of for probe in probes if isinstance(probe.outcome, Measured)}
    measured = [
        f"Measured: {MEASURED_ITERS} iterations after {WARMUP_ITERS} of each kind of cell, the time of a tile, memory, "
        "pack and state. Extrapolated: all hours and bytes, by the numbers of iterations, evaluations and tiles; up to "
        f"{len(SELECTIONS)} checkpoints of a run are saved and scored.",
    ]
    notes = measured if kinds else []
    if slots > 1 and kinds:
        notes.append(
            f"Each kind was measured alone: {slots} cells at once share disk and memory bandwidth and may be slower."
        )
    if "GPU" in kinds:
        notes.append("Memory is the peak that torch allocated on the GPU; its context takes a few hundred MiB more.")
    if "process" in kinds:
        notes.append("Memory is the peak of the training process on the CPU; loader processes need additional memory.")
    if any(isinstance(probe.outcome, str) for probe in probes):
        notes.append("Cells that could not be measured are not in the totals.")
    return notes
