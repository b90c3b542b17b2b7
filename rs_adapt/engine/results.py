"""The result of a finished run, `result.json`, and the manifest of its adapter pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import JsonValue
from torch import nn

import rs_adapt
from rs_adapt.config.added_keys import absent_classes_in
from rs_adapt.config.overrides import for_packs
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tuned import describe_choice, without_overridden
from rs_adapt.config.wire_ground import matched_sizes, shown_size_m
from rs_adapt.datasets.own.ground import measured_sizes_m
from rs_adapt.datasets.own.stretch import STRETCH_FILE, read_stretch
from rs_adapt.engine.environment import environment
from rs_adapt.engine.final_scores import Selections
from rs_adapt.engine.pack import save_pack, write_manifest
from rs_adapt.engine.per_image import scored_classes
from rs_adapt.metrics import scores_of
from rs_adapt.runs.plugins import plugin_facts
from rs_adapt.runs.records import (
    BaseWeights,
    CellNames,
    DataFacts,
    EvaluationLine,
    InferenceFacts,
    InitialisedFrom,
    Manifest,
    ManifestScores,
    MetricsLine,
    Normalisation,
    ProtocolFacts,
    ResolverFacts,
    Result,
    RunStart,
    Sizes,
    TeacherFacts,
    TrainingLine,
    TunedValues,
    with_origins,
)
from rs_adapt.runs.records.record import SCORES, SIDES
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.intervals import interval_facts
from rs_adapt.scores.open_vocabulary import with_group_scores
from rs_adapt.scores.rounding import plain


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

    The scores, such as `miou_pct`, belong to the checkpoint that the protocol selects (`headline`) and the split that
    it reports. `selections` holds the mIoU of all selections; `oracle` needs target labels, so it is no result of
    adaptation.

    Args:
        cfg: The resolved configuration.
        start: Content of `cell.json`.
        selections: The selected checkpoints and their scores; without scores, all scores of the result and
            `protocol.report_split` are None.
        lines: Content of `metrics.jsonl`.
        parameters: Counts of `count_parameters`.
        train_s: Seconds of training including evaluations; None if training was interrupted in between.
    """
    evaluations = [line for line in lines if isinstance(line, EvaluationLine) and line.score_pct is not None]
    training = [line for line in lines if isinstance(line, TrainingLine)]
    scored = selections.scores.get(selections.iteration)
    steps_s = sorted(line.iter_s for line in training if line.iter_s is not None)
    classes = list(cfg.bench.classes)
    chosen = scored_classes(cfg)
    last_key = "last_val_miou_pct" if chosen.measure.name == "miou" else "last_val_score_pct"
    last_score: dict[str, Any] = {last_key: evaluations[-1].score_pct if evaluations else None}
    result = Result(
        status="finished",
        cell=start.cell,
        tuned=tuned_values(cfg),
        options=start.options,
        precision=cfg.runtime.precision,
        protocol=protocol_facts(
            cfg, report_split=str(scored.facts["split"]) if scored else None, selection=selections.headline
        ),
        data=start.data,
        notes=start.notes,
        # Counts of zero give None for every score.
        **score_fields(scored.total_KK() if scored else np.zeros((len(classes),) * 2, dtype=np.int64), chosen),
        headline=selections.headline,
        iter=selections.iteration,
        interval=None if scored is None else interval_facts(scored, chosen),
        selections=selections.records(chosen),
        reliability=selections.reliability,
        **last_score,
        iters=cfg.train_cfg.max_iters,
        parameters=dict(parameters),
        train_s=train_s and round(train_s, 1),
        iter_s_median=steps_s[len(steps_s) // 2] if steps_s else None,
        memory_mib_peak=max((line.memory_mib for line in training if line.memory_mib is not None), default=None),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(),
    )
    result = with_group_scores(result, scored, chosen)
    return with_origins(result, initialised_from=start.initialised_from, teacher=start.teacher)


def tuned_values(cfg: ResolvedConfig) -> TunedValues:
    """Return the tuned values that a configuration uses, and on what they were chosen."""
    values, cell = without_overridden(cfg.method.tuned.to_dict(), cfg.origin.overrides), cfg.cell
    return TunedValues(values=values, chosen=describe_choice(cell.method, cell.setting, cell.bench) if values else None)


def protocol_facts(cfg: ResolvedConfig, *, report_split: str | None, selection: str) -> ProtocolFacts:
    """Return `protocol` of a `result.json`: the use of the target, the scored tiles, and the selection.

    Args:
        cfg: The resolved configuration.
        report_split: Region and split of the scores; None where nothing is scored.
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
        inference=InferenceFacts(**cfg.bench.inference),
        classes=classes if isinstance(classes, str) else list(classes),
        classes_scored=class_set(list(cfg.bench.classes), chosen=classes).scored_names(),
        absent_classes=absent_classes_in(cfg.protocol),
    )


def save_packs(run_dir: Path, segmentor: nn.Module, manifest: Manifest, result: Result) -> None:
    """Write the run's adapter pack, and manifests for the packs of the other selections.

    Args:
        run_dir: The run folder.
        segmentor: The segmentor, with the weights of the result.
        manifest: The manifest of the result.
        result: Content of `result.json`.
    """
    for name, checkpoint in result.selections.items():
        if checkpoint is None or checkpoint.pack in (None, "."):
            continue
        score: dict[str, Any] = {checkpoint.score_key: checkpoint.score_pct}
        scores = ManifestScores(
            **score,
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
    data: Mapping[str, DataFacts] | None = None,
    notes: Sequence[str] = (),
    initialised_from: InitialisedFrom | None = None,
    teacher: TeacherFacts | None = None,
    resolver: ResolverFacts | None = None,
) -> Manifest:
    """Return the content of a pack's `manifest.json`, without paths of this machine.

    Only your own benches are an exception: they name the folders of their scenes.

    Args:
        cfg: The resolved configuration.
        cell: The cell.
        overrides: `key=value` texts of the run.
        scores: Scores of the checkpoint; all None where it was not scored.
        created: Time of creation, in ISO 8601.
        base_sha256: SHA-256 of the base weights, before training.
        data: Fingerprints of the tiles of the training, by role; None where they are not known.
        notes: Sentences that one has to know before trusting the scores.
        initialised_from: The run whose weights the training started from; None for new ones.
        teacher: The run that the student learnt from; None for none.
        resolver: The model that enlarges the images; None for none.
    """
    own, facts = cfg.bench.get("own"), cfg.backbone
    weights_file = (facts.weights or {}).get("file")
    from_random = segmentor_config(cfg).backbone.weights in (None, "random")
    manifest = Manifest(
        rs_adapt=rs_adapt.__version__,
        created=created,
        cell=cell.model_copy(update={"bench": f"{cfg.bench.name}.toml" if own else cell.bench}),
        # The content of the bench's own file: the pack can be scored without it.
        own_bench=own.to_dict() if own else None,
        # Which values of its scenes became 0 and 255, by region; None for other benches.
        stretch=_stretch(cfg),
        data=data or {},
        notes=list(notes),
        tuned=tuned_values(cfg),
        plugins=plugin_facts(cfg.cell.method),
        overrides=for_packs(overrides),
        base=BaseWeights(name=facts.name, sha256=base_sha256, weights="random" if from_random else weights_file),
        classes=list(cfg.bench.classes),
        palette=[list(colour) for colour in cfg.bench.palette],
        ignore_index=cfg.bench.ignore_index,
        reduce_zero_label=cfg.bench.reduce_zero_label,
        normalisation=Normalisation(mean=list(facts.mean), std=list(facts.std), bands="RGB, 0-255"),
        sizes=Sizes(tile_px=cfg.bench.tile_px, crop_px=cfg.bench.crop_px, patch_px=facts.patch_px),
        gsd_m=ground_size_m(cfg),
        gsd_matched=matched_sizes(cfg.bench, cfg.strategy, setting=cfg.cell.setting) is not None,
        metrics=scores,
        environment=environment(),
    )
    return with_origins(manifest, initialised_from=initialised_from, teacher=teacher, resolver=resolver)


def manifest_scores(result: Result) -> ManifestScores:
    """Return the scores of a result that the manifest of its pack repeats."""
    of_classes = {*SCORES, *SIDES, "acc_pct"} - {"miou_pct"}
    given = set(ManifestScores.model_fields) - of_classes
    if result.score_key != "miou_pct":
        given = set(ManifestScores.model_fields) & result.model_fields_set
    return ManifestScores(**{name: getattr(result, name) for name in ManifestScores.model_fields if name in given})


def score_fields(matrix: np.ndarray[Any, Any], classes: ClassSet) -> dict[str, Any]:
    """Return the fields of `result.json` with the scores of a confusion matrix: percent, 3 digits, None without value.

    Of segmentation `miou_pct`, `aacc_pct`, `macc_pct`, `classes_in_mean`, `iou_pct` and `acc_pct`; of classification
    `accuracy_pct`, with base classes also `harmonic_mean_pct`, `base_pct` and `novel_pct`, then `classes_in_mean` and
    `acc_pct`.

    Args:
        matrix: Pixel counts (K, K); row = truth, column = prediction.
        classes: The K classes, and those in the means.
    """
    in_mean = [classes.classes[index] for index in classes.in_mean(matrix)]
    if classes.measure.name != "miou":
        measured = classes.measure.scores(matrix, classes.classes, classes.scored)
        return {
            **{name: plain(value) for name, value in measured.means.items()},
            "classes_in_mean": in_mean,
            "acc_pct": {name: plain(value) for name, value in measured.by_class.items()},
        }
    scores = scores_of(matrix, classes.classes, classes.mean, classes.absent)
    return {
        "miou_pct": plain(scores.miou_pct),
        "aacc_pct": plain(scores.aacc_pct),
        "macc_pct": plain(scores.macc_pct),
        "classes_in_mean": in_mean,
        "iou_pct": {name: plain(value) for name, value in scores.iou_pct.items()},
        "acc_pct": {name: plain(value) for name, value in scores.acc_pct.items()},
    }


def ground_size_m(cfg: ResolvedConfig) -> float | None:
    """Return the ground size of the pixels that the model is to be shown, metres; None where it is not known.

    The finer one of both regions where the run brings them to it; else what the bench states, else that of the tiles of
    your own target, or of the source.
    """
    if (shown_m := shown_size_m(cfg.bench, cfg.strategy, setting=cfg.cell.setting)) is not None:
        return shown_m
    measured_m = measured_sizes_m(cfg.bench, cfg.prepared_dir)
    return measured_m.get("target", measured_m.get("source"))


def _stretch(cfg: ResolvedConfig) -> Mapping[str, Mapping[str, JsonValue]] | None:
    # An imported checkpoint has no tiles, and captions are read where they lie.
    if not cfg.bench.get("own") or cfg.prepared_dir is None or not (Path(cfg.prepared_dir) / STRETCH_FILE).is_file():
        return None
    return cast("Mapping[str, Mapping[str, JsonValue]]", read_stretch(cfg.prepared_dir))
