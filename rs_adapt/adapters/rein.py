"""Rein: learnable tokens that refine the features between ViT blocks and feed the decode head's queries.

Shapes: B batch, N tokens (prefix first), D embed, L layers, M learnable tokens, R rank, Q width of a query.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import ANY, COUNT, Range, check_ranges
from rs_adapt.registry import MODELS

_REFERENCE_NAMES = {
    "learnable_tokens": "layer_tokens",
    "learnable_tokens_a": "layer_tokens_a",
    "learnable_tokens_b": "layer_tokens_b",
    "scale": "scale",
    "mlp_token2feat.weight": "token_to_feature.weight",
    "mlp_token2feat.bias": "token_to_feature.bias",
    "mlp_delta_f.weight": "refine.weight",
    "mlp_delta_f.bias": "refine.bias",
    "transform.weight": "query_project.weight",
    "transform.bias": "query_project.bias",
    "merge.weight": "query_merge.weight",
    "merge.bias": "query_merge.bias",
}


@MODELS.register_module()
class Rein(Adapter):
    """Rein, "Stronger, Fewer, & Superior" (Wei et al., CVPR 2024, https://arxiv.org/abs/2312.04265).

    `x_l <- x_l + s (M_f (y + x_l) + b_f)`, `y = S[:, 1:] (M_t T_l[1:] + b_t)`, `S = softmax(x_l T_l^T / sqrt(D))`. The
    first of the M tokens `T_l` is a sink: it takes part in the softmax, but not in the sum. In the low-rank form,
    `T_l = A_l B_l`. `M_t`, `M_f` and `s` are shared by all layers. Prefix tokens pass unchanged.

    Link to the head: `Q_l = T_l W_q + b_q`; the maximum over layers, the mean over layers and the last layer,
    interleaved by channel, go through a linear layer 3 Q -> Q and serve as position embeddings of the head's M queries.

    Trained: tokens `L M D`, or `L R (M + D)` in the low-rank form; projections and s, `2 (D^2 + D) + 1`; with the link,
    also `D Q + Q + 3 Q^2 + Q`.

    Departs from the reference (w1oves/Rein @ 7da85bc): `query_dim=None` means no link and `token_rank=None` the full
    form, whereas the reference has a class for each.
    """

    identity_at_init: bool = False
    no_decay: tuple[str, ...] = ("layer_tokens", "scale")
    stacked_by_block: tuple[str, ...] = ("layer_tokens", "layer_tokens_a", "layer_tokens_b")
    reference_prefix = "reins."
    # The link, which an instance without one does not use.
    reference_spare = ("transform.*", "merge.*")

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        patch_px: int = 16,
        num_tokens: int = 100,
        token_rank: int | None = 16,
        query_dim: int | None = 256,
        scale_init: float = 1e-3,
    ) -> None:
        """Build the adapter.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            patch_px: Patch size of the ViT in pixels; sets the range of the tokens' start values only.
            num_tokens: Learnable tokens a layer, at least 2 (the first is the sink).
            token_rank: Rank of the tokens, at least 1, or None for full tokens.
            query_dim: Width of the head's queries, or None for no link to the head.
            scale_init: Start value of the shared scale, any number.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        # The first token changes no feature.
        check_ranges("Rein", num_tokens=(num_tokens, Range(least=2, whole=True)), scale_init=(scale_init, ANY))
        if token_rank is not None:
            check_ranges("Rein", token_rank=(token_rank, COUNT))
        if query_dim is not None:
            check_ranges("Rein", query_dim=(query_dim, COUNT))
        self.embed_dim, self.depth, self.token_rank, self.query_dim = embed_dim, depth, token_rank, query_dim
        if token_rank is None:
            self.layer_tokens = nn.Parameter(torch.empty(depth, num_tokens, embed_dim))
            spread, tokens = float(embed_dim), [self.layer_tokens]
        else:
            self.layer_tokens_a = nn.Parameter(torch.empty(depth, num_tokens, token_rank))
            self.layer_tokens_b = nn.Parameter(torch.empty(depth, token_rank, embed_dim))
            spread, tokens = math.sqrt(embed_dim * token_rank), [self.layer_tokens_a, self.layer_tokens_b]
        limit = math.sqrt(6 / (3 * patch_px**2 + spread))
        for param in tokens:
            nn.init.uniform_(param, -limit, limit)
        self.scale = nn.Parameter(torch.tensor(float(scale_init)))
        self.token_to_feature = nn.Linear(embed_dim, embed_dim)
        self.refine = nn.Linear(embed_dim, embed_dim)
        linears = [self.token_to_feature, self.refine]
        if query_dim is not None:
            self.query_project = nn.Linear(embed_dim, query_dim)
            self.query_merge = nn.Linear(3 * query_dim, query_dim)
            linears += [self.query_project, self.query_merge]
        for linear in linears:
            nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5))

    def _tokens_MD(self, layer: int) -> Tensor:
        """Return the learnable tokens of a layer."""
        if self.token_rank is None:
            return self.layer_tokens[layer]
        return self.layer_tokens_a[layer] @ self.layer_tokens_b[layer]

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Refine the patch tokens.

        Args:
            x_BND: Tokens after block `layer`, prefix first.
            layer: Index of the block, from 0.
            grid_hw: Rows and columns of the token grid; not needed here.

        Returns:
            Tokens of the same shape and dtype.
        """
        prefix_BPD, patches_BND = x_BND[:, : self.num_prefix], x_BND[:, self.num_prefix :]
        tokens_MD = self._tokens_MD(layer)
        y_BND = self._attention(patches_BND, tokens_MD)[..., 1:] @ self.token_to_feature(tokens_MD[1:])
        delta_BND = self.refine(y_BND + patches_BND)
        return torch.cat([prefix_BPD, (patches_BND + self.scale * delta_BND).to(x_BND.dtype)], dim=1)

    def _attention(self, patches_BND: Tensor, tokens_MD: Tensor) -> Tensor:
        """Return the attention of each patch over the tokens, (B, N, M), 1 in total for each patch."""
        return (functional.linear(patches_BND, tokens_MD) / math.sqrt(self.embed_dim)).softmax(dim=-1)

    def inspect_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Return the attention of the patches over the learnable tokens, each share 0 to 1.

        `attention_share/sink`: map (B, h, w) of the share of the first token, which adds nothing.
        `attention_share/tokens`: (B, M), the mean share of each token over the patches, the sink first, 1 in total.
        """
        attention_BNM = self._attention(x_BND[:, self.num_prefix :], self._tokens_MD(layer))
        return {
            "attention_share/sink": attention_BNM[..., 0].reshape(-1, *grid_hw),
            "attention_share/tokens": attention_BNM.mean(dim=1),
        }

    def queries(self) -> Tensor | None:
        """Return the position embeddings (M, Q) of the head's queries, one a token; None if `query_dim` is None."""
        if self.query_dim is None:
            return None
        if self.token_rank is None:
            tokens_LMD: Tensor = self.layer_tokens
        else:
            tokens_LMD = self.layer_tokens_a @ self.layer_tokens_b
        q_LMQ = self.query_project(tokens_LMD)
        # Interleaved: (c0 max, c0 mean, c0 last, c1 max, ...), the order that released weights expect.
        triple_MQ3 = torch.stack([q_LMQ.amax(dim=0), q_LMQ.mean(dim=0), q_LMQ[-1]], dim=-1)
        queries_MQ: Tensor = self.query_merge(triple_MQ3.flatten(-2))
        return queries_MQ

    @staticmethod
    def num_params(
        *, embed_dim: int, depth: int, num_tokens: int = 100, token_rank: int | None = 16, query_dim: int | None = 256
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        width = num_tokens * embed_dim if token_rank is None else token_rank * (num_tokens + embed_dim)
        link = 0 if query_dim is None else query_dim * (embed_dim + 1) + query_dim * (3 * query_dim + 1)
        return depth * width + 2 * embed_dim * (embed_dim + 1) + 1 + link

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return (
            {"num_tokens": 7, "token_rank": 3, "query_dim": 8},
            {"num_tokens": 5, "token_rank": None, "query_dim": None},
        )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Load weights; weights of the query link are dropped if this instance has no link."""
        if self.query_dim is None:
            for name in [n for n in state_dict if n.startswith((f"{prefix}query_project.", f"{prefix}query_merge."))]:
                del state_dict[name]
        super()._load_from_state_dict(state_dict, prefix, *args)

    @staticmethod
    def convert_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename weights of the reference implementation.

        Args:
            state: Weights named as in the reference (`learnable_tokens_a`, `mlp_delta_f.weight`, ...). The link's
                weights (`transform.*`, `merge.*`) are dropped on loading into an adapter without link.

        Returns:
            Entries for `load_state_dict`.

        Raises:
            ConfigError: A name is not known.
        """
        unknown = sorted(state.keys() - _REFERENCE_NAMES.keys())
        if unknown:
            raise ConfigError(
                f"Rein: unknown reference weights {', '.join(unknown)}. Known: {', '.join(_REFERENCE_NAMES)}."
            )
        return {_REFERENCE_NAMES[name]: tensor for name, tensor in state.items()}

    @staticmethod
    def to_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename a state dict of this adapter to the names in the authors' checkpoints."""
        names = {ours: theirs for theirs, ours in _REFERENCE_NAMES.items()}
        return {names[name]: tensor for name, tensor in state.items()}

    @staticmethod
    def reference_settings(state: Mapping[str, Tensor]) -> Settings:
        """Infer constructor arguments from reference weights: width, depth, tokens, their rank, the link to the head.

        Raises:
            ConfigError: The tokens are missing or do not have three dimensions.
        """
        low_rank = "learnable_tokens_a" in state
        names = ("learnable_tokens_a", "learnable_tokens_b") if low_rank else ("learnable_tokens",)
        for name in names:
            if name not in state or state[name].ndim != 3:
                raise ConfigError(f"Rein: the reference weights need a tensor {name} with 3 dimensions.")
        depth, num_tokens, _ = state[names[0]].shape
        *_, rank, embed_dim = state[names[-1]].shape
        link = state.get("transform.weight")
        return {
            "embed_dim": embed_dim,
            "depth": depth,
            "num_tokens": num_tokens,
            "token_rank": rank if low_rank else None,
            "query_dim": None if link is None else link.shape[0] if link.ndim else 0,
        }
