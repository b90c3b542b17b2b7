"""What a finished run says about itself: `result.json`, and the manifest of its adapter pack."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from rs_adapt.engine.run_folder import environment
from rs_adapt.metrics import scores_of


def make_result(
    cfg: Any,
    *,
    record: dict[str, Any],
    matrix: np.ndarray[Any, Any] | None,
    lines: list[dict[str, Any]],
    parameters: dict[str, int],
    train_s: float | None,
) -> dict[str, Any]:
    """Content of `result.json`.

    The headline `miou_pct` is that of the last weights on the test split. `oracle` is the best evaluation on the
    target's labelled validation split during training: it needs target labels, so it is no result of adaptation.

    Args:
        cfg: The resolved configuration.
        record: How the run was started.
        matrix: Confusion matrix of the last weights on the test split; None where the target has no labels: all scores
            are None then, and `protocol.report_split` too.
        lines: `metrics.jsonl`.
        parameters: Counts of `count_parameters`.
        train_s: Seconds of training including evaluations; None if it was interrupted in between.
    """
    evaluations = [line for line in lines if line.get("miou_pct") is not None]
    best = max(evaluations, key=lambda line: float(line["miou_pct"]), default=None)
    steps = sorted(line["iter_s"] for line in lines if "iter_s" in line)
    memory = [line["memory_mib"] for line in lines if "memory_mib" in line]
    split = "test" if cfg.bench.target.get("test") is not None else "val"
    classes = list(cfg.bench.classes)
    unscored = np.zeros((len(classes), len(classes)), dtype=np.int64)
    return {
        "status": "finished",
        "cell": record["cell"],
        "options": record["options"],
        "protocol": {
            "report_split": None if matrix is None else f"{cfg.bench.target.region} {split}",
            "selection": "last",
            "inference": cfg.bench.inference.to_dict(),
            "classes_scored": classes,
        },
        # Counts of nothing give None for every score.
        **scores_dict(unscored if matrix is None else matrix, classes),
        "oracle": best
        and {"miou_pct": best["miou_pct"], "iter": best["iter"], "split": f"{cfg.bench.target.region} val"},
        "last_val_miou_pct": evaluations[-1]["miou_pct"] if evaluations else None,
        "iters": cfg.train_cfg.max_iters,
        "parameters": parameters,
        "train_s": train_s and round(train_s, 1),
        "iter_s_median": steps[len(steps) // 2] if steps else None,
        "memory_mib_peak": max(memory, default=None),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(),
    }


def scores_dict(matrix: np.ndarray[Any, Any], classes: list[str]) -> dict[str, Any]:
    """Scores of a confusion matrix as JSON: percent rounded to 3 digits, None where a class has no value."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return round(value, 3) if math.isfinite(value) else None

    return {name: plain(value) for name, value in asdict(scores_of(matrix, list(classes))).items()}


def make_manifest(
    cfg: Any,
    *,
    record: dict[str, Any],
    result: dict[str, Any],
    base_sha256: str,
) -> dict[str, Any]:
    """Content of a pack's `manifest.json`, without paths of the machine it was made on.

    Only a bench of one's own says where its scenes lie.
    """
    backbone = cfg.model.get("segmentor", cfg.model).backbone
    facts = cfg.backbone
    weights_file = (facts.weights or {}).get("file")
    return {
        "rs_adapt": result["environment"]["rs_adapt"],
        "created": result["finished"],
        "cell": record["cell"]
        | {"bench": f"{cfg.bench.name}.toml" if cfg.bench.get("own") else record["cell"]["bench"]},
        # What the file of a bench of one's own says: the pack can be scored without it.
        "own_bench": cfg.bench.own.to_dict() if cfg.bench.get("own") else None,
        "overrides": record["options"]["overrides"],
        "base": {
            "name": facts.name,
            "sha256": base_sha256,
            "weights": "random" if backbone.weights in (None, "random") else weights_file,
        },
        "classes": list(cfg.bench.classes),
        "palette": [list(colour) for colour in cfg.bench.palette],
        "ignore_index": cfg.bench.ignore_index,
        "reduce_zero_label": cfg.bench.reduce_zero_label,
        "normalisation": {"mean": list(facts.mean), "std": list(facts.std), "bands": "RGB, 0-255"},
        "sizes": {"tile_px": cfg.bench.tile_px, "crop_px": cfg.bench.crop_px, "patch_px": facts.patch_px},
        "gsd_m": cfg.bench.gsd_m,
        "metrics": {
            name: result[name] for name in ("miou_pct", "aacc_pct", "macc_pct", "iou_pct", "oracle", "protocol")
        },
        "environment": result["environment"],
    }
