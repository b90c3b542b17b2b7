"""Handles: the parts of a ViT block that adapters touch, under names that do not change with transformers' versions."""

from __future__ import annotations

from torch import nn

# The one place that knows how transformers (5.23) names the parts of a `Dinov2Layer`.
BLOCK_PATHS: dict[str, str] = {
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

# ViT-g's feed-forward part is down(silu(gate(x)) * up(x)): three matrices instead of two.
SWIGLU_PATHS: dict[str, str] = BLOCK_PATHS | {
    "fc1": "mlp.up_proj",
    "fc1_gate": "mlp.gate_proj",
    "fc2": "mlp.down_proj",
}

# Of the embeddings, `Dinov2Embeddings`.
PATCH_EMBED_PATH = "patch_embeddings.projection"


class Block:
    """One ViT block seen through its handles: `block.attn_q`, `block.fc1`, ... give the submodules.

    Names: attn_q, attn_k, attn_v, attn_out, fc1, fc2 (Linear), norm1, norm2 (LayerNorm), scale1, scale2 (LayerScale);
    with SwiGLU also fc1_gate. `scale1` gives what is added after attention, `scale2` what is added after the MLP.
    """

    def __init__(self, module: nn.Module, *, swiglu: bool) -> None:
        """Look at `module`, a transformers `Dinov2Layer`."""
        self.module = module
        self.paths = SWIGLU_PATHS if swiglu else BLOCK_PATHS

    def __getattr__(self, name: str) -> nn.Module:
        """Return the submodule behind a handle.

        Raises:
            AttributeError: if there is no handle of that name, or its path is not in the block.
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


def moved_handles(module: nn.Module, *, swiglu: bool) -> list[str]:
    """Name the handles whose path is not in a block, as `handle: path`; empty if all are where they should be."""
    present = {name for name, _ in module.named_modules()}
    paths = SWIGLU_PATHS if swiglu else BLOCK_PATHS
    return [f"{handle}: {path}" for handle, path in paths.items() if path not in present]
