"""Time of Mask2Former's loss and its backward pass: ours beside `transformers`' own, in turns, medians and their ratio.

Ours takes the points of one prediction at a time, as on a CPU, or of all at once, as on a GPU. Operators of forward and
backward pass are counted without views: on a GPU each is at least one launch.

$ python benchmarks/mask2former_loss.py --rounds 5            # the size of a training step, on the CPU
$ python benchmarks/mask2former_loss.py --device cuda --rounds 30
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import Mask2FormerLoss as TransformersLoss

from rs_adapt.heads.mask2former_loss import Mask2FormerLoss

NUM_CLASSES = 7


_Loss = Callable[[list[Tensor], list[Tensor], Tensor], Tensor]


class _Operators(TorchDispatchMode):
    """Counts operators that compute or copy."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def ours(args: argparse.Namespace, *, at_once: int) -> _Loss:
    """Return our loss, all terms summed; with the points of so many predictions at once."""
    criterion = Mask2FormerLoss(
        num_classes=NUM_CLASSES,
        ignore_index=255,
        num_points=args.points,
        oversample_ratio=3.0,
        importance_ratio=0.75,
        class_weight=2.0,
        mask_weight=5.0,
        dice_weight=5.0,
        no_object_weight=0.1,
    ).to(args.device)
    criterion.point_losses = functools.partial(criterion.point_losses, at_once=at_once)
    return lambda classes, masks, labels: torch.stack(list(criterion(classes, masks, labels).values())).sum()


def plain(args: argparse.Namespace) -> _Loss:
    """Return the loss of `transformers`: a matching and a loss per prediction and image, on float masks."""
    settings = Mask2FormerConfig(num_labels=NUM_CLASSES, train_num_points=args.points)
    weights = {"loss_cross_entropy": 2.0, "loss_mask": 5.0, "loss_dice": 5.0}
    criterion = TransformersLoss(settings, weights).to(args.device)

    def loss(classes: list[Tensor], masks: list[Tensor], labels: Tensor) -> Tensor:
        present = [label.unique() for label in labels]
        present = [values[values != 255] for values in present]
        targets = [(label == values[:, None, None]).float() for label, values in zip(labels, present, strict=True)]
        auxiliary = [
            {"class_queries_logits": c, "masks_queries_logits": m}
            for c, m in zip(classes[:-1], masks[:-1], strict=True)
        ]
        terms = criterion(masks[-1], classes[-1], targets, present, auxiliary)
        return torch.stack([weights[name.rstrip("_0123456789")] * value for name, value in terms.items()]).sum()

    return loss


def main() -> None:
    """Print median seconds of both and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--predictions", type=int, default=10)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--points", type=int, default=12544)
    parser.add_argument("--crop-px", type=int, default=512)
    args = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    side = args.crop_px // 4
    coarse = torch.randint(0, NUM_CLASSES + 1, (args.images, 8, 8), generator=generator)
    coarse[coarse == NUM_CLASSES] = 255
    labels = coarse.repeat_interleave(args.crop_px // 8, 1).repeat_interleave(args.crop_px // 8, 2).to(args.device)
    classes = [
        torch.randn(args.images, args.queries, NUM_CLASSES + 1, generator=generator).to(args.device).requires_grad_()
        for _ in range(args.predictions)
    ]
    masks = [
        torch.randn(args.images, args.queries, side, side, generator=generator).to(args.device).requires_grad_()
        for _ in range(args.predictions)
    ]

    # On a shared machine the clock on the wall says more about others.
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    candidates = {
        "plain": plain(args),
        "one at a time": ours(args, at_once=1),
        "all at once": ours(args, at_once=args.predictions),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    value: dict[str, float] = {}
    for round_index in range(args.rounds + 1):
        for name, loss in candidates.items():
            torch.manual_seed(round_index)
            start = clock()
            total = loss(classes, masks, labels)
            total.backward()
            if args.device != "cpu":
                torch.cuda.synchronize()
            # The first round warms up.
            if round_index:
                seconds[name].append(clock() - start)
            value[name] = float(total.detach())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, loss in candidates.items():
        with _Operators() as operators:
            loss(classes, masks, labels).backward()
        print(
            f"{name:13s} median {medians[name]:8.4f} s, {operators.count} operators, loss {value[name]:.6f}, "
            f"plain / this {medians['plain'] / medians[name]:.2f}, one at a time / this "
            f"{medians['one at a time'] / medians[name]:.2f}"
        )


if __name__ == "__main__":
    main()
