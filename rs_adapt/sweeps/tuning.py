"""Choice among the settings of a sweep by a statistic that needs no target labels.

Scores on the target are never read: the value of a cell is that which its training recorded on unlabelled images, at
the iteration of the checkpoint that the cell reports.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from rs_adapt.config.names import normalize
from rs_adapt.config.wire_protocol import STATISTICS
from rs_adapt.errors import ConfigError
from rs_adapt.runs.files import TUNING_FILE
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.records import (
    EvaluationLine,
    SkippedCell,
    TunedCandidate,
    TunedChoice,
    TuningRecord,
    write_record,
)
from rs_adapt.runs.selection import LARGER_IS_BETTER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rs_adapt.sweeps.cells import SweepCell
    from rs_adapt.sweeps.folder import CellState

# The statistic of `--tune label-free`: of all that were measured it ordered settings best on the development pairs of
# `shifts` (docs/project/results-selection.md).
DEFAULT = "prior_agreement"
_ANY = "label_free"


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """The statistic of a finished cell, at the iteration of its reported checkpoint."""

    cell: SweepCell
    iteration: int
    value: float


def check_tuning(cells: Sequence[SweepCell], statistic: str) -> str:
    """Return the name of the statistic that an option gives; nothing of a run is read.

    Args:
        cells: The cells of a sweep.
        statistic: "label-free" for `DEFAULT`, or a name.

    Raises:
        ConfigError: There is no such statistic, or no cell adapts.
    """
    name = normalize(statistic)
    if name not in (_ANY, *STATISTICS):
        allowed = ", ".join(("label-free", *(each.replace("_", "-") for each in STATISTICS)))
        raise ConfigError(f"--tune {statistic!r} is no statistic. Allowed: {allowed}.")
    if all(cell.cell.setting != "da" for cell in cells):
        raise ConfigError(
            "--tune chooses among cells of the setting da, and the sweep selects none: the others may not look at "
            "images of the target. Add one with setting da, or leave --tune out."
        )
    return DEFAULT if name == _ANY else name


def choose_settings(
    cells: Sequence[SweepCell], states: Mapping[str, CellState], *, statistic: str, sweep: str
) -> TuningRecord:
    """Choose, for each set of unlabelled images, the setting with the best mean of a statistic over its seeds.

    Cells that differ in the seed alone are one setting. It is compared only if all its cells are done and recorded the
    statistic, so that no setting gains from missing seeds.

    Args:
        cells: The cells of a sweep.
        states: Their states, by name.
        statistic: Name of the statistic; see `check_tuning`.
        sweep: Name of the sweep.
    """
    settings: dict[tuple[str, str], list[SweepCell]] = defaultdict(list)
    shared = frozenset[str].intersection(*(frozenset(cell.overrides) for cell in cells))
    for cell in cells:
        settings[_images_of(cell), _setting_of(cell, shared)].append(cell)
    candidates: dict[str, list[TunedCandidate]] = defaultdict(list)
    left_out: list[SkippedCell] = []
    for (images, setting), members in settings.items():
        outcome = _measure_setting(members, states, statistic)
        if isinstance(outcome, str):
            left_out.append(SkippedCell(what=setting, reason=outcome))
            continue
        candidates[images].append(
            TunedCandidate(
                setting=setting,
                folders=[each.cell.name for each in outcome],
                seeds=[each.cell.cell.seed for each in outcome],
                iters=[each.iteration for each in outcome],
                value=mean(each.value for each in outcome),
            )
        )
    sign = -1 if LARGER_IS_BETTER[statistic] else 1
    choices = []
    for images, compared in candidates.items():
        compared.sort(key=lambda candidate: sign * candidate.value)
        choices.append(TunedChoice(images=images, statistic=statistic, chosen=compared[0].setting, candidates=compared))
    return TuningRecord(sweep=sweep, choices=choices, left_out=left_out)


def write_tuning(folder: Path, tuning: TuningRecord) -> Path:
    """Write `tuning.json` into the folder of a sweep, and return its path.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        write_record(folder / TUNING_FILE, tuning)
    except OSError as error:
        raise ConfigError(f"Cannot write to {folder}: {error.strerror}. Choose a different --work-dir.") from error
    return folder / TUNING_FILE


def tuning_lines(tuning: TuningRecord) -> list[str]:
    """Return the choices as lines: the chosen setting, and the candidates with their values."""
    lines = []
    for choice in tuning.choices:
        count = len(choice.candidates)
        lines.append(
            f"tuned by {choice.statistic} on {choice.images}, without labels, among {count} "
            f"setting{'s' * (count != 1)}: {choice.chosen}"
        )
        for candidate in choice.candidates:
            seeds = ", ".join(map(str, candidate.seeds))
            lines.append(
                f"  {candidate.value:.4f}  {candidate.setting} (seed{'s' * (len(candidate.seeds) > 1)} {seeds})"
            )
    return lines + [f"not compared: {skipped.what}: {skipped.reason}" for skipped in tuning.left_out]


def _images_of(cell: SweepCell) -> str:
    """Return which unlabelled images a cell is measured on; only values on the same ones can be compared."""
    name = str(cell.identity["monitor.label_free.dataset.name"]).replace("/", " ")
    return f"{name}, up to {cell.identity['monitor.label_free.dataset.spread']} tiles"


def _setting_of(cell: SweepCell, shared: frozenset[str]) -> str:
    """Return the line of a cell without its seed, with the overrides that not all cells share."""
    parts = (part for part in str(cell).split(" / ") if not part.startswith("seed "))
    return " / ".join((*parts, *(text for text in cell.overrides if text not in shared)))


def _measure_setting(
    cells: Sequence[SweepCell], states: Mapping[str, CellState], statistic: str
) -> list[_Measured] | str:
    """Return the values of the cells of a setting, or the reason why it is not compared."""
    if cells[0].cell.setting != "da":
        return f"the setting {cells[0].cell.setting} may not look at images of the target"
    if cells[0].identity["protocol.selection"] == "oracle":
        return "its protocol reports the checkpoint that target labels choose"
    num_done = sum(states[cell.name].status == "done" for cell in cells)
    if num_done < len(cells):
        return f"{num_done} of {len(cells)} cells are done"
    outcomes = [_measure(cell, states[cell.name], statistic) for cell in cells]
    measured = [outcome for outcome in outcomes if outcome is not None]
    if len(measured) < len(cells):
        return f"{len(cells) - len(measured)} of {len(cells)} cells did not record {statistic}"
    return measured


def _measure(cell: SweepCell, state: CellState, statistic: str) -> _Measured | None:
    iteration = None if state.result is None else state.result.iter
    lines = read_metrics(cell.present_folder) if iteration is not None else []
    for line in lines:
        if isinstance(line, EvaluationLine) and line.iter == iteration:
            value = (line.label_free or {}).get(statistic)
            return None if value is None else _Measured(cell=cell, iteration=line.iter, value=value)
    return None
