"""The result of a run of super-resolution, `result.json`, and the manifest of its weights."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import rs_adapt
from rs_adapt.config.overrides import for_packs
from rs_adapt.engine.environment import environment
from rs_adapt.runs.plan import TrainingPlan
from rs_adapt.runs.records import (
    BaseWeights,
    Manifest,
    ManifestScores,
    NetworkFacts,
    Normalisation,
    ProtocolFacts,
    Result,
    RunStart,
    SelectedCheckpoint,
    Sizes,
)
from rs_adapt.turbulence.image_scores import ImageScores, measured
from rs_adapt.turbulence.storage import read_facts

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def make_flow_result(
    cfg: ResolvedConfig, start: RunStart, plan: TrainingPlan, scores: ImageScores, *, train_s: float | None
) -> Result:
    """Return the content of `result.json`.

    Args:
        cfg: The resolved configuration.
        start: Content of `cell.json`.
        plan: The run as planned, with its parameters.
        scores: The scores of the test images.
        train_s: Seconds of training; None if it was interrupted in between.
    """
    values, iters = measured(scores.images), cfg.train_cfg.max_iters
    psnr_db = values["psnr_db"]["mean"]
    last = SelectedCheckpoint(iter=iters, by="the last iteration", value=None, psnr_db=psnr_db, pack=".")
    return Result(
        status="finished",
        cell=start.cell,
        options=start.options,
        precision=cfg.runtime.precision,
        protocol=ProtocolFacts(
            name=cfg.protocol.name,
            version=cfg.protocol.version,
            report_split="test",
            scored_by="this run",
            selection="last",
        ),
        data=start.data,
        notes=start.notes,
        psnr_db=psnr_db,
        measures=values,
        headline="last",
        iter=iters,
        selections={"last": last},
        iters=iters,
        parameters=dict(plan.parameters),
        train_s=train_s and round(train_s, 1),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(),
    )


def network_facts(cfg: ResolvedConfig) -> NetworkFacts:
    """Return what rebuilds the network of a run: its arguments, and the statistics of its training images."""
    facts, backbone = read_facts(Path(cfg.prepared_dir)), cfg.model.backbone
    parts = backbone.get("adapter") or {"quaternion": False, "flow_conv": False}
    return NetworkFacts(
        kind=facts.content,
        scale=cfg.model.scale,
        trains=not backbone.frozen,
        embed_dim=backbone.embed_dim,
        depths=list(backbone.depths),
        num_heads=backbone.num_heads,
        window_px=backbone.window_px,
        mlp_ratio=backbone.mlp_ratio,
        quaternion=parts["quaternion"],
        flow_conv=parts["flow_conv"],
        mean=list(facts.mean),
        deviation=facts.scale,
    )


def make_flow_manifest(cfg: ResolvedConfig, start: RunStart) -> Manifest:
    """Return the manifest of the weights of a run, without scores: `result.json` has them."""
    facts, network = cfg.backbone, network_facts(cfg)
    return Manifest(
        rs_adapt=rs_adapt.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        cell=start.cell,
        data=start.data,
        notes=list(start.notes),
        overrides=for_packs(start.options.overrides),
        # Nothing is frozen, so there are no base weights with a hash.
        base=BaseWeights(name=facts.name, sha256="", weights="random"),
        classes=list(cfg.bench.classes),
        palette=[],
        ignore_index=cfg.bench.ignore_index,
        reduce_zero_label=cfg.bench.reduce_zero_label,
        normalisation=Normalisation(
            mean=list(network.mean),
            std=[network.deviation] * 3,
            bands="RGB, 0-255" if network.kind == "colour" else "u, v, w",
        ),
        network=network,
        sizes=Sizes(tile_px=cfg.bench.tile_px, crop_px=cfg.bench.crop_px, patch_px=facts.patch_px),
        metrics=ManifestScores(headline="last", iter=cfg.train_cfg.max_iters),
        environment=environment(),
    )
