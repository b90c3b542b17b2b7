"""Mask2Former decode head on the pixel decoder and masked-attention decoder of `transformers`, in pure PyTorch.

Shapes: B batch, Q queries, D channels of the head, K classes, h/w grid at a quarter of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, Unpack

from torch import Tensor, nn
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerMaskedAttentionDecoder,
    Mask2FormerMaskedAttentionDecoderLayer,
    Mask2FormerPixelDecoder,
    Mask2FormerPixelDecoderEncoderLayer,
)

from rs_adapt.errors import ConfigError
from rs_adapt.heads.deformable import DeformableAttention
from rs_adapt.heads.mask2former_init import init_decoder, init_pixel_decoder
from rs_adapt.heads.mask2former_names import convert_mmdet_names
from rs_adapt.heads.mask_head import MaskHead, MaskSettings
from rs_adapt.heads.recomputed import RecomputedLayer
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

NUM_LEVELS = 4
NUM_ATTENDED_LEVELS = 3
GROUP_NORM_GROUPS = 32


class _PixelLayer(RecomputedLayer, Mask2FormerPixelDecoderEncoderLayer):  # type: ignore[misc]
    """A layer of the pixel decoder."""


class _QueryLayer(RecomputedLayer, Mask2FormerMaskedAttentionDecoderLayer):  # type: ignore[misc]
    """A layer of the query decoder."""


@MODELS.register_module()
class Mask2FormerHead(MaskHead):
    """Predict a set of (class, mask) pairs and add them up to class scores.

    Mask2Former (arXiv 2112.01527, CVPR 2022): a deformable-attention pixel decoder, then queries that attend within
    the mask they predicted one layer before. `score(k) = sum_q softmax(class_q)[k] * sigmoid(up(mask_q))`.

    All parameters train. With `learned_query_pos=False` the query positions come with the features instead (Rein,
    arXiv 2312.04265, links its tokens there) and the head has no position table, which would get no gradient.

    Equal to mmdetection's Mask2FormerHead as mmsegmentation uses it; `convert_reference` reads its checkpoints.

    Args:
        in_channels: Channels of the four levels, finest first.
        num_classes: Number of classes K.
        channels: Width D; a multiple of 32 and of `num_heads`.
        num_queries: Number of queries Q, at least 1; with linked queries, that of the adapter.
        encoder_layers: Deformable attention layers of the pixel decoder, at least 1.
        decoder_layers: Masked attention layers, at least 1; one more prediction is made from the queries before the
            first.
        num_heads: Attention heads of both decoders, at least 1.
        encoder_ffn: Hidden width of the pixel decoder's feed-forward networks, at least 1.
        decoder_ffn: Hidden width of the query decoder's feed-forward networks, at least 1.
        learned_query_pos: Whether the head learns query positions itself.
        **settings: Points, weights, and what is made of ignored pixels; see `MaskHead`.

    Raises:
        ConfigError: If there are not four levels, a number is out of its range, or `channels` is not divisible as
            needed, or `ignored_pixels` is neither.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 256,
        num_queries: int = 100,
        encoder_layers: int = 6,
        decoder_layers: int = 9,
        num_heads: int = 8,
        encoder_ffn: int = 1024,
        decoder_ffn: int = 2048,
        learned_query_pos: bool = True,
        **settings: Unpack[MaskSettings],
    ) -> None:
        """Build and initialise the modules."""
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            num_queries=num_queries,
            **settings,
        )
        check_ranges(
            "Mask2FormerHead",
            channels=(channels, COUNT),
            encoder_layers=(encoder_layers, COUNT),
            decoder_layers=(decoder_layers, COUNT),
            num_heads=(num_heads, COUNT),
            encoder_ffn=(encoder_ffn, COUNT),
            decoder_ffn=(decoder_ffn, COUNT),
        )
        if len(in_channels) != NUM_LEVELS:
            raise ConfigError(f"Mask2FormerHead got {len(in_channels)} levels in `in_channels`; it needs {NUM_LEVELS}.")
        if channels % GROUP_NORM_GROUPS or channels % num_heads:
            raise ConfigError(
                f"Mask2FormerHead got channels={channels} with num_heads={num_heads}; `channels` must be a multiple of "
                f"{GROUP_NORM_GROUPS} (group norm) and of `num_heads`."
            )
        settings = Mask2FormerConfig(
            feature_size=channels,
            mask_feature_size=channels,
            hidden_dim=channels,
            encoder_layers=encoder_layers,
            encoder_feedforward_dim=encoder_ffn,
            # transformers counts the prediction before the first layer as a layer.
            decoder_layers=decoder_layers + 1,
            dim_feedforward=decoder_ffn,
            num_attention_heads=num_heads,
            num_queries=num_queries,
        )
        self.pixel_decoder = Mask2FormerPixelDecoder(settings, feature_channels=list(in_channels))
        self.decoder = Mask2FormerMaskedAttentionDecoder(settings)
        self.query_feat = nn.Embedding(num_queries, channels)
        self.query_embed = nn.Embedding(num_queries, channels) if learned_query_pos else None
        self.level_embed = nn.Embedding(NUM_ATTENDED_LEVELS, channels)
        self.cls_embed = nn.Linear(channels, num_classes + 1)
        # Both decoders build their layers themselves, and another class of the same layer draws no second start.
        for layer in self.pixel_decoder.encoder.layers:
            layer.__class__ = _PixelLayer
            layer.self_attn.__class__ = DeformableAttention
        for layer in self.decoder.layers:
            layer.__class__ = _QueryLayer
        init_pixel_decoder(self.pixel_decoder)
        init_decoder(self.decoder)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all parts except the pixel decoder's layers, which stay in eval mode.

        They drop nothing in either mode. In training each of those of transformers asks whether its output is finite,
        and the host waits for a GPU's answer; a loss that is not finite stops the training in any case.
        """
        super().train(mode)
        for layer in self.pixel_decoder.encoder.layers:
            layer.training = False
        return self

    def forward(self, features: Sequence[Tensor], queries: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits (B, Q, K + 1) and mask logits (B, Q, h, w), a list of each.

        The first entry is the prediction from the initial queries, before any decoder layer; one entry a layer follows.

        Args:
            features: Four maps (B, C_i, h_i, w_i), finest first; usual strides are 4, 8, 16 and 32, but any sizes work.
            queries: Positions (Q, D) of the queries. None takes `features.queries` if there is such an attribute that
                is not None, else the learned positions.

        Raises:
            ConfigError: The positions have the wrong shape, or none are given and none are learned.
        """
        query_pos_QD = self._query_positions(queries if queries is not None else getattr(features, "queries", None))
        # The sine positions take the features' dtype; bfloat16 maps under autocast would blur them.
        maps = [level.to(self.query_feat.weight.dtype) for level in features]
        pixels = self.pixel_decoder(maps)
        batch_size = maps[0].shape[0]
        memory, memory_pos = [], []
        for level, x_BDhw in enumerate(pixels.multi_scale_features):
            pos_BDhw = self.pixel_decoder.position_embedding(x_BDhw.shape, x_BDhw.device, x_BDhw.dtype)
            memory.append((x_BDhw.flatten(2) + self.level_embed.weight[level][None, :, None]).permute(2, 0, 1))
            memory_pos.append(pos_BDhw.flatten(2).permute(2, 0, 1))
        decoded = self.decoder(
            inputs_embeds=self.query_feat.weight[:, None].expand(-1, batch_size, -1),
            query_position_embeddings=query_pos_QD[:, None].expand(-1, batch_size, -1),
            multi_stage_positional_embeddings=memory_pos,
            encoder_hidden_states=memory,
            pixel_embeddings=pixels.mask_features,
            feature_size_list=[x_BDhw.shape[-2:] for x_BDhw in pixels.multi_scale_features],
            return_dict=True,
        )
        class_logits = [self.cls_embed(state_QBD.transpose(0, 1)) for state_QBD in decoded.intermediate_hidden_states]
        return class_logits, list(decoded.masks_queries_logits)

    @staticmethod
    def convert_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors under this class's names, from mmdetection's; see `convert_mmdet_names`."""
        return convert_mmdet_names(state)

    def _query_positions(self, queries: Tensor | None) -> Tensor:
        if queries is None:
            if self.query_embed is None:
                raise ConfigError(
                    "Mask2FormerHead was built with learned_query_pos=False but the features contain no queries. "
                    "Use an adapter that links queries (rein) or set learned_query_pos=True."
                )
            return self.query_embed.weight
        expected = tuple(self.query_feat.weight.shape)
        if tuple(queries.shape) != expected:
            raise ConfigError(
                f"Mask2FormerHead got linked queries of shape {tuple(queries.shape)}; its num_queries and channels "
                f"need {expected}. Set num_queries to the adapter's tokens and the adapter's query_dim to channels."
            )
        return queries
