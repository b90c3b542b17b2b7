"""Quaternion algebra for layers: products of quaternion vectors as one real matrix.

A vector of width 4 V stores V quaternions part by part: all real parts, then all i, j and k parts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.errors import ConfigError


def hamilton_matrix(r_IO: Tensor, i_IO: Tensor, j_IO: Tensor, k_IO: Tensor) -> Tensor:
    """Return the real matrix K (4 I, 4 O) with `x K` = the left Hamilton product of a quaternion matrix and x (rows).

    Args:
        r_IO: Real parts of the weights, (I, O) for I input and O output quaternions; a kernel has further axes.
        i_IO: Parts along i.
        j_IO: Parts along j.
        k_IO: Parts along k.
    """
    rows = (
        (r_IO, i_IO, j_IO, k_IO),
        (-i_IO, r_IO, k_IO, -j_IO),
        (-j_IO, -k_IO, r_IO, i_IO),
        (-k_IO, j_IO, -i_IO, r_IO),
    )
    return torch.cat([torch.cat(row, dim=1) for row in rows], dim=0)


def check_quaternions(method: str, **widths: int) -> None:
    """Refuse widths that are not a whole number of quaternions.

    Raises:
        ConfigError: A width is not a multiple of 4; the message names the nearest that are.
    """
    for name, width in widths.items():
        if width < 4 or width % 4:
            near = max(4, width // 4 * 4)
            raise ConfigError(
                f"{method}: {name} is {width}; it must be a multiple of 4, as four numbers make a quaternion "
                f"(nearest: {near} or {near + 4})."
            )


class QuaternionLinear(nn.Module):
    """`y = x K + b` with the real matrix K of a quaternion weight: a quarter of a dense layer's weights.

    Start: quaternions of random direction whose modulus is chi-distributed with four degrees of freedom and scale
    `1 / sqrt(2 (in + out))`, in and out counted in quaternions (Parcollet et al., ICLR 2019, arXiv 1806.04418); bias 0.

    Args:
        in_dim: Width of x, a multiple of 4.
        out_dim: Width of y, a multiple of 4.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        shape = in_dim // 4, out_dim // 4
        modulus = torch.randn(4, *shape).norm(dim=0) / math.sqrt(2 * sum(shape))
        phase = (2 * torch.rand(shape) - 1) * math.pi
        axis = functional.normalize(torch.randn(3, *shape), dim=0)
        parts = (modulus * phase.cos(), *(modulus * phase.sin() * axis))
        self.r, self.i, self.j, self.k = (nn.Parameter(part.clone()) for part in parts)
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def matrix(self) -> Tensor:
        """Return K (in, out)."""
        return hamilton_matrix(self.r, self.i, self.j, self.k)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return functional.linear(x, self.matrix().T, self.bias)

    def from_second_half(self, x: Tensor) -> Tensor:
        """Map `[0, x]`, x of half the width, without the multiplications by zero."""
        return functional.linear(x, self.matrix()[self.r.shape[0] * 2 :].T, self.bias)

    @staticmethod
    def num_params(in_dim: int, out_dim: int) -> int:
        """Return the number of parameters."""
        return in_dim * out_dim // 4 + out_dim


class QuaternionConv2d(nn.Module):
    """Convolution with a quaternion kernel: `y = W (x) x`, the left Hamilton product at every kernel position.

    A quarter of a dense convolution's weights. It starts as `QuaternionLinear` does, with inputs and outputs counted
    over the kernel.

    Args:
        in_channels: Channels of x, a multiple of 4: all real parts, then all i, j and k parts.
        out_channels: Channels of y, a multiple of 4.
        kernel_px: Side of the kernel, odd; borders are filled with zeros.
        bias: Whether a bias is added.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_px: int = 3, bias: bool = True) -> None:
        super().__init__()
        shape = in_channels // 4, out_channels // 4, kernel_px, kernel_px
        modulus = torch.randn(4, *shape).norm(dim=0) / (kernel_px * math.sqrt(2 * sum(shape[:2])))
        phase = (2 * torch.rand(shape) - 1) * math.pi
        axis = functional.normalize(torch.randn(3, *shape), dim=0)
        parts = (modulus * phase.cos(), *(modulus * phase.sin() * axis))
        self.r, self.i, self.j, self.k = (nn.Parameter(part.clone()) for part in parts)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.padding = kernel_px // 2

    def kernel(self) -> Tensor:
        """Return the real kernel (out, in, k, k)."""
        return hamilton_matrix(self.r, self.i, self.j, self.k).transpose(0, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W)."""
        return functional.conv2d(x_BCHW, self.kernel(), self.bias, padding=self.padding)

    def from_pure(self, x_BCHW: Tensor) -> Tensor:
        """Map `[0, x]`, x of three quarters of the channels, without the multiplications by zero."""
        return functional.conv2d(x_BCHW, self.kernel()[:, self.r.shape[0] :], self.bias, padding=self.padding)

    @staticmethod
    def num_params(in_channels: int, out_channels: int, *, kernel_px: int = 3, bias: bool = True) -> int:
        """Return the number of parameters."""
        return in_channels * out_channels * kernel_px**2 // 4 + out_channels * bias
