"""Every decode head on one frozen backbone: parameters, operations, milliseconds of an image and of a training step.

    python benchmarks/head_cost.py --bench synthetic-dg --heads linear,dpt-small [--rounds 9]
    python benchmarks/head_cost.py --bench loveda-dg --backbone dinov2-l --count-only

Random images of the bench's crop. Operations are those of torch's counter (a multiplication with its addition is two)
for one image, of the backbone and of all. Times are medians, heads in turns, of one image in evaluation and of forward,
loss and backward of the bench's batch. Heads whose masks of attention fade are measured as at the end of a training.
`--count-only` takes no times.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.engine.build import build_model
from rs_adapt.registry import load_libraries
from rs_adapt.strategies.pair import samples_of
from rs_adapt.strategies.scoring import scores_of


def main() -> None:
    """Print a row a head."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="synthetic-dg")
    parser.add_argument("--backbone")
    parser.add_argument(
        "--heads", type=lambda text: text.split(","), default=list(axes.values_of_task("head", "segmentation"))
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count-only", action="store_true")
    args = parser.parse_args()
    load_libraries()
    models: dict[str, Any] = {}
    for head in args.heads:
        cell = resolve_cell(args.bench, backbone=args.backbone, head=head, method="frozen")
        cfg = compose(cell, weights="random")
        torch.manual_seed(0)
        model = build_model(cfg)
        # The counter looks for gradient functions of tensors that require gradients, and here nothing has one.
        count(head, copy.deepcopy(model).requires_grad_(False), torch.randn(1, 3, cfg.bench.crop_px, cfg.bench.crop_px))
        if not args.count_only:
            models[head] = model
    if not args.count_only:
        measure(models, cfg.bench.crop_px, cfg.train_dataloader.batch_size, len(cfg.bench.classes), args.rounds)


def count(head: str, model: Any, image: torch.Tensor) -> None:
    """Print trained parameters of a head, and operations of one image."""
    model.eval()
    if hasattr(model.decode_head, "finish"):
        model.decode_head.finish()
    parameters = sum(parameter.numel() for parameter in model.decode_head.parameters())
    # The counter does not know the fused attention of a CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as of_backbone:
            features = model.extract_feat(image)
        with FlopCounterMode(display=False) as of_head:
            scores_of(model, features, image)
    backbone, whole = of_backbone.get_total_flops(), of_backbone.get_total_flops() + of_head.get_total_flops()
    print(
        f"{head}: {parameters} parameters, {backbone / 1e9:.2f} GFLOP in the backbone, {whole / 1e9:.2f} in all",
        flush=True,
    )


def measure(models: dict[str, Any], side_px: int, batch_size: int, num_classes: int, rounds: int) -> None:
    """Print medians over rounds, each of which runs every head once."""
    images = torch.randn(batch_size, 3, side_px, side_px)
    labels = torch.randint(0, num_classes, (batch_size, side_px, side_px))
    infer_ms: dict[str, list[float]] = {head: [] for head in models}
    train_ms: dict[str, list[float]] = {head: [] for head in models}
    for number in range(rounds + 1):
        for head, model in models.items():
            model.eval()
            start = time.perf_counter()
            with torch.no_grad():
                scores_of(model, model.extract_feat(images[:1]), images[:1])
            between = time.perf_counter()
            model.train()
            losses = model(images, samples_of(labels), mode="loss")
            sum(value for name, value in losses.items() if "loss" in name).backward()
            # The first round warms up.
            if number:
                infer_ms[head].append(1000 * (between - start))
                train_ms[head].append(1000 * (time.perf_counter() - between))
    for head in models:
        infer, train = statistics.median(infer_ms[head]), statistics.median(train_ms[head])
        print(f"{head}: {infer:.0f} ms an image, {train:.0f} ms a training step of {batch_size} images", flush=True)


if __name__ == "__main__":
    main()
