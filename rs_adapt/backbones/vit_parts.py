"""The modules of a DINOv2 ViT, taken from `transformers`."""

from __future__ import annotations

from torch import nn


def vit_parts(
    embed_dim: int, depth: int, num_heads: int, patch_px: int, image_px: int, swiglu: bool
) -> tuple[nn.Module, nn.ModuleList]:
    """Return embeddings and blocks of a DINOv2 ViT from `transformers`, with its own start values.

    Args:
        embed_dim: width.
        depth: number of blocks.
        num_heads: attention heads.
        patch_px: side of a patch.
        image_px: side of the image that the position grid is made for.
        swiglu: blocks with a gated MLP, as in the giant model.
    """
    # Imported here: transformers takes seconds, and reading configs or converting weights does not need it.
    from transformers.models.dinov2.configuration_dinov2 import Dinov2Config
    from transformers.models.dinov2.modeling_dinov2 import Dinov2Embeddings, Dinov2Layer

    config = Dinov2Config(
        hidden_size=embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        patch_size=patch_px,
        image_size=image_px,
        use_swiglu_ffn=swiglu,
        use_mask_token=False,
    )
    config._attn_implementation = "sdpa"
    return Dinov2Embeddings(config), nn.ModuleList(Dinov2Layer(config) for _ in range(depth))
