"""Deformable attention as one weighted gather beside that of transformers, which samples each level by itself.

    OMP_NUM_THREADS=1 python benchmarks/deformable_gather.py --repeats 9
    OMP_NUM_THREADS=1 python benchmarks/deformable_gather.py --repeats 3 --head    # the whole head, without gradients

The sizes are those of a layer of Mask2Former's pixel decoder: 8 heads of width 32, three levels, 4 points each. The
gather is `embedding_bag` with weights: a row of the table is the value of a head at a cell, and each query adds 48 rows
(levels, points and corners), weighted by attention and bilinear share. Forms take turns in one process; CPU seconds.

Shapes: B images, S cells of all levels and as many queries, H heads, D width of a head, L levels, P points.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.mask2former import modeling_mask2former
from transformers.models.mask2former.modeling_mask2former import multi_scale_deformable_attention

from rs_adapt.heads import Mask2FormerHead

HEADS, WIDTH, POINTS = 8, 32, 4
CASES = ((1, 16), (1, 32), (2, 32))


def gather(
    value_BSHD: Tensor, shapes: Sequence[tuple[int, int]], where_BSHLP2: Tensor, attention_BSHLP: Tensor
) -> Tensor:
    """Return what `multi_scale_deformable_attention` returns (B, S, H D), up to rounding."""
    batch, cells, heads, width = value_BSHD.shape
    table = value_BSHD.transpose(1, 2).reshape(batch * heads * cells, width)
    base = (torch.arange(batch * heads, device=table.device) * cells).view(batch, 1, heads, 1)
    rows, shares = [], []
    for level, (height, wide) in enumerate(shapes):
        x, y = where_BSHLP2[:, :, :, level].unbind(-1)
        x, y = x * wide - 0.5, y * height - 0.5
        left, top = x.floor(), y.floor()
        right_share, down_share = x - left, y - top
        for row, row_share in ((top.long(), 1 - down_share), (top.long() + 1, down_share)):
            for column, column_share in ((left.long(), 1 - right_share), (left.long() + 1, right_share)):
                inside = (column >= 0) & (column < wide) & (row >= 0) & (row < height)
                rows.append(base + row.clamp(0, height - 1) * wide + column.clamp(0, wide - 1))
                shares.append(attention_BSHLP[:, :, :, level] * row_share * column_share * inside)
        base = base + height * wide
    index, weight = (torch.stack(each, dim=-1).flatten(3).flatten(0, 2) for each in (rows, shares))
    return functional.embedding_bag(index, table, mode="sum", per_sample_weights=weight).view(batch, cells, -1)


def measure_head(repeats: int) -> None:
    """Print medians of the head's forward pass with either form, for images of 256 px and features of a ViT-S."""
    torch.manual_seed(0)
    head = Mask2FormerHead(in_channels=[384] * 4, num_classes=7).eval()
    forms = {"levels": multi_scale_deformable_attention, "gather": gather}
    for batch in (1, 2):
        features = tuple(torch.randn(batch, 384, 256 // stride, 256 // stride) for stride in (4, 8, 16, 32))
        seconds: dict[str, list[float]] = {name: [] for name in forms}
        masks = {}
        for _ in range(repeats + 1):
            for name, form in forms.items():
                modeling_mask2former.multi_scale_deformable_attention = form
                start = time.process_time()
                with torch.no_grad():
                    masks[name] = head(features)[1][-1]
                seconds[name].append(time.process_time() - start)
        levels, gathered = (statistics.median(seconds[name][1:]) for name in forms)
        difference = float((masks["levels"] - masks["gather"]).abs().max())
        print(
            f"head, {batch} image(s): {levels:.2f} -> {gathered:.2f} s ({levels / gathered:.2f}), logits up to "
            f"{float(masks['levels'].abs().max()):.1f} differ by up to {difference:.0e}",
            flush=True,
        )


def main() -> None:
    """Measure forward, and forward and backward, and print medians and the largest difference of the outputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--head", action="store_true", help="measure the whole head instead")
    args = parser.parse_args()
    if args.head:
        measure_head(args.repeats)
        return
    for batch, side in CASES:
        shapes = [(side, side), (side // 2, side // 2), (side // 4, side // 4)]
        cells = sum(height * wide for height, wide in shapes)
        generator = torch.Generator().manual_seed(0)
        value = torch.randn(batch, cells, HEADS, WIDTH, generator=generator, requires_grad=True)
        where = (torch.rand(batch, cells, HEADS, 3, POINTS, 2, generator=generator) * 1.1 - 0.05).requires_grad_()
        attention = torch.randn(batch, cells, HEADS, 3 * POINTS, generator=generator).softmax(-1)
        attention = attention.view(batch, cells, HEADS, 3, POINTS).requires_grad_()
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
