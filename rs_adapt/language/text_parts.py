"""The modules of CLIP's text tower, taken from `transformers`; imported only when one is built.

Shapes: T texts, N tokens, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

from rs_adapt.backbones.clip_parts import ClipLayer


class TokenEmbedding(nn.Embedding):
    """A row for each token, and a bias that is zero in CLIP, as that of the visual tower's patches.

    With it BitFit means the same on both towers, and can be merged.
    """

    def __init__(self, num_tokens: int, embed_dim: int) -> None:
        super().__init__(num_tokens, embed_dim)
        self.bias = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, ids_TN: Tensor) -> Tensor:
        """Return the rows of tokens (T, N, W)."""
        return super().forward(ids_TN) + self.bias


def build_text_parts(
    *, embed_dim: int, depth: int, num_heads: int, text_dim: int, num_tokens: int, context: int, activation: str
) -> dict[str, nn.Module]:
    """Build embeddings, blocks, last norm and projection; see `TextTower` for the arguments."""
    config = CLIPTextConfig(
        hidden_size=embed_dim,
        intermediate_size=4 * embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        vocab_size=num_tokens,
        max_position_embeddings=context,
        hidden_act=activation,
        # Not used here; transformers warns where its own numbers are outside a smaller vocabulary.
        bos_token_id=None,
        eos_token_id=num_tokens - 1,
    )
    config._attn_implementation = "sdpa"
    embeddings = CLIPTextEmbeddings(config)
    embeddings.token_embedding = TokenEmbedding(num_tokens, embed_dim)
    return {
        "embeddings": embeddings,
        "layers": nn.ModuleList(ClipLayer(config) for _ in range(depth)),
        "final_norm": nn.LayerNorm(embed_dim, eps=config.layer_norm_eps),
        "projection": nn.Linear(embed_dim, text_dim, bias=False),
    }
