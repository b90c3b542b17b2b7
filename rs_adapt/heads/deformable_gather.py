"""Deformable attention on a CPU: one weighted gather over all levels, points and corners.

Transformers' own form samples each level, stacks all samples (B H, D, Q, L P) and multiplies them by the attention,
which costs more than the sampling. Here a query of a head is a row of a sparse matrix with 4 L P weights (attention
times bilinear share), a cell of a head is a column, and the output is the product of the matrix and the values.

Shapes: B images, S cells of all levels, Q queries, H heads, D width of a head, L levels, P points; T = L P samples, two
for x and y, four for the corners of a sample in the order of their cells.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from scipy import sparse
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

Shapes = Sequence[tuple[int, int]]


def can_gather(shapes: Shapes, *tensors: Tensor) -> bool:
    """Tell whether `gather` takes tensors: real ones on a CPU, of one type, where nothing records the operations.

    A level needs two cells in each direction, since `gather` reads pairs of neighbours.
    """
    # Modes that see every operation know no storage of a sparse matrix (counters of bytes) or no values.
    seen = torch.compiler.is_compiling() or is_in_torch_dispatch_mode()
    recorded = seen or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    # Builds of torch without it lack products of sparse matrices.
    if recorded or not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return False
    # A subclass is a tensor without values, or one that is spread over processes.
    plain = all(type(tensor) is Tensor and tensor.device.type == "cpu" for tensor in tensors)
    dtypes = {tensor.dtype for tensor in tensors}
    return plain and dtypes in ({torch.float32}, {torch.float64}) and min(min(shape) for shape in shapes) >= 2


def gather(value_BSHD: Tensor, shapes: Shapes, where_BQHLP2: Tensor, attention_BQHLP: Tensor) -> Tensor:
    """Return what transformers' `multi_scale_deformable_attention` returns (B, Q, H D), up to rounding.

    Args:
        value_BSHD: Values of the cells, level by level and row by row.
        shapes: Height and width of each level, at least 2.
        where_BQHLP2: Where the samples are, x and y from 0 to 1; beyond the cells' centres values fade to zero.
        attention_BQHLP: Their weights.
    """
    output: Tensor = _Gather.apply(value_BSHD, shapes, where_BQHLP2, attention_BQHLP)  # type: ignore[no-untyped-call]
    return output


class _Samples:
    """The samples of one image: the sparse matrix, and what its weights are made of.

    Attributes:
        column_N4T: Column of each corner, where a row N is a query of a head.
        weight_N4T: Its weight.
        offset_2QX: Distance of a sample from the first of its two cells in x and in y, in cells; X = H T.
        share_22QX: Share of the first and of the second cell, in x and in y.
        size_2X: Width and height of a sample's level.
    """

    def __init__(self, shapes: Shapes, where_QHLP2: Tensor, attention_QHLP: Tensor) -> None:
        queries, heads, levels, points, _ = where_QHLP2.shape
        samples = levels * points
        starts = [sum(high * wide for high, wide in shapes[:level]) for level in range(levels)]
        facts = torch.tensor([[wide, high, start] for (high, wide), start in zip(shapes, starts, strict=True)])
        wide_X, high_X, start_X = facts.int().repeat_interleave(points, dim=0).repeat(heads, 1).T
        size_2X = torch.stack([wide_X, high_X])
        self.size_2X = size_2X.to(where_QHLP2.dtype)
        # The steps are those of grid_sample, so that the same cell is found next to a border.
        place = where_QHLP2.reshape(queries, -1, 2).movedim(-1, 0) * 2
        place = place.sub_(1).add_(1).mul_(self.size_2X[:, None] / 2).sub_(0.5)
        # Pairs of neighbours stay inside of the level; a cell that is further than 1 from the sample has no share.
        first_2QX = place.floor().int().clamp_min_(0)
        torch.minimum(first_2QX, size_2X[:, None] - 2, out=first_2QX)
        self.offset_2QX = place.sub_(first_2QX)
        self.share_22QX = torch.stack([self.offset_2QX, self.offset_2QX - 1]).abs_().neg_().add_(1).relu_()
        head_X = torch.arange(heads, dtype=torch.int32).repeat_interleave(samples)
        column_QX = first_2QX[1].mul_(wide_X).add_(first_2QX[0]).add_(start_X).mul_(heads).add_(head_X)
        shape = (queries * heads, 4, samples)
        self.column_N4T, self.weight_N4T = column_QX.new_empty(shape), place.new_empty(shape)
        attention_QX = attention_QHLP.reshape(queries, -1)
        for down in (0, 1):
            part_NT = (self.share_22QX[down, 1] * attention_QX).view(-1, samples)
            for right in (0, 1):
                corner = 2 * down + right
                step_T = heads * (down * wide_X[:samples] + right)
                torch.add(column_QX.view(-1, samples), step_T, out=self.column_N4T[:, corner])
                torch.mul(part_NT, self.share_22QX[right, 0].view(-1, samples), out=self.weight_N4T[:, corner])

    def slope_22QX(self) -> Tensor:
        """Return the slope of the shares over the place of the sample, from the right where it changes."""
        floor_2QX = self.offset_2QX.floor()
        before, within, after = (torch.eq(floor_2QX, k, out=torch.empty_like(floor_2QX)) for k in (-1, 0, 1))
        return torch.stack([before.sub_(within), within.sub_(after)])


class _Gather(torch.autograd.Function):
    """The sparse product; the matrix is made again in the backward pass, which costs less than what it takes."""

    @staticmethod
    def forward(ctx: Any, value_BSHD: Tensor, shapes: Shapes, where_BQHLP2: Tensor, attention_BQHLP: Tensor) -> Tensor:
        ctx.save_for_backward(value_BSHD, where_BQHLP2, attention_BQHLP)
        ctx.shapes = shapes
        outputs = []
        for value_SHD, where, attention in zip(value_BSHD, where_BQHLP2, attention_BQHLP, strict=True):
            samples = _Samples(shapes, where, attention)
            table, index, weight = value_SHD.flatten(0, 1), samples.column_N4T.flatten(1), samples.weight_N4T.flatten(1)
            output_ND = functional.embedding_bag(index, table, mode="sum", per_sample_weights=weight)
            outputs.append(output_ND.view(where.shape[0], -1))
        return torch.stack(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BQC: Tensor) -> tuple[Tensor, None, Tensor, Tensor]:
        saved = ctx.saved_tensors
        grads = tuple(torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in saved)
        for image, tensors in enumerate(zip(*saved, strict=True)):
            _backward_of_image(ctx.shapes, tensors, grad_BQC[image], [grad[image] for grad in grads])
        return grads[0], None, grads[1], grads[2]


def _backward_of_image(shapes: Shapes, tensors: Sequence[Tensor], grad_QC: Tensor, out: Sequence[Tensor]) -> None:
    """Write the gradients of value (S, H, D), where (Q, H, L, P, 2) and attention (Q, H, L, P) into `out`."""
    (value_SHD, where, attention), (d_value, d_where, d_attention) = tensors, out
    table, grad_ND = value_SHD.flatten(0, 1), grad_QC.reshape(-1, value_SHD.shape[-1])
    samples = _Samples(shapes, where, attention)
    count, _, width = samples.weight_N4T.shape
    rows, columns = torch.arange(count + 1, dtype=torch.int32) * (4 * width), samples.column_N4T.flatten()
    weights = samples.weight_N4T.flatten()
    size = (count, len(table))
    # Torch's own product with a transposed matrix sorts it, which takes longer than all the rest.
    matrix = sparse.csr_matrix((weights.numpy(), columns.numpy(), rows.numpy()), shape=size, copy=False)
    d_value.copy_(torch.from_numpy(matrix.T @ grad_ND.numpy()).view_as(value_SHD))
    # The gradient of a weight is the product of its row of the output's gradient and its row of values.
    with warnings.catch_warnings():
        # Torch says once in a process that its sparse matrices are in beta.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        dots = torch.sparse_csr_tensor(rows, columns, weights, size, check_invariants=False)
    torch.sparse.sampled_addmm(dots, grad_ND, table.T, beta=0.0, out=dots)
    d_weight = dots.values().view(-1, 2, 2, width)
    share, slope = (each.view(2, 2, -1, width) for each in (samples.share_22QX, samples.slope_22QX()))
    (x0, y0), (x1, y1) = share
    left, right = ((y0 * d_weight[:, 0, k]).addcmul_(y1, d_weight[:, 1, k]) for k in (0, 1))
    above, below = ((x0 * d_weight[:, k, 0]).addcmul_(x1, d_weight[:, k, 1]) for k in (0, 1))
    torch.add(x0 * left, x1 * right, out=d_attention.view(-1, width))
    d_x = left.mul_(slope[0, 0]).addcmul_(right, slope[1, 0])
    d_y = above.mul_(slope[0, 1]).addcmul_(below, slope[1, 1])
    scale = (samples.size_2X[:, None] * attention.reshape(len(attention), -1)).view(2, -1, width)
    for axis, d_place in enumerate((d_x, d_y)):
        torch.mul(d_place, scale[axis], out=d_where.view(-1, width, 2)[..., axis])
