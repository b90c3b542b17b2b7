"""The cost of a sweep: cells that cost the same are measured once, and the rest is extrapolated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.sweeps.cells import SweepCell
from rs_adapt.sweeps.probe import MEASURED_ITERS, WARMUP_ITERS, Measured

# Of counts in a confusion matrix, before compression.
_COUNT_BYTES = 8
# Configuration, log, metrics, pictures of a run: those of the synthetic bench have 0.4 MB.
_SMALL_FILES_BYTES = 2**20
# Overrides that change how long a run is and not what an iteration costs.
_LENGTH = ("bench.schedule.iters=", "bench.schedule.eval_every=")

Measure = Callable[[SweepCell], Measured | str]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one cell.

    `hours` are of the whole cell, `train_hours` of the iterations alone; `disk_bytes` stay, `state_bytes` lie there
    while it runs.
    """

    hours: float
    train_hours: float
    memory_mib: int
    disk_bytes: int
    state_bytes: int


def probe_key(cell: SweepCell) -> tuple[Any, ...]:
    """Return what cells have in common that cost the same: all names but seed and protocol, batch, crop, overrides."""
    names, facts = cell.cell, cell.identity
    return (
        *(names.bench, names.setting, names.method, names.backbone, names.head, names.strategy, names.tuned),
        facts.get(f"bench.schedule.batch_size.{names.setting}"),
        facts.get("bench.crop_px"),
        facts.get("bench.inference.mode"),
        *(text for text in cell.overrides if not text.startswith(_LENGTH)),
    )


def extrapolate_cost(cell: SweepCell, found: Measured) -> Cost:
    """Extrapolate from a probe to a whole cell.

    Every evaluation scores the validation tiles and the tiles that the other selections look at; at the end, up to
    four checkpoints are scored on the test tiles, none where the validation tiles are what is reported.
    """
    facts = cell.identity
    evaluations = math.ceil(cell.iters / int(facts["train_cfg.val_interval"]))
    num_checkpoints = min(len(SELECTIONS), evaluations)
    tiles = found.tiles
    each = sum(tiles.get(role, 0) for role in ("val", "source_val", "label_free"))
    reported = tiles.get("test", 0)
    final = num_checkpoints * reported if facts.get("protocol.report_split") == "test" else 0
    train_s = cell.iters * found.iter_s
    classes = len(facts["bench.classes"])
    return Cost(
        hours=(found.start_s + train_s + (evaluations * each + final) * found.tile_s) / 3600,
        train_hours=train_s / 3600,
        memory_mib=found.memory_mib,
        disk_bytes=num_checkpoints * (found.pack_bytes + reported * classes**2 * _COUNT_BYTES) + _SMALL_FILES_BYTES,
        state_bytes=found.state_bytes,
    )


def make_plan(
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
        done: Names of cells that are not run again; they are neither measured nor counted.
        measure: A probe, or the reason why there is none.
        slots: Cells at once.
        on_probe: Called before each probe with its number, their count and the cell that stands for its kind.

    Returns:
        JSON: `probes` (what was measured, for which cells), `cells` (extrapolated), `totals`, `notes`.
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
        found = measure(alike[0])
        row: dict[str, object] = {"not_measured": found} if isinstance(found, str) else asdict(found)
        probes.append({"stands_for": str(alike[0]), "cells": len(alike), **row})
        for cell in alike:
            if isinstance(found, str):
                rows.append({"cell": str(cell), "not_measured": found})
                continue
            costs.append(cost := extrapolate_cost(cell, found))
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
        # The longest cell is a bound, too.
        "wall_hours": max(hours / at_once, max((cost.hours for cost in costs), default=0.0)),
        "memory_mib_of_a_cell": max(largest, default=0),
        "memory_mib_at_once": sum(largest),
        "disk_bytes": sum(cost.disk_bytes for cost in costs) + sum(states),
    }


def _notes(probes: Sequence[Mapping[str, object]], *, slots: int) -> list[str]:
    kinds = {str(one["memory_of"]) for one in probes if "memory_of" in one}
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
        notes.append("Memory is the peak of what torch allocated on the GPU; its context takes some hundred MiB more.")
    if "process" in kinds:
        notes.append("Memory is the peak of the training process on the CPU; loader processes come on top.")
    if any("not_measured" in one for one in probes):
        notes.append("Cells that could not be measured are in no total.")
    return notes
