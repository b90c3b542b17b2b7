"""The deformable attention of `rs_adapt.heads.deformable_gather` beside that of transformers, which samples by level.

    OMP_NUM_THREADS=1 python benchmarks/deformable_gather.py --repeats 9

The sizes are those of a layer of Mask2Former's pixel decoder: 8 heads of width 32, three levels, 4 points each, for
images of 128, 256 and 512 px. Samples lie some cells around their query, and a few outside of the image. Forms take
turns in one process; CPU seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.models.mask2former.modeling_mask2former import multi_scale_deformable_attention

from rs_adapt.heads.deformable_gather import gather

HEADS, WIDTH, LEVELS, POINTS = 8, 32, 3, 4
# Standard deviation of a sample's distance from its query, cells.
SPREAD = 3.0
CASES = ((1, 16), (2, 16), (1, 32), (2, 32), (1, 64), (2, 64))


def make_inputs(batch: int, shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Return values (B, S, H, D), places (B, S, H, L, P, 2) and attention (B, S, H, L, P), which need gradients."""
    generator = torch.Generator().manual_seed(0)
    sides = [torch.arange(side) for shape in shapes for side in shape]
    centres = [
        torch.stack(torch.meshgrid((x + 0.5) / len(x), (y + 0.5) / len(y), indexing="xy"), dim=-1).view(-1, 2)
        for y, x in zip(sides[::2], sides[1::2], strict=True)
    ]
    queries_S2 = torch.cat(centres)
    sizes_L2 = torch.tensor([[wide, high] for high, wide in shapes])
    offsets = torch.randn(batch, len(queries_S2), HEADS, LEVELS, POINTS, 2, generator=generator) * SPREAD
    where = queries_S2[:, None, None, None] + offsets / sizes_L2[:, None]
    value = torch.randn(batch, len(queries_S2), HEADS, WIDTH, generator=generator)
    attention = torch.randn(batch, len(queries_S2), HEADS, LEVELS * POINTS, generator=generator).softmax(-1)
    return value.requires_grad_(), where.requires_grad_(), attention.view(where.shape[:-1]).requires_grad_()


def main() -> None:
    """Measure forward, and forward and backward, and print medians and the largest difference of the outputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    for batch, side in CASES:
        shapes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
        value, where, attention = make_inputs(batch, shapes)
        seconds: dict[str, list[float]] = {}
        outputs = {}
        for _ in range(args.repeats + 1):
            for name, function in (("levels", multi_scale_deformable_attention), ("gather", gather)):
                start = time.process_time()
                with torch.no_grad():
                    outputs[name] = function(value, shapes, where, attention)
                middle = time.process_time()
                output = function(value, shapes, where, attention)
                torch.autograd.grad(output.sum(), (value, where, attention))
                seconds.setdefault(f"{name} forward", []).append(middle - start)
                seconds.setdefault(f"{name} both", []).append(time.process_time() - middle)
        medians = {name: 1e3 * statistics.median(times[1:]) for name, times in seconds.items()}
        difference = float((outputs["levels"] - outputs["gather"]).abs().max())
        print(
            f"{batch} image(s), {side} x {side}: ",
            ", ".join(
                f"{kind} {medians[f'levels {kind}']:.1f} -> {medians[f'gather {kind}']:.1f} ms "
                f"({medians[f'levels {kind}'] / medians[f'gather {kind}']:.2f})"
                for kind in ("forward", "both")
            ),
            f", largest difference {difference:.0e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
