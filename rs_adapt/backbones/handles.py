"""Handles: the parts of a ViT that adapters change, under names that do not change with transformers' versions.

Only this module depends on transformers' names (5.23) for the parts of its blocks. Where a model has no LayerScale, its
blocks here have an identity at `scale1` and `scale2`; where q, k and v are one matrix, the blocks here have three.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

# For `Dinov2Layer`, with or without registers.
DINOV2: dict[str, str] = {
    "attn_q": "attention.q_proj",
    "attn_k": "attention.k_proj",
    "attn_v": "attention.v_proj",
    "attn_out": "attention.o_proj",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
    "norm1": "norm1",
    "norm2": "norm2",
    "scale1": "layer_scale1",
    "scale2": "layer_scale2",
}

# A gated feed-forward part is down(silu(gate(x)) * up(x)): three matrices instead of two.
_GATED = {"fc1": "mlp.up_proj", "fc1_gate": "mlp.gate_proj", "fc2": "mlp.down_proj"}
DINOV2_GATED: dict[str, str] = DINOV2 | _GATED

# For `DINOv3ViTLayer`.
DINOV3: dict[str, str] = DINOV2 | {"fc1": "mlp.up_proj", "fc2": "mlp.down_proj"}
DINOV3_GATED: dict[str, str] = DINOV2 | _GATED

# For `ViTLayer`.
PLAIN: dict[str, str] = DINOV2 | {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "scale1": "scale1",
    "scale2": "scale2",
}

# For `CLIPEncoderLayer`.
CLIP: dict[str, str] = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.out_proj",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "scale1": "scale1",
    "scale2": "scale2",
}

# For `SamVisionLayer`.
SAM: dict[str, str] = {
    "attn_q": "attn.q_proj",
    "attn_k": "attn.k_proj",
    "attn_v": "attn.v_proj",
    "attn_out": "attn.proj",
    "fc1": "mlp.lin1",
    "fc2": "mlp.lin2",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "scale1": "scale1",
    "scale2": "scale2",
}


class Block:
    """One ViT block seen through its handles: `block.attn_q`, `block.fc1`, ... give the submodules.

    Names: attn_q, attn_k, attn_v, attn_out, fc1, fc2 (Linear), norm1, norm2 (LayerNorm), scale1, scale2 (LayerScale or
    identity); with a gated MLP also fc1_gate. The output of `scale1` is added to the stream after attention, that of
    `scale2` after the MLP.
    """

    def __init__(self, module: nn.Module, paths: Mapping[str, str]) -> None:
        """Store `module`, a block of transformers, and the paths of its parts by handle."""
        self.module = module
        self.paths = paths

    def __getattr__(self, name: str) -> nn.Module:
        """Return the submodule behind a handle.

        Raises:
            AttributeError: If there is no handle of that name, or its path is not in the block.
        """
        # `paths` itself is looked up here while a copy or an unpickled object is still empty.
        paths: dict[str, str] = self.__dict__.get("paths", {})
        if name not in paths:
            raise AttributeError(f"a ViT block has no handle {name!r}; handles: {', '.join(paths)}")
        return self.module.get_submodule(paths[name])

    def replace(self, name: str, module: nn.Module) -> None:
        """Put `module` where the handle `name` points to (for adapters that wrap a layer)."""
        getattr(self, name)
        self.module.set_submodule(self.paths[name], module, strict=True)


def find_moved_handles(module: nn.Module, paths: Mapping[str, str]) -> list[str]:
    """Return the handles whose path does not exist in `module`, a block of transformers, as texts `handle: path`."""
    present = {name for name, _ in module.named_modules()}
    return [f"{handle}: {path}" for handle, path in paths.items() if path not in present]
