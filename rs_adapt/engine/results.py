"""The result of a finished run, `result.json`, and the manifest of its adapter pack."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import rs_adapt
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.datasets.own.stretch import STRETCH_FILE, read_stretch
from rs_adapt.engine.environment import environment
from rs_adapt.engine.final_scores import Selections
from rs_adapt.engine.pack import save_pack, write_manifest
from rs_adapt.metrics import scores_of
from rs_adapt.runs.records import (
    BaseWeights,
    CellNames,
    EvaluationLine,
    Manifest,
    ManifestScores,
    MetricsLine,
    Normalisation,
    ProtocolFacts,
    Result,
    RunStart,
    Sizes,
    TrainingLine,
)
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.intervals import interval_facts


def make_result(
    cfg: ResolvedConfig,
    *,
    start: RunStart,
    selections: Selections,
    lines: Sequence[MetricsLine],
    parameters: Mapping[str, int],
    train_s: float | None,
) -> Result:
    """Return the content of `result.json`.

    The headline, `miou_pct` and what stands beside it, is of the checkpoint that the protocol names (`headline`), on
    the split that it reports. `selections` has the same mIoU for the other ways of selecting one, `oracle` among them:
    it needs target labels, so it is no result of adaptation.

    Args:
        cfg: The resolved configuration.
        start: How the run was started.
        selections: The selected checkpoints and their scores. Without any, all scores are None, and
            `protocol.report_split` too.
        lines: Content of `metrics.jsonl`.
        parameters: Counts of `count_parameters`.
        train_s: Seconds of training including evaluations; None if it was interrupted in between.
    """
    evaluations = [line for line in lines if isinstance(line, EvaluationLine) and line.miou_pct is not None]
    training = [line for line in lines if isinstance(line, TrainingLine)]
    scored = selections.scores.get(selections.iteration)
    steps_s = sorted(line.iter_s for line in training if line.iter_s is not None)
    classes = list(cfg.bench.classes)
    chosen = class_set(classes, chosen=cfg.protocol.classes)
    return Result(
        status="finished",
        cell=start.cell,
        options=start.options,
        protocol=protocol_facts(
            cfg, report_split=str(scored.facts["split"]) if scored else None, selection=selections.headline
        ),
        # Counts of nothing give None for every score.
        **scores_dict(scored.total_KK() if scored else np.zeros((len(classes),) * 2, dtype=np.int64), chosen),
        headline=selections.headline,
        iter=selections.iteration,
        interval=None if scored is None else interval_facts(scored, chosen.scored),
        selections=selections.records(chosen),
        last_val_miou_pct=evaluations[-1].miou_pct if evaluations else None,
        iters=cfg.train_cfg.max_iters,
        parameters=dict(parameters),
        train_s=train_s and round(train_s, 1),
        iter_s_median=steps_s[len(steps_s) // 2] if steps_s else None,
        memory_mib_peak=max((line.memory_mib for line in training if line.memory_mib is not None), default=None),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(),
    )


def protocol_facts(cfg: ResolvedConfig, *, report_split: str | None, selection: str) -> ProtocolFacts:
    """Return `protocol` of a `result.json`: what was seen of the target, what was scored, how it was selected.

    Args:
        cfg: The resolved configuration.
        report_split: Region and split that the scores are of; None where nothing is scored.
        selection: How the checkpoint was selected.
    """
    unlabelled = cfg.train_dataloader.dataset.unlabelled
    classes = cfg.protocol.classes
    return ProtocolFacts(
        name=cfg.protocol.name,
        version=cfg.protocol.version,
        report_split=report_split,
        scored_by="server" if cfg.protocol.report_split == "server" else "this run",
        unlabelled_split=unlabelled and " ".join(unlabelled.name.split("/")[-2:]),
        target_crops=cfg.protocol.target_crops if unlabelled else None,
        selection=selection,
        weights=cfg.protocol.weights,
        label_free=cfg.protocol.label_free,
        inference=cfg.bench.inference.to_dict(),
        classes=classes if isinstance(classes, str) else list(classes),
        classes_scored=class_set(list(cfg.bench.classes), chosen=classes).scored_names(),
    )


def save_packs(run_dir: Path, segmentor: nn.Module, manifest: Manifest, result: Result) -> None:
    """Write the run's adapter pack, and manifests for the packs of the other selections.

    Args:
        run_dir: The run folder.
        segmentor: With the weights of the result.
        manifest: Of the result.
        result: Content of `result.json`.
    """
    for name, checkpoint in result.selections.items():
        if checkpoint is None or checkpoint.pack in (None, "."):
            continue
        scores = ManifestScores(
            miou_pct=checkpoint.miou_pct,
            headline=name,
            iter=checkpoint.iter,
            protocol=result.protocol.model_copy(update={"selection": name}),
        )
        write_manifest(run_dir / checkpoint.pack, manifest.model_copy(update={"metrics": scores}))
    save_pack(run_dir, segmentor, manifest)


def make_manifest(
    cfg: ResolvedConfig,
    *,
    cell: CellNames,
    overrides: Sequence[str],
    scores: ManifestScores,
    created: str,
    base_sha256: str,
) -> Manifest:
    """Return the content of a pack's `manifest.json`, without paths of the machine it was made on.

    Only a bench of the user's own names the places of its scenes.

    Args:
        cfg: The resolved configuration.
        cell: The cell.
        overrides: `key=value` texts that belong to it.
        scores: Scores of the checkpoint; all None where it was not scored.
        created: Time of creation, in ISO 8601.
        base_sha256: SHA-256 of the base weights, before training.
    """
    own, facts = cfg.bench.get("own"), cfg.backbone
    weights_file = (facts.weights or {}).get("file")
    from_random = segmentor_config(cfg).backbone.weights in (None, "random")
    return Manifest(
        rs_adapt=rs_adapt.__version__,
        created=created,
        cell=cell.content() | {"bench": f"{cfg.bench.name}.toml" if own else cell.bench},
        # The content of the bench's own file: the pack can be scored without it.
        own_bench=own.to_dict() if own else None,
        # Which values of its scenes became 0 and 255, by region; None for other benches.
        stretch=_stretch(cfg),
        overrides=list(overrides),
        base=BaseWeights(name=facts.name, sha256=base_sha256, weights="random" if from_random else weights_file),
        classes=list(cfg.bench.classes),
        palette=[list(colour) for colour in cfg.bench.palette],
        ignore_index=cfg.bench.ignore_index,
        reduce_zero_label=cfg.bench.reduce_zero_label,
        normalisation=Normalisation(mean=list(facts.mean), std=list(facts.std), bands="RGB, 0-255"),
        sizes=Sizes(tile_px=cfg.bench.tile_px, crop_px=cfg.bench.crop_px, patch_px=facts.patch_px),
        gsd_m=cfg.bench.gsd_m,
        metrics=scores,
        environment=environment(),
    )


def manifest_scores(result: Result) -> ManifestScores:
    """Return the scores of a result that the manifest of its pack repeats."""
    return ManifestScores(**{name: getattr(result, name) for name in ManifestScores.model_fields})


def scores_dict(matrix: np.ndarray[Any, Any], classes: ClassSet) -> dict[str, Any]:
    """Return the scores of a confusion matrix in percent, rounded to 3 digits; None where a class has no value."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return round(value, 3) if math.isfinite(value) else None

    return {name: plain(value) for name, value in asdict(scores_of(matrix, classes.classes, classes.scored)).items()}


def _stretch(cfg: ResolvedConfig) -> dict[str, Any] | None:
    # An imported checkpoint has no tiles.
    if not cfg.bench.get("own") or not (Path(cfg.prepared_dir) / STRETCH_FILE).is_file():
        return None
    return read_stretch(cfg.prepared_dir)
