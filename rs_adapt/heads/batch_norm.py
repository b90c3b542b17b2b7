"""Batch norm over the images of all processes, which gives K processes the statistics of one.

Shapes: B batch, C channels, h/w grid.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from rs_adapt.processes import rank_and_world_size


class BatchNorm(nn.Module):
    """`y = weight * (x - mean) / sqrt(var + eps) + bias` by channel (Ioffe and Szegedy, arXiv 1502.03167).

    In training mean and variance are those of the whole batch, over all processes and all cells of the maps; the
    gradient goes through both. In eval mode they are the running statistics, which training moves by `momentum`, the
    variance without bias. In one process equal to `torch.nn.BatchNorm2d`. torch's own norm for several processes runs
    on GPUs only.

    Args:
        channels: Channels C.
        momentum: Share of a batch's statistics in the running ones, 0 to 1.
        eps: Added to the variance, above 0.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Return normalised maps (B, C, h, w), float32."""
        x_BChw = x_BChw.float()
        mean_C, var_C = self._batch_statistics(x_BChw) if self.training else (self.running_mean, self.running_var)
        scale_C = self.weight * torch.rsqrt(var_C + self.eps)
        # In this order: a mean that is large against the deviation would cost digits.
        return (x_BChw - mean_C[:, None, None]) * scale_C[:, None, None] + self.bias[:, None, None]

    def _batch_statistics(self, x_BChw: Tensor) -> tuple[Tensor, Tensor]:
        count = x_BChw.numel() // x_BChw.shape[1] * rank_and_world_size()[1]
        mean_C = _over_processes(x_BChw.sum((0, 2, 3))) / count
        # Not the mean of squares less the square of the mean, which loses digits where the mean is large.
        var_C = _over_processes((x_BChw - mean_C[:, None, None]).square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, self.momentum)
            self.running_var.lerp_(var_C * (count / max(count - 1, 1)), self.momentum)
        return mean_C, var_C


def _over_processes(total_C: Tensor) -> Tensor:
    """Return the sum over all processes; every process has the same number of images."""
    if rank_and_world_size()[1] == 1:
        return total_C
    total: Tensor = all_reduce(total_C, op=dist.ReduceOp.SUM)  # type: ignore[no-untyped-call]
    return total
