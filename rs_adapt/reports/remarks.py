"""Remarks of a report on the data behind its scores: notes of results, and data that changed between runs."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.render.document import hyphenate
from rs_adapt.runs.run import Run


def note_lines(runs: Sequence[Run]) -> list[str]:
    """Return the notes of finished runs, which one has to know before trusting their scores, each with its runs."""
    names: dict[str, list[str]] = {}
    for run in runs:
        for note in run.result.notes if run.result is not None else ():
            names.setdefault(note, []).append(run.name)
    return [
        f"{note} This holds for {len(of)} run{'s' * (len(of) != 1)}: {'; '.join(of)}." for note, of in names.items()
    ]


def changed_data_lines(runs: Sequence[Run]) -> list[str]:
    """Return a warning for each bench whose finished runs were trained or scored on different states of its data."""
    names: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        result = run.result
        if result is None:
            continue
        bench = hyphenate(result.cell.bench)
        uses = {
            "labelled": f"trained with different labelled tiles of {bench}-{result.cell.setting}",
            "test": f"scored on different tiles of {bench} {result.protocol.report_split}",
        }
        for role, use in uses.items():
            # Runs of versions without fingerprints tell nothing.
            if role in result.data:
                names.setdefault(use, {}).setdefault(result.data[role].sha256, []).append(run.name)
    return [
        f"The data differ between runs, so their scores are not comparable; they were {use}: "
        f"{', against '.join('; '.join(of) for of in by_state.values())}."
        for use, by_state in names.items()
        if len(by_state) > 1
    ]
