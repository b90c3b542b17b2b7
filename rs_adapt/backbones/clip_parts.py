"""The modules of CLIP's visual ViT, taken from `transformers`; imported only when one is built."""

from __future__ import annotations

from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoderLayer, CLIPVisionEmbeddings


class ClipLayer(CLIPEncoderLayer):  # type: ignore[misc]
    """A block of CLIP with identities (`scale1`, `scale2`) where DINOv2 has LayerScale."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__(config)
        self.scale1, self.scale2 = nn.Identity(), nn.Identity()

    def forward(self, x_BND: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the tokens after the block; `attention_mask` (B, 1, N, N), bool, is true where a row sees a column."""
        attended_BND, _ = self.self_attn(hidden_states=self.layer_norm1(x_BND), attention_mask=attention_mask)
        x_BND = x_BND + self.scale1(attended_BND)
        y_BND: Tensor = x_BND + self.scale2(self.mlp(self.layer_norm2(x_BND)))
        return y_BND


def build_clip_parts(
    embed_dim: int, depth: int, num_heads: int, patch_px: int, image_px: int, activation: str
) -> dict[str, nn.Module]:
    """Build embeddings, the norm after them, and blocks, with transformers' own start values.

    Args:
        embed_dim: Width.
        depth: Number of blocks.
        num_heads: Attention heads.
        patch_px: Side of a patch.
        image_px: Side of the image that the position grid is made for.
        activation: Activation of the feed-forward part, by transformers' name.
    """
    config = CLIPVisionConfig(
        hidden_size=embed_dim,
        intermediate_size=4 * embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        patch_size=patch_px,
        image_size=image_px,
        hidden_act=activation,
    )
    config._attn_implementation = "sdpa"
    embeddings = CLIPVisionEmbeddings(config)
    embeddings.patch_embedding = nn.Conv2d(3, embed_dim, patch_px, patch_px, bias=True)
    return {
        "embeddings": embeddings,
        "pre_layrnorm": nn.LayerNorm(embed_dim, eps=config.layer_norm_eps),
        "layers": nn.ModuleList(ClipLayer(config) for _ in range(depth)),
    }
