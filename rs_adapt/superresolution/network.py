"""Networks of super-resolution: interpolation, Swin, and FISR (B batch, C channels, h/w coarse and H/W fine pixels)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.errors import ConfigError
from rs_adapt.superresolution.flow_convolution import DynamicFlowConv
from rs_adapt.superresolution.quaternion_spatial import QuaternionSpatial

SCALES = (2, 4, 8)
COMPONENTS = 3


def interpolate(coarse_B3hw: Tensor, scale: int) -> Tensor:
    """Return the bicubic interpolation (B, 3, h s, w s), coarse pixels at the centres of the fine ones they cover."""
    # With `antialias`, which changes nothing else in enlarging, torch takes Keys' kernel (a = -1/2), which is exact for
    # polynomials up to degree 2; otherwise a = -3/4, which is not even for linear ones.
    return functional.interpolate(coarse_B3hw, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)


class FlowNetwork(nn.Module):
    """A Swin feature extractor, the parts of FISR that are switched on, and sub-pixel convolution.

    `y = bicubic(x) + shuffle(conv(D(Q(S(x)))))`: S are the residual Swin groups of Swin2SR (arXiv 2209.11345) as
    `transformers` has them, Q is `QuaternionSpatial`, D is `DynamicFlowConv` along the velocity of x. Without Q and D
    it is a plain Swin network. FISR (arXiv 2401.15913) names a Swin-based extractor, Q and D, and leaves their order,
    sizes and the upsampling open: those are chosen here. The last convolution starts at 0, so training starts at the
    bicubic interpolation.

    Args:
        scale: Factor of super-resolution, 2, 4 or 8.
        embed_dim: Channels of the features.
        depths: Number of Swin layers of each group.
        num_heads: Attention heads of every layer; a divisor of `embed_dim`.
        window_px: Side of the attention windows, coarse pixels.
        mlp_ratio: Width of the MLPs over `embed_dim`.
        quaternion: Whether features pass `QuaternionSpatial`.
        flow_conv: Whether features pass `DynamicFlowConv`.

    Raises:
        ConfigError: A value is out of range, or does not fit another.
    """

    def __init__(
        self,
        *,
        scale: int,
        embed_dim: int,
        depths: tuple[int, ...] | list[int],
        num_heads: int,
        window_px: int,
        mlp_ratio: float,
        quaternion: bool,
        flow_conv: bool,
    ) -> None:
        super().__init__()
        from transformers import Swin2SRConfig, Swin2SRModel

        check_scale(scale)
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ConfigError(f"{embed_dim} channels cannot be divided among {num_heads} attention heads.")
        if window_px < 2 or not depths or min(depths) < 1 or mlp_ratio <= 0:
            raise ConfigError(
                f"window_px is {window_px}, depths are {list(depths)} and mlp_ratio is {mlp_ratio}; windows have at "
                "least 2 pixels a side, there is at least one group of at least one layer, and MLPs have a width."
            )
        self.scale, self.window_px = scale, window_px
        config = Swin2SRConfig(
            image_size=2 * window_px,
            num_channels=COMPONENTS,
            embed_dim=embed_dim,
            depths=list(depths),
            num_heads=[num_heads] * len(depths),
            window_size=window_px,
            mlp_ratio=mlp_ratio,
            drop_path_rate=0.0,
        )
        self.body = Swin2SRModel(config)
        # The mean of colour images, which the library subtracts.
        self.body.mean.zero_()
        self.quaternion = QuaternionSpatial(embed_dim) if quaternion else None
        self.flow_conv = DynamicFlowConv(embed_dim) if flow_conv else None
        self.last = nn.Conv2d(embed_dim, COMPONENTS * scale**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, coarse_B3hw: Tensor) -> Tensor:
        """Return the fine images (B, 3, h s, w s) of coarse ones, both normalised."""
        x_BChw = self.features(coarse_B3hw)
        if self.quaternion is not None:
            x_BChw = self.quaternion(x_BChw)
        if self.flow_conv is not None:
            x_BChw = self.flow_conv(x_BChw, coarse_B3hw[:, :2])
        detail: Tensor = self.shuffle(self.last(x_BChw))
        return interpolate(coarse_B3hw, self.scale) + detail

    def features(self, coarse_B3hw: Tensor) -> Tensor:
        """Return the features (B, C, h, w) of the Swin layers."""
        height, width = coarse_B3hw.shape[-2:]
        # Whole windows: the library's own padding leaves features that it cannot fold back into an image.
        pad = (-width % self.window_px, -height % self.window_px)
        padded = functional.pad(coarse_B3hw, (0, pad[0], 0, pad[1]), mode="replicate")
        features: Tensor = self.body(padded).last_hidden_state
        return features[..., :height, :width]


def check_scale(scale: int) -> None:
    """Refuse a factor that is not offered.

    Raises:
        ConfigError: The factor is none of `SCALES`.
    """
    if scale not in SCALES:
        raise ConfigError(f"The factor of super-resolution is {scale}; allowed are {', '.join(map(str, SCALES))}.")


def reconstruction_loss(fine_B3HW: Tensor, truth_B3HW: Tensor) -> Tensor:
    """Return the mean absolute error of normalised velocities; the paper's loss is not known."""
    return torch.abs(fine_B3HW - truth_B3HW).mean()
