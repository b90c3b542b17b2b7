"""Initial values of Mask2Former's modules; built outside a `transformers` model they are partly uninitialised memory.

The values of the paper's implementation: Xavier for attention and feed-forward matrices, zero biases of attention, a
ring of offsets for deformable attention (Deformable DETR, arXiv 2010.04159, appendix A.4).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


@torch.no_grad()
def init_pixel_decoder(module: nn.Module) -> None:
    """Fill a `Mask2FormerPixelDecoder` in place, from the global random state."""
    nn.init.normal_(module.get_parameter("level_embed"))
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            if name.startswith("input_projections"):
                nn.init.xavier_uniform_(part.weight)
            else:
                nn.init.kaiming_uniform_(part.weight, a=1)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if "self_attn" in name:
                nn.init.zeros_(part.bias)
    for name, part in module.named_modules():
        if name.endswith("self_attn"):
            offsets, attention = part.get_submodule("sampling_offsets"), part.get_submodule("attention_weights")
            for parameter in (*offsets.parameters(), *attention.parameters()):
                nn.init.zeros_(parameter)
            offsets.get_parameter("bias").copy_(_ring_of_offsets(part.n_heads, part.n_levels, part.n_points))


@torch.no_grad()
def init_decoder(module: nn.Module) -> None:
    """Fill the layers of a `Mask2FormerMaskedAttentionDecoder` in place; the mask MLP is left at PyTorch's values."""
    for name, parameter in module.get_submodule("layers").named_parameters():
        if parameter.dim() > 1:
            # q, k and v of self attention are three matrices here, and one with three times the rows in the paper's
            # code.
            stacked = name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))
            nn.init.xavier_uniform_(parameter, gain=math.sqrt(0.5) if stacked else 1.0)
        elif "_attn." in name:
            nn.init.zeros_(parameter)


def _ring_of_offsets(num_heads: int, num_levels: int, num_points: int) -> Tensor:
    """Return offsets in grid cells, flat: head i points along angle 2 pi i / heads, point j at distance j + 1."""
    angle = torch.arange(num_heads) * (2.0 * math.pi / num_heads)
    direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
    direction = direction / direction.abs().amax(-1, keepdim=True)
    distance = torch.arange(1, num_points + 1)
    ring = direction[:, None, None, :] * distance[None, None, :, None]
    return ring.expand(-1, num_levels, -1, -1).flatten()
