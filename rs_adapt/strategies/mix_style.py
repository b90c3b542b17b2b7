"""MixStyle: in training, the feature statistics of an image are mixed with those of a different image of the batch.

Shapes: B batch, N tokens (prefix such as CLS and registers first), P patch tokens, D embed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmseg.structures import SegDataSample
from scipy.special import betaincinv
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.processes import generator, global_batch_size, local_slice, sum_over_ranks
from rs_adapt.ranges import POSITIVE, SHARE, check_ranges
from rs_adapt.registry import MODELS

# The paper's, below the square root.
_EPS = 1e-6


@MODELS.register_module()
class MixStyle(BaseModel):  # type: ignore[misc]
    """A segmentor that learns from labelled images whose feature statistics are mixed between images.

    After some blocks of the backbone, with the probability `mixstyle_prob` for each of them in each iteration,

        x' = (l s + (1 - l) s') (x - m) / s + l m + (1 - l) m',    l ~ Beta(a, a),

    with mean m and standard deviation s of each channel over an image's patch tokens, and those of a different image
    of the batch, m' and s' (MixStyle, Zhou et al., arXiv 2104.02008, equations 1 to 5). The partners are a random
    permutation of the batch, l is drawn for each image, and no gradient flows through the statistics. Where the
    backbone is frozen, what trains behind the block learns from the mixed tokens.

    Ours: patch tokens of a ViT in place of cells of a ResNet's maps; the tokens before them (CLS, registers) stay as
    they are. Partners are of the same region, because there is one with labels. Statistics are of the batch of all
    processes.

    Predictions are those of the segmentor: nothing is mixed outside of the mode "loss". Draws come from torch's global
    generator of the CPU, which every iteration seeds, so a resumed run continues with the same ones.

    Args:
        segmentor: A mmsegmentation `EncoderDecoder` with a ViT, or its config.
        mixstyle_prob: Chance that the output of a block is mixed, 0 (off) to 1.
        mixstyle_beta: The number a of the Beta distribution, above 0.
        mixstyle_layers: Blocks whose output is mixed, from 0; none after the last map of the backbone.

    Raises:
        ConfigError: A number is out of its range, there is no block, or one is behind the last map.
    """

    def __init__(
        self,
        *,
        segmentor: ConfigNode | nn.Module,
        mixstyle_prob: float,
        mixstyle_beta: float,
        mixstyle_layers: Sequence[int],
    ) -> None:
        module: Any = MODELS.build(segmentor) if isinstance(segmentor, dict) else segmentor
        super().__init__(data_preprocessor=module.data_preprocessor)
        check_ranges("strategy.", mixstyle_prob=(mixstyle_prob, SHARE), mixstyle_beta=(mixstyle_beta, POSITIVE))
        last = module.backbone.out_layers[-1]
        if not mixstyle_layers or max(mixstyle_layers) > last or min(mixstyle_layers) < 0:
            raise ConfigError(
                f"strategy.mixstyle_layers is {list(mixstyle_layers)}; it must name at least one block, and none after "
                f"block {last}, the last one that the backbone runs itself."
            )
        self.segmentor = module
        self.mixstyle_prob = mixstyle_prob
        self.mixstyle_beta = mixstyle_beta
        self.mixstyle_layers = frozenset(mixstyle_layers)

    def forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None, mode: str = "tensor") -> Any:
        """Run one of mmengine's three modes; "loss" mixes statistics.

        Args:
            inputs: (B, 3, H, W) normalised images.
            data_samples: Their samples; for "loss" with labels.
            mode: "loss", "predict" or "tensor".

        Raises:
            ConfigError: The batch of all processes has a single image, for "loss".
        """
        if mode != "loss" or not self.mixstyle_prob:
            return self.segmentor(inputs, data_samples, mode=mode)
        check_partners(global_batch_size(len(inputs)))
        with self.segmentor.backbone.changing_tokens(self._mix):
            return self.segmentor(inputs, data_samples, mode=mode)

    def _mix(self, layer: int, x_BND: Tensor) -> Tensor:
        if layer not in self.mixstyle_layers or float(torch.rand((), generator=generator())) >= self.mixstyle_prob:
            return x_BND
        count = global_batch_size(len(x_BND))
        order = torch.randperm(count, generator=generator())
        shares = torch.rand(count, dtype=torch.float64, generator=generator())
        # The inverse of the distribution function, since torch's own sampler takes no generator.
        shares = torch.from_numpy(betaincinv(self.mixstyle_beta, self.mixstyle_beta, shares.numpy()))
        return mix_statistics(x_BND, order=order, shares=shares, num_prefix=self.segmentor.backbone.num_prefix)


def check_partners(batch_size: int) -> None:
    """Refuse a batch in which an image has no partner.

    Args:
        batch_size: Images of all processes.

    Raises:
        ConfigError: There are fewer than two.
    """
    if batch_size < 2:
        raise ConfigError(
            f"The batch has {batch_size} image, but MixStyle mixes the statistics of two. Use --batch-size 2 or more, "
            "or --set strategy.mixstyle_prob=0.0."
        )


def mix_statistics(x_BND: Tensor, *, order: Tensor, shares: Tensor, num_prefix: int) -> Tensor:
    """Return tokens whose patches have the mixed means and standard deviations of two images.

    Args:
        x_BND: Tokens of this process's images.
        order: (images of all processes,) int64; the position of each image's partner in the batch of all processes.
        shares: (images of all processes,) float; the image's own share of the statistics, 0 to 1.
        num_prefix: Tokens before the patches; they stay.

    Returns:
        (B, N, D), of the dtype of `x_BND`.
    """
    prefix_BND, patches_BPD = x_BND.tensor_split((num_prefix,), dim=1)
    values_BPD = patches_BPD.float()
    with torch.no_grad():
        std_B1D = (values_BPD.var(dim=1, keepdim=True, correction=0) + _EPS).sqrt()
        own_B2D = torch.cat([values_BPD.mean(dim=1, keepdim=True), std_B1D], dim=1)
        mine = local_slice(len(own_B2D))
        # Only what this process knows, for the sum over all of them to be the whole batch.
        all_B2D = own_B2D.new_zeros(len(order), *own_B2D.shape[1:])
        all_B2D[mine] = own_B2D
        partner_B2D = sum_over_ranks(all_B2D)[order[mine].to(own_B2D.device)]
        share_B11 = shares[mine].to(own_B2D)[:, None, None]
        mean_B1D, mixed_B2D = own_B2D[:, :1], share_B11 * own_B2D + (1 - share_B11) * partner_B2D
    mixed_BPD = (values_BPD - mean_B1D) / std_B1D * mixed_B2D[:, 1:] + mixed_B2D[:, :1]
    return torch.cat([prefix_BND, mixed_BPD.to(x_BND.dtype)], dim=1)
