"""Marks of rows whose method uses values that were tuned for the bench, and the footnotes about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.records import TunedValues
from rs_adapt.runs.run import Run

# Behind the name of a method.
TUNED_MARK = "\u2020"
# Why the best of a column is not bold.
MIXED = (
    f"rows with values tuned for the bench ({TUNED_MARK}) and rows without stand in this column, so nothing is bold."
)


def tuned_values_of(run: Run) -> TunedValues | None:
    """Return the tuned values that a run used; None where that is not known."""
    try:
        return run.tuned
    except RsAdaptError:
        return None


def describe_values(values: Mapping[str, object]) -> str:
    """Return values as text, such as `rank=16, cutoff=0.3`."""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def describe_tuned(tuned: TunedValues) -> str:
    """Return the tuned values and on what they were chosen, as part of a sentence."""
    return f"{describe_values(tuned.values)}, chosen {tuned.chosen or 'on what is not recorded'}"


def tuned_notes(runs: Iterable[Run]) -> list[str]:
    """Return the footnotes of a table: the tuned values of its marked rows, and on what they were chosen.

    Args:
        runs: The runs of the table.
    """
    by_choice: dict[str, dict[str, None]] = {}
    for run in runs:
        tuned, cell = tuned_values_of(run), run.cell
        if tuned is None or not tuned.values or cell is None:
            continue
        name = f"{cell.method} on {cell.bench}-{cell.setting}".replace("_", "-")
        text = f"{name} ({describe_values(tuned.values)})"
        by_choice.setdefault(tuned.chosen or "on what is not recorded", {})[text] = None
    return [
        f"{TUNED_MARK} with values tuned for the bench, chosen {choice}: {'; '.join(names)}."
        for choice, names in by_choice.items()
    ]
