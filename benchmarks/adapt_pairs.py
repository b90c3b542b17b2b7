"""What `predict --adapt` gains: a trained run before and after it adapts to the target's test tiles, without labels.

    python benchmarks/adapt_pairs.py RUN ...

One adaptation for all test tiles of a run's target, with the options of `predict --adapt`; the labels are read to score
alone. Prints mIoU before and after, the change of each class, and what the drift guard saw.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from rs_adapt.api.adapting import adaptation_settings
from rs_adapt.inference.adaptation import adapt_weights, with_weights
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.ensemble import Member, load_calibrated
from rs_adapt.inference.predictor import Predictor
from rs_adapt.metrics import scores_of


def main() -> None:
    """Measure the runs that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--lr", type=float)
    options = parser.parse_args()
    for run in options.runs:
        measure(run, steps=options.steps, lr=options.lr)


def measure(run: Path, *, steps: int | None, lr: float | None) -> None:
    """Print a line on one run."""
    started_s = time.perf_counter()
    cfg = recompose(run)
    settings = adaptation_settings(True, [Member(checkpoint=run, source=cfg)], steps=steps, lr=lr)
    assert settings is not None
    predictor = load_calibrated(cfg, run, device="cpu")
    tiles = cfg.test_dataloader.dataset
    names = sorted(path.name for path in Path(tiles.img_dir).iterdir())
    images_NHW3 = np.stack([np.asarray(Image.open(Path(tiles.img_dir) / name).convert("RGB")) for name in names])
    labels_NHW = np.stack([np.asarray(Image.open(Path(tiles.ann_dir) / name)) for name in names])
    classes = list(cfg.bench.classes)
    before = score(predictor, images_NHW3, labels_NHW, classes)
    weights, drift = adapt_weights(predictor, images_NHW3, np.ones(images_NHW3.shape[:3], dtype=bool), settings)
    with with_weights(predictor, weights):
        after = score(predictor, images_NHW3, labels_NHW, classes)
    changes = {name: round(float(after[1][name]) - float(before[1][name]), 1) for name in classes}
    print(
        f"{cfg.bench.name}: mIoU {before[0]:.2f} -> {after[0]:.2f} ({after[0] - before[0]:+.2f}), {changes}, agreement "
        f"{drift.agreement:.3f}, moved {drift.share_shift:.3f}, confidence {drift.confidence_before:.2f} -> "
        f"{drift.confidence_after:.2f}, taken back: {drift.is_harmful}, {time.perf_counter() - started_s:.0f} s",
        flush=True,
    )


def score(
    predictor: Predictor, images_NHW3: np.ndarray, labels_NHW: np.ndarray, classes: list[str]
) -> tuple[float, dict[str, float]]:
    """Return mIoU and the IoU of each class, percent."""
    num_classes = len(classes)
    matrix_KK = np.zeros((num_classes, num_classes), dtype=np.int64)
    for first in range(0, len(images_NHW3), 4):
        predicted = predictor.predict_tiles(images_NHW3[first : first + 4]).argmax(axis=1)
        truth = labels_NHW[first : first + 4]
        known = truth < num_classes
        pairs = truth[known].astype(np.int64) * num_classes + predicted[known]
        matrix_KK += np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    scores = scores_of(matrix_KK, classes)
    assert scores.miou_pct is not None
    return scores.miou_pct, {name: value or 0.0 for name, value in scores.iou_pct.items()}


if __name__ == "__main__":
    main()
