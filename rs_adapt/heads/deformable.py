"""The deformable attention of Mask2Former's pixel decoder, whose samples a CPU may add up by `gather` in training.

Shapes: B images, S cells of all levels, Q queries, H heads, D width of a head, L levels, P points; T = L P.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
    multi_scale_deformable_attention,
)

from rs_adapt.heads.deformable_gather import Shapes, can_gather, gather


class DeformableAttention(Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention):  # type: ignore[misc]
    """The deformable attention of transformers, to the last bit unless it gathers.

    Attributes:
        gathers: Whether `gather` adds up the samples in training, where that is possible; evaluations stay exact.
    """

    gathers = False

    def forward(
        self,
        hidden_states: Tensor,
        *,
        attention_mask: Tensor,
        encoder_hidden_states: Tensor,
        position_embeddings: Tensor,
        reference_points: Tensor,
        spatial_shapes_list: Shapes,
        **others: Any,
    ) -> tuple[Tensor, Tensor]:
        """Return the output (B, Q, H D) and the attention (B, Q, H, L, P).

        Args:
            hidden_states: Queries (B, Q, H D).
            attention_mask: Which cells (B, S) count as zero.
            encoder_hidden_states: Cells (B, S, H D).
            position_embeddings: Positions of the queries (B, Q, H D).
            reference_points: Where each query is on each level (B, Q, L, 2), x and y from 0 to 1.
            spatial_shapes_list: Height and width of each level.
            others: What transformers' own form takes besides.
        """
        if not (self.gathers and self.training):
            plain: tuple[Tensor, Tensor] = super().forward(
                hidden_states,
                attention_mask=attention_mask,
                encoder_hidden_states=encoder_hidden_states,
                position_embeddings=position_embeddings,
                reference_points=reference_points,
                spatial_shapes_list=spatial_shapes_list,
                **others,
            )
            return plain
        queries = hidden_states + position_embeddings
        batch, count, _ = queries.shape
        samples = (batch, count, self.n_heads, self.n_levels, self.n_points)
        value = self.value_proj(encoder_hidden_states).masked_fill(attention_mask[..., None], 0.0)
        value_BSHD = value.view(*value.shape[:2], self.n_heads, self.d_model // self.n_heads)
        offsets_BQHLP2 = self.sampling_offsets(queries).view(*samples, 2)
        attention_BQHT = self.attention_weights(queries).view(batch, count, self.n_heads, -1).softmax(-1)
        sizes_L2 = torch.tensor([[wide, high] for high, wide in spatial_shapes_list], device=value.device)
        where_BQHLP2 = reference_points[:, :, None, :, None, :] + offsets_BQHLP2 / sizes_L2[:, None]
        tensors = value_BSHD, where_BQHLP2, attention_BQHT.view(samples)
        attend = gather if can_gather(spatial_shapes_list, *tensors) else multi_scale_deformable_attention
        return self.output_proj(attend(value_BSHD, spatial_shapes_list, *tensors[1:])), tensors[2]


def let_gather(model: nn.Module) -> bool:
    """Let every such attention of a model gather in training; return whether there is one."""
    layers = [layer for layer in model.modules() if isinstance(layer, DeformableAttention)]
    for layer in layers:
        layer.gathers = True
    return bool(layers)
