"""DINOv2 weights from the layouts they are published in: renamed, split and resized to ours.

Layouts: the original names (`blocks.N.attn.qkv`), transformers' published names (`attention.attention.query`) and the
names its modules have since 5.23 (`attention.q_proj`). The final norm and the mask token are dropped: feature maps are
taken before the final norm, and nothing is masked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.errors import ConfigError, WeightsError

KERNEL = "embeddings.patch_embeddings.projection.weight"
POSITIONS = "embeddings.position_embeddings"
CLS = "embeddings.cls_token"

_WB = r"(weight|bias)"
_QKV = tuple(rf"layers.\1.attention.{part}_proj.\2" for part in "qkv")
# silu(first half) * second half: the first half is the gate.
_SWIGLU_IN = (r"layers.\1.mlp.gate_proj.\2", r"layers.\1.mlp.up_proj.\2")
_HF_BLOCK = r"(?:encoder\.layer|layers)\.(\d+)\."

# (pattern of the name in the file, our names): several names split the tensor into equal parts, none drops it.
_ORIGINAL: list[tuple[str, tuple[str, ...]]] = [
    (r"cls_token", (CLS,)),
    (r"pos_embed", (POSITIONS,)),
    (rf"patch_embed\.proj\.{_WB}", (r"embeddings.patch_embeddings.projection.\1",)),
    (r"mask_token", ()),
    (rf"norm\.{_WB}", ()),
    (rf"blocks\.(\d+)\.attn\.qkv\.{_WB}", _QKV),
    (rf"blocks\.(\d+)\.attn\.proj\.{_WB}", (r"layers.\1.attention.o_proj.\2",)),
    (rf"blocks\.(\d+)\.(norm[12])\.{_WB}", (r"layers.\1.\2.\3",)),
    (r"blocks\.(\d+)\.ls([12])\.gamma", (r"layers.\1.layer_scale\2.lambda1",)),
    (rf"blocks\.(\d+)\.mlp\.(fc[12])\.{_WB}", (r"layers.\1.mlp.\2.\3",)),
    (rf"blocks\.(\d+)\.mlp\.w12\.{_WB}", _SWIGLU_IN),
    (rf"blocks\.(\d+)\.mlp\.w3\.{_WB}", (r"layers.\1.mlp.down_proj.\2",)),
]
_TRANSFORMERS: list[tuple[str, tuple[str, ...]]] = [
    (r"embeddings\.(cls_token|position_embeddings)", (r"embeddings.\1",)),
    (rf"embeddings\.patch_embeddings\.projection\.{_WB}", (r"embeddings.patch_embeddings.projection.\1",)),
    (r"embeddings\.mask_token", ()),
    (rf"layernorm\.{_WB}", ()),
    (rf"{_HF_BLOCK}attention\.attention\.query\.{_WB}", (_QKV[0],)),
    (rf"{_HF_BLOCK}attention\.attention\.key\.{_WB}", (_QKV[1],)),
    (rf"{_HF_BLOCK}attention\.attention\.value\.{_WB}", (_QKV[2],)),
    (rf"{_HF_BLOCK}attention\.output\.dense\.{_WB}", (r"layers.\1.attention.o_proj.\2",)),
    (rf"{_HF_BLOCK}attention\.([qkvo]_proj)\.{_WB}", (r"layers.\1.attention.\2.\3",)),
    (rf"{_HF_BLOCK}(norm[12])\.{_WB}", (r"layers.\1.\2.\3",)),
    (rf"{_HF_BLOCK}layer_scale([12])\.lambda1", (r"layers.\1.layer_scale\2.lambda1",)),
    (rf"{_HF_BLOCK}mlp\.(fc[12]|gate_proj|up_proj|down_proj)\.{_WB}", (r"layers.\1.mlp.\2.\3",)),
    (rf"{_HF_BLOCK}mlp\.weights_in\.{_WB}", _SWIGLU_IN),
    (rf"{_HF_BLOCK}mlp\.weights_out\.{_WB}", (r"layers.\1.mlp.down_proj.\2",)),
]

_SIZES = {(192, 6): "nano", (384, 12): "S", (768, 12): "B", (1024, 24): "L", (1536, 40): "g"}


@dataclass(frozen=True, kw_only=True)
class VitSize:
    """Width, depth and patch size of a ViT; two are the same model if width and depth are equal."""

    embed_dim: int
    depth: int
    patch_px: int

    @property
    def model(self) -> str:
        """`ViT-L` and so on, or `a ViT` for a size that was not published."""
        size = _SIZES.get((self.embed_dim, self.depth))
        return f"ViT-{size}" if size else "a ViT"

    @property
    def config(self) -> str:
        """`dinov2_l` and so on, the name in configs/backbone/."""
        size = _SIZES.get((self.embed_dim, self.depth))
        return f"dinov2_{size.lower()}" if size else "this backbone"


def from_original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename original DINOv2 names (no outer prefix) to ours, with q, k and v split.

    Args:
        state: tensors; a part of a model (some blocks only) is fine.

    Raises:
        WeightsError: if a name is unknown or a tensor cannot be split.
    """
    return _rename(state, _ORIGINAL, "the original DINOv2")


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename transformers' Dinov2 names (published or 5.23's; no outer prefix) to ours.

    Raises:
        WeightsError: if a name is unknown or a tensor cannot be split.
    """
    return _rename(state, _TRANSFORMERS, "transformers' DINOv2")


def _rename(state: Mapping[str, Tensor], rules: list[tuple[str, tuple[str, ...]]], layout: str) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        hits = ((re.fullmatch(pattern, name), targets) for pattern, targets in rules)
        match, targets = next(((hit, targets) for hit, targets in hits if hit), (None, ()))
        if match is None:
            unknown.append(name)
        elif targets:
            if tensor.ndim == 0 or tensor.shape[0] % len(targets):
                raise WeightsError(f"{name} has shape {tuple(tensor.shape)}: cannot be split into {len(targets)} parts")
            for target, part in zip(targets, tensor.chunk(len(targets)), strict=True):
                renamed[match.expand(target)] = part
    if any("register" in name for name in unknown):
        raise WeightsError(
            "these are DINOv2 weights with registers, which this backbone does not have: "
            "use the file without `reg4` in its name"
        )
    if unknown:
        raise WeightsError(
            f"{len(unknown)} names do not belong to {layout} ViT, e.g. {', '.join(unknown[:3])}; "
            "allowed are cls_token, pos_embed, patch_embed.* and blocks.N.* or transformers' names for them"
        )
    return renamed


def measure(state: Mapping[str, Tensor]) -> VitSize:
    """Read width, depth and patch size from a full state under our names.

    Raises:
        WeightsError: if CLS token, positions, patch kernel or blocks are missing.
    """
    layers = {int(name.split(".")[1]) for name in state if name.startswith("layers.")}
    absent = [name for name in (CLS, POSITIONS, KERNEL) if name not in state]
    if absent or not layers:
        raise WeightsError(f"not a whole DINOv2 ViT: {', '.join(absent) or 'its blocks'} missing")
    kernel = state[KERNEL]
    return VitSize(embed_dim=kernel.shape[0], depth=max(layers) + 1, patch_px=kernel.shape[-1])


def resize(state: Mapping[str, Tensor], *, patch_px: int | None, image_px: int | None) -> dict[str, Tensor]:
    """Resize patch kernel and position grid of a state under our names; tensors that fit are left as they are.

    Plain bicubic without antialias or aligned corners, as Rein's published conversion does (patch 14 -> 16, grid
    37 -> 32). The kernel's sum is not rescaled, so patch responses grow by about (16 / 14)^2.

    Args:
        state: tensors under our names, not necessarily all.
        patch_px: patch size to have, pixels; None keeps the file's.
        image_px: image size whose square grid (image_px // patch_px) the positions should have; None keeps the file's.

    Raises:
        ConfigError: if image_px is given and the patch size is neither given nor in the state.
        WeightsError: if the position grid is not square.
    """
    resized = dict(state)
    if patch_px is not None and KERNEL in state:
        resized[KERNEL] = _bicubic(state[KERNEL], patch_px)
    if image_px is not None and POSITIONS in state:
        if patch_px is None and KERNEL not in state:
            raise ConfigError(f"image_px={image_px} alone says no grid: give patch_px too, or weights with the patches")
        patch = patch_px or state[KERNEL].shape[-1]
        resized[POSITIONS] = _resize_positions(state[POSITIONS], image_px // patch)
    return resized


def _resize_positions(positions_1ND: Tensor, grid: int) -> Tensor:
    num_patches, embed_dim = positions_1ND.shape[1] - 1, positions_1ND.shape[2]
    side = math.isqrt(num_patches)
    if side * side != num_patches:
        raise WeightsError(
            f"{num_patches} position embeddings are no square grid: cannot be resized to {grid} x {grid}"
        )
    map_1Dhw = positions_1ND[:, 1:].reshape(1, side, side, embed_dim).permute(0, 3, 1, 2)
    if side == grid:
        return positions_1ND
    patches_1ND = _bicubic(map_1Dhw, grid).permute(0, 2, 3, 1).reshape(1, grid * grid, embed_dim)
    return torch.cat([positions_1ND[:, :1].float(), patches_1ND], dim=1)


def _bicubic(image_NChw: Tensor, side: int) -> Tensor:
    if image_NChw.shape[-2:] == (side, side):
        return image_NChw
    return F.interpolate(image_NChw.float(), size=(side, side), mode="bicubic", align_corners=False)
