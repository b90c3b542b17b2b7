"""The cost of a sweep: cells that cost the same are measured once, and the rest is extrapolated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

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


def probe_key(cell: SweepCell) -> tuple[Any, ...]:
    """Return a key that cells of equal cost share: names except seed and protocol, batch, crop, other overrides."""
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

    Every evaluation scores the validation tiles and the tiles that other selections need. At the end, up to four
    checkpoints are scored on the test tiles; none is if the protocol reports the validation tiles.
    """
    facts = cell.identity
    evaluations = math.ceil(cell.iters / int(facts["train_cfg.val_interval"]))
    num_checkpoints = min(len(SELECTIONS), evaluations)
    tiles = measured.tiles
    tiles_per_evaluation = sum(tiles.get(role, 0) for role in ("val", "source_val", "label_free"))
    reported = tiles.get("test", 0)
    final = num_checkpoints * reported if facts.get("protocol.report_split") == "test" else 0
    train_s = cell.iters * measured.iter_s
    classes = len(facts["bench.classes"])
    return Cost(
        hours=(measured.start_s + train_s + (evaluations * tiles_per_evaluation + final) * measured.tile_s) / 3600,
        train_hours=train_s / 3600,
        memory_mib=measured.memory_mib,
        disk_bytes=num_checkpoints * (measured.pack_bytes + reported * classes**2 * _COUNT_BYTES) + _SMALL_FILES_BYTES,
        state_bytes=measured.state_bytes,
    )


def build_plan(
    cells: Sequence[SweepCell],
    *,
    done: frozenset[str],
    measure: Measure,
    slots: int,
    on_probe: Callable[[int, int, SweepCell], None] = lambda number, count, cell: None,
) -> dict[str, object]:
    """Measure each kind of cell, and add up the costs.

    Args:
        cells: The cells of the sweep.
        done: Names of the finished cells, which are neither measured nor counted.
        measure: Returns the measurements of a cell, or the reason why it cannot be measured.
        slots: Cells at once.
        on_probe: Called before each probe with its number, the count of probes and the cell that represents its kind.

    Returns:
        JSON: `probes` (the measurements, and the cells that they represent), `cells` (extrapolated), `totals`, `notes`.
    """
    kinds: dict[tuple[Any, ...], list[SweepCell]] = {}
    for cell in cells:
        if cell.name not in done:
            kinds.setdefault(probe_key(cell), []).append(cell)
    probes: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    costs: list[Cost] = []
    for number, alike in enumerate(kinds.values(), start=1):
        on_probe(number, len(kinds), alike[0])
        outcome = measure(alike[0])
        row: dict[str, object] = {"not_measured": outcome} if isinstance(outcome, str) else asdict(outcome)
        probes.append({"stands_for": str(alike[0]), "cells": len(alike), **row})
        for cell in alike:
            if isinstance(outcome, str):
                rows.append({"cell": str(cell), "not_measured": outcome})
                continue
            costs.append(cost := extrapolate_cost(cell, outcome))
            rows.append({"cell": str(cell), "iters": cell.iters, **asdict(cost)})
    return {
        "probes": probes,
        "cells": rows,
        "totals": _totals(costs, count=len(rows), done=len(done), slots=slots),
        "notes": _notes(probes, slots=slots),
    }


def _totals(costs: Sequence[Cost], *, count: int, done: int, slots: int) -> dict[str, object]:
    hours = sum(cost.hours for cost in costs)
    at_once = max(1, min(slots, len(costs)))
    largest = sorted((cost.memory_mib for cost in costs), reverse=True)[:at_once]
    states = sorted((cost.state_bytes for cost in costs), reverse=True)[:at_once]
    return {
        "cells": count,
        "measured_cells": len(costs),
        "done_cells": done,
        "cell_hours": hours,
        "at_once": at_once,
        # The sweep takes at least as long as its longest cell.
        "wall_hours": max(hours / at_once, max((cost.hours for cost in costs), default=0.0)),
        "memory_mib_of_a_cell": max(largest, default=0),
        "memory_mib_at_once": sum(largest),
        "disk_bytes": sum(cost.disk_bytes for cost in costs) + sum(states),
    }


def _notes(probes: Sequence[Mapping[str, object]], *, slots: int) -> list[str]:
    kinds = {str(probe["memory_of"]) for probe in probes if "memory_of" in probe}
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
        notes.append("Memory is the peak of what torch allocated on the GPU; its context takes a few hundred MiB more.")
    if "process" in kinds:
        notes.append("Memory is the peak of the training process on the CPU; loader processes need additional memory.")
    if any("not_measured" in probe for probe in probes):
        notes.append("Cells that could not be measured are not in the totals.")
    return notes
