"""What a finished run says about itself: `result.json`, and the manifest of its adapter pack."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.datasets.own.stretch import STRETCH_FILE, read_stretch
from rs_adapt.engine.environment import environment
from rs_adapt.engine.final_scores import Selections
from rs_adapt.engine.pack import save_pack, write_manifest
from rs_adapt.metrics import scores_of
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.intervals import interval_facts

# What of a result a pack's manifest repeats.
MANIFEST_METRICS = (
    "miou_pct",
    "aacc_pct",
    "macc_pct",
    "iou_pct",
    "interval",
    "headline",
    "iter",
    "protocol",
)


def make_result(
    cfg: Any,
    *,
    record: dict[str, Any],
    selections: Selections,
    lines: list[dict[str, Any]],
    parameters: dict[str, int],
    train_s: float | None,
) -> dict[str, Any]:
    """Content of `result.json`.

    The headline, `miou_pct` and what stands beside it, is of the checkpoint that the protocol names (`headline`), on
    the split that it reports. `selections` tells the same mIoU for the other ways of choosing one, `oracle` among them:
    it needs target labels, so it is no result of adaptation.

    Args:
        cfg: The resolved configuration.
        record: How the run was started.
        selections: What was chosen, and its scores. Without any, all scores are None, and `protocol.report_split` too.
        lines: `metrics.jsonl`.
        parameters: Counts of `count_parameters`.
        train_s: Seconds of training including evaluations; None if it was interrupted in between.
    """
    evaluations = [line for line in lines if line.get("miou_pct") is not None]
    scored = selections.scores.get(selections.iteration)
    steps = sorted(line["iter_s"] for line in lines if "iter_s" in line)
    memory = [line["memory_mib"] for line in lines if "memory_mib" in line]
    classes = list(cfg.bench.classes)
    chosen = class_set(classes, chosen=cfg.protocol.classes)
    return {
        "status": "finished",
        "cell": record["cell"],
        "options": record["options"],
        "protocol": protocol_facts(
            cfg, report_split=str(scored.facts["split"]) if scored else None, selection=selections.headline
        ),
        # Counts of nothing give None for every score.
        **scores_dict(scored.total_KK() if scored else np.zeros((len(classes),) * 2, dtype=np.int64), chosen),
        "headline": selections.headline,
        "iter": selections.iteration,
        "interval": scored and interval_facts(scored, chosen.scored),
        "selections": selections.told(lambda one: scores_dict(one.total_KK(), chosen)["miou_pct"]),
        "last_val_miou_pct": evaluations[-1]["miou_pct"] if evaluations else None,
        "iters": cfg.train_cfg.max_iters,
        "parameters": parameters,
        "train_s": train_s and round(train_s, 1),
        "iter_s_median": steps[len(steps) // 2] if steps else None,
        "memory_mib_peak": max(memory, default=None),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(),
    }


def protocol_facts(cfg: Any, *, report_split: str | None, selection: str) -> dict[str, Any]:
    """`protocol` of a `result.json`: what was seen of the target, what was scored, and how it was chosen.

    Args:
        cfg: The resolved configuration.
        report_split: Region and split that the scores are of; None where nothing is scored.
        selection: How the checkpoint was chosen.
    """
    unlabelled = cfg.train_dataloader.dataset.unlabelled
    return {
        "name": cfg.protocol.name,
        "version": cfg.protocol.version,
        "report_split": report_split,
        "scored_by": "server" if cfg.protocol.report_split == "server" else "this run",
        "unlabelled_split": unlabelled and " ".join(unlabelled.name.split("/")[-2:]),
        "target_crops": cfg.protocol.target_crops if unlabelled else None,
        "selection": selection,
        "weights": cfg.protocol.weights,
        "label_free": cfg.protocol.label_free,
        "inference": cfg.bench.inference.to_dict(),
        "classes": cfg.protocol.classes,
        "classes_scored": class_set(list(cfg.bench.classes), chosen=cfg.protocol.classes).scored_names(),
    }


def save_packs(run_dir: Path, segmentor: nn.Module, manifest: dict[str, Any], result: dict[str, Any]) -> None:
    """Write the run's adapter pack, and manifests for the packs of the other selections.

    Args:
        run_dir: The run folder.
        segmentor: With the weights of the result.
        manifest: Of the result.
        result: `result.json`.
    """
    for name, one in result["selections"].items():
        if one is not None and one["pack"] != ".":
            metrics = {"miou_pct": one["miou_pct"], "headline": name, "iter": one["iter"]}
            protocol = result["protocol"] | {"selection": name}
            write_manifest(run_dir / one["pack"], manifest | {"metrics": metrics | {"protocol": protocol}})
    save_pack(run_dir, segmentor, manifest)


def scores_dict(matrix: np.ndarray[Any, Any], classes: ClassSet) -> dict[str, Any]:
    """Scores of a confusion matrix as JSON: percent rounded to 3 digits, None where a class has no value."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return round(value, 3) if math.isfinite(value) else None

    return {name: plain(value) for name, value in asdict(scores_of(matrix, classes.classes, classes.scored)).items()}


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
    backbone = segmentor_config(cfg).backbone
    facts = cfg.backbone
    weights_file = (facts.weights or {}).get("file")
    return {
        "rs_adapt": result["environment"]["rs_adapt"],
        "created": result["finished"],
        "cell": record["cell"]
        | {"bench": f"{cfg.bench.name}.toml" if cfg.bench.get("own") else record["cell"]["bench"]},
        # What the file of a bench of one's own says: the pack can be scored without it.
        "own_bench": cfg.bench.own.to_dict() if cfg.bench.get("own") else None,
        # Which values of its scenes became 0 and 255, by region; None for other benches.
        "stretch": _stretch(cfg),
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
        "metrics": {name: result[name] for name in MANIFEST_METRICS},
        "environment": result["environment"],
    }


def _stretch(cfg: Any) -> dict[str, Any] | None:
    # An imported checkpoint has no tiles.
    if not cfg.bench.get("own") or not (Path(cfg.prepared_dir) / STRETCH_FILE).is_file():
        return None
    return read_stretch(cfg.prepared_dir)
