"""Predict the memory of the cells of a sweep from shapes, and print it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import print_json, result_console
from rs_adapt.cost.cards import ASSUMED, describe_bytes, describe_fit, fitting_cards
from rs_adapt.errors import RsAdaptError

if TYPE_CHECKING:
    from rs_adapt.cost.predict import PredictedMemory
    from rs_adapt.sweeps.cells import SweepCell
    from rs_adapt.sweeps.spec import Spec


@dataclass(frozen=True, kw_only=True)
class PredictedKind:
    """Cells of one shape, and the prediction of one of them.

    Attributes:
        stands_for: The cell that was predicted, in one line.
        cells: Number of cells of this shape.
        outcome: The prediction, or the reason why there is none.
    """

    stands_for: str
    cells: int
    outcome: PredictedMemory | str

    def content(self) -> dict[str, object]:
        """Return the kind as JSON."""
        head: dict[str, object] = {"stands_for": self.stands_for, "cells": self.cells}
        if isinstance(self.outcome, str):
            return head | {"not_predicted": self.outcome}
        return head | asdict(self.outcome) | {"fits_on_gib": list(fitting_cards(self.outcome.peak_bytes))}


def predict_and_print(spec: Spec, cells: Sequence[SweepCell], *, data_root: Path | None, as_json: bool) -> None:
    """Predict the memory of each shape of cell once, and print it.

    Args:
        spec: The sweep.
        cells: Its cells; states of runs are not read, because a cell that is done has a size as well.
        data_root: Folder of the data sets, as for `train`; nothing is read from it.
        as_json: Whether to print JSON.
    """
    from rs_adapt.config import compose
    from rs_adapt.cost.predict import predict_memory

    console = error_console()
    root = spec.data_root if data_root is None else str(data_root)

    def predict(cell: SweepCell) -> PredictedMemory | str:
        console.print(f"predicting: {cell}", highlight=False, soft_wrap=True)
        try:
            cfg = compose(cell.cell, overrides=cell.overrides, data_root=root, weights=spec.weights)
            return predict_memory(cfg)
        except RsAdaptError as error:
            return str(error)

    kinds = predict_kinds(cells, predict)
    if as_json:
        print_json({"name": spec.name, "memory": [kind.content() for kind in kinds], "notes": [ASSUMED]})
        return
    for kind in kinds:
        others = f" and {kind.cells - 1} more" if kind.cells > 1 else ""
        result_console().print(f"{kind.stands_for}{others}: {_in_words(kind.outcome)}", soft_wrap=True)
    result_console().print(ASSUMED, soft_wrap=True)


def predict_kinds(
    cells: Sequence[SweepCell], predict: Callable[[SweepCell], PredictedMemory | str]
) -> list[PredictedKind]:
    """Predict one cell of each shape.

    Args:
        cells: The cells.
        predict: Returns the prediction for a cell, or the reason why there is none.
    """
    from rs_adapt.sweeps.plan import probe_key

    kinds: dict[object, list[SweepCell]] = {}
    for cell in cells:
        kinds.setdefault(probe_key(cell), []).append(cell)
    return [
        PredictedKind(stands_for=str(alike[0]), cells=len(alike), outcome=predict(alike[0])) for alike in kinds.values()
    ]


def _in_words(outcome: PredictedMemory | str) -> str:
    if isinstance(outcome, str):
        return f"not predicted: {outcome}"
    return (
        f"about {describe_bytes(outcome.peak_bytes)} on a GPU at batch {outcome.batch_size} (weights "
        f"{describe_bytes(outcome.weights_bytes)}, optimizer {describe_bytes(outcome.optimizer_bytes)}); "
        f"{describe_fit(outcome.peak_bytes)}"
    )
