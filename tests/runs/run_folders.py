"""Run folders as `rs-adapt train` leaves them, written by hand, with scores that are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_adapt.scores.per_image import PerImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def union_iou(counts_KK: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the IoU of each class in percent, 0 for one that is predicted without true pixels, as version 0.1.0."""
    hits = counts_KK.diagonal()
    return 100 * hits / (counts_KK.sum(axis=0) + counts_KK.sum(axis=1) - hits)


def write_cell(
    folder: Path, *, right: Sequence[int] = (80,) * 12, classes: tuple[str, ...] = ("a", "b"), **changes: Any
) -> Path:
    """Write the folder of a finished run of two classes, and return it.

    Args:
        folder: The run folder.
        right: Of each tile (a scene each), how many of the 100 pixels of either class are right.
        classes: Their names; a third one has no true pixels, and one pixel of the first tile is predicted as it.
        changes: `cell`, `protocol`, `selections` are added to what is here, other keys of `result.json` replace it;
            `lines` is `metrics.jsonl`.
    """
    counts = np.zeros((len(right), len(classes), len(classes)), dtype=np.int64)
    counts[:, :2, :2] = [[[hit, 100 - hit], [100 - hit, hit]] for hit in right]
    if len(classes) > 2:
        counts[0, 0, 1:3] += (-1, 1)
    iou_K, truth_K = union_iou(counts.sum(axis=0)), counts.sum(axis=(0, 2))
    by_class: dict[str, Any] = {}
    if changes.get("protocol", {}).get("absent_classes") == "left_out":
        given = [round(float(iou), 3) if truth else None for iou, truth in zip(iou_K, truth_K, strict=True)]
        by_class["iou_pct"] = dict(zip(classes, given, strict=True))
        iou_K = iou_K[truth_K > 0]
    miou = round(float(np.mean(iou_K)), 3)
    tiles = tuple(f"t{number}" for number in range(len(right)))
    facts = {"split": "south test", "bench": "synthetic", "iter": 40, "protocol": "strict-1"}
    stored = PerImage(
        tiles=tiles, scenes=tiles, cities=("",) * len(tiles), classes=classes, counts_NKK=counts, facts=facts
    )
    stored.save(folder / "confusions" / "iter40.npz")
    entry = {"iter": 40, "miou_pct": miou, "pack": ".", "confusions": "confusions/iter40.npz"}
    result: dict[str, Any] = {
        "status": "finished",
        "cell": {"bench": "synthetic", "setting": "dg", "method": "frozen", "backbone": "dinov2_nano"}
        | {"head": "linear", "strategy": "source_only", "seed": 0, "tuned": True, "protocol": "strict"}
        | changes.pop("cell", {}),
        "options": {"overrides": [], "weights": None},
        "protocol": {"name": "strict", "version": 1, "report_split": "south test", "selection": "last"}
        | {"weights": "student", "classes": "all", "inference": {"mode": "whole"}}
        | changes.pop("protocol", {}),
        "headline": "last",
        "miou_pct": miou,
        **by_class,
        "selections": {"last": entry, "best_source_val": None, "best_label_free": None, "oracle": entry}
        | changes.pop("selections", {}),
        "parameters": {"adapter": 10, "head": 5, "trainable": 15, "total": 115, "backbone": 100},
        "train_s": 60.0,
        "iter_s_median": 0.5,
        "environment": {
            "rs_adapt": "0.1.0",
            "device": "CPU, 1 threads",
            "git": {"commit": "c" * 40, "dirty": False},
        }
        | changes.pop("environment", {}),
    }
    lines = [{"iter": step, "loss": 1 / step} for step in (10, 20, 30, 40)]
    lines.append({"iter": 40, "miou_pct": 61.0, "source_val": {"miou_pct": 71.0}})
    lines = changes.pop("lines", lines)
    result |= changes
    record = {key: result[key] for key in ("cell", "options", "environment")} | {"command": f"train {folder.name}"}
    (folder / "cell.json").write_text(json.dumps(record))
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
