"""Quaternion spatial modelling of FISR: features of a velocity image as pure quaternions (C channels, h/w pixels)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.errors import ConfigError
from rs_adapt.quaternions import QuaternionConv2d


class QuaternionSpatial(nn.Module):
    """Quaternion spatial modelling (FISR, arXiv 2401.15913): `x + Im(K2 (x) gelu(K1 (x) [0, x1, x2, x3]))`.

    The components of a velocity are orthogonal, while the channels of a colour image are independent. So the features
    are divided into three equal groups, which are the parts of pure quaternions along i, j and k, and are convolved
    with quaternion kernels K1 and K2, a quarter of the weights of dense ones.

    Trained: `2 * 9 * (4 C / 3)^2 / 4 + 4 C / 3`. What the paper leaves open is chosen here: a real part of 0, two
    convolutions of 3 x 3 with GELU between them, the imaginary part as the result, and the sum with the input.

    Args:
        channels: C, a multiple of 3.

    Raises:
        ConfigError: `channels` is no multiple of 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 3:
            raise ConfigError(
                f"Quaternion spatial modelling divides {channels} channels into three groups: use a multiple of 3, "
                f"such as {channels // 3 * 3 or 3} or {channels // 3 * 3 + 3}."
            )
        self.num_quaternions = channels // 3
        width = 4 * self.num_quaternions
        self.first = QuaternionConv2d(width, width)
        # A bias of the result would only shift what the next layer's bias shifts.
        self.second = QuaternionConv2d(width, width, bias=False)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map features (B, C, h, w) to features of the same shape."""
        hidden = functional.gelu(self.first.from_pure(x_BChw))
        change: Tensor = self.second(hidden)
        return x_BChw + change[:, self.num_quaternions :]


def count_quaternion_spatial(channels: int) -> int:
    """Return the number of parameters of `QuaternionSpatial`."""
    width = 4 * channels // 3
    return QuaternionConv2d.num_params(width, width) + QuaternionConv2d.num_params(width, width, bias=False)
