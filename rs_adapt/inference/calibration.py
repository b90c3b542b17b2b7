"""Temperature scaling: one number by which a pack's logits are divided, fitted on the source's validation tiles.

Source: Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599), sections 2 and 4.2.

Shapes: N pixels, K classes, H/W pixels of a tile.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rs_adapt import __version__
from rs_adapt.engine.build import build_loader, prepare_data
from rs_adapt.engine.loaders import end_processes
from rs_adapt.errors import DataError
from rs_adapt.inference.predictor import Predictor
from rs_adapt.metrics.reliability import NUM_BINS, bins_of
from rs_adapt.metrics.temperature import fit_temperature, log_loss, logits_of, spread_pixels
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import quiet_libraries
from rs_adapt.runs.records import Calibration, Reliability, ReliabilityBin

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# Pixels of a tile are alike, so a part of them says as much as all.
_PIXELS_PER_TILE = 2048


def calibrate_checkpoint(
    cfg: ResolvedConfig, checkpoint: Path, *, device: str = "auto", on_progress: OnProgress = no_progress
) -> Calibration:
    """Fit the temperature of a checkpoint on the validation tiles of its source.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        ConfigError: The source holds no tiles out.
        DataError: No pixel of them has a label.
    """
    with quiet_libraries():
        prepare_data(cfg, on_progress, roles=("source",))
        predictor = Predictor.load(cfg, checkpoint, device=device)
        loader = build_loader(cfg, "source-val")
        logits, truths, total = [], [], len(loader.dataset)
        try:
            for batch in loader:
                for sample in predictor.predict_batch(batch):
                    truth = sample.gt_sem_seg.data.flatten().to(sample.seg_logits.data.device)
                    at_N = spread_pixels(
                        torch.nonzero(truth != cfg.bench.ignore_index).flatten(), most=_PIXELS_PER_TILE
                    )
                    scores_KN = sample.seg_logits.data.flatten(1)[:, at_N].float()
                    logits.append(logits_of(scores_KN.T, predictor.model.decode_head.score_kind).cpu())
                    truths.append(truth[at_N].long().cpu())
                    on_progress("predicting", len(truths), total)
        finally:
            end_processes(loader)
    logits_NK, truth_N = torch.cat(logits), torch.cat(truths)
    if not len(truth_N):
        raise DataError(f"No pixel of the {total} validation tiles of the source has a label: nothing can be fitted.")
    temperature = fit_temperature(logits_NK, truth_N)
    return Calibration(
        temperature=temperature,
        split=" ".join(str(loader.dataset.name).split("/")[-2:]),
        tiles=total,
        pixels=len(truth_N),
        before=measure_reliability(logits_NK, truth_N),
        after=measure_reliability(logits_NK / temperature, truth_N),
        precision=predictor.precision,
        rs_adapt=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def measure_reliability(logits_NK: Tensor, truth_N: Tensor) -> Reliability:
    """Return the expected calibration error and the bins of a reliability diagram.

    Args:
        logits_NK: Logits, or logarithms of probabilities, float32.
        truth_N: True classes, int64.
    """
    confidence_N, label_N = logits_NK.softmax(dim=1).max(dim=1)
    is_right_N = (label_N == truth_N).double()
    bin_N = bins_of(confidence_N)
    pixels = torch.bincount(bin_N, minlength=NUM_BINS).double()
    confidence = torch.bincount(bin_N, weights=confidence_N.double(), minlength=NUM_BINS)
    right = torch.bincount(bin_N, weights=is_right_N, minlength=NUM_BINS)
    ece = float((confidence - right).abs().sum() / len(truth_N))
    return Reliability(
        ece_pct=round(100 * ece, 3),
        nll=round(log_loss(logits_NK, truth_N, 1.0), 5),
        bins=[
            ReliabilityBin(
                pixels=int(count),
                confidence_pct=round(100 * float(sure / count), 3) if count else None,
                accuracy_pct=round(100 * float(hits / count), 3) if count else None,
            )
            for count, sure, hits in zip(pixels, confidence, right, strict=True)
        ],
    )
