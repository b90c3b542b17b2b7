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

from rs_adapt.backbones.renaming import expansion, pattern, renamed
from rs_adapt.errors import ConfigError, WeightsError

KERNEL = "embeddings.patch_embeddings.projection.weight"
POSITIONS = "embeddings.position_embeddings"
CLS = "embeddings.cls_token"

_QKV = tuple(f"layers.#.attention.{part}_proj.*" for part in "qkv")
# silu(first half) * second half: the first half is the gate.
_SWIGLU_IN = ("layers.#.mlp.gate_proj.*", "layers.#.mlp.up_proj.*")

# (template of the name in the file, our names): several names split the tensor into equal parts, none drops it.
_ORIGINAL: list[tuple[str, tuple[str, ...]]] = [
    ("cls_token", (CLS,)),
    ("pos_embed", (POSITIONS,)),
    ("patch_embed.proj.*", ("embeddings.patch_embeddings.projection.*",)),
    ("mask_token", ()),
    ("norm.*", ()),
    ("blocks.#.attn.qkv.*", _QKV),
    ("blocks.#.attn.proj.*", ("layers.#.attention.o_proj.*",)),
    *((f"blocks.#.norm{i}.*", (f"layers.#.norm{i}.*",)) for i in (1, 2)),
    *((f"blocks.#.ls{i}.gamma", (f"layers.#.layer_scale{i}.lambda1",)) for i in (1, 2)),
    *((f"blocks.#.mlp.fc{i}.*", (f"layers.#.mlp.fc{i}.*",)) for i in (1, 2)),
    ("blocks.#.mlp.w12.*", _SWIGLU_IN),
    ("blocks.#.mlp.w3.*", ("layers.#.mlp.down_proj.*",)),
]
# What stands in released checkpoints of adapters beside the ViT, below the same prefix.
_BESIDE_ORIGINAL = ("refine_feat.", "reins.")
# Names of 5.23's modules; those of published files after them.
_TRANSFORMERS: list[tuple[str, tuple[str, ...]]] = [
    (CLS, (CLS,)),
    (POSITIONS, (POSITIONS,)),
    ("embeddings.patch_embeddings.projection.*", ("embeddings.patch_embeddings.projection.*",)),
    ("embeddings.mask_token", ()),
    ("layernorm.*", ()),
    *((f"encoder.layer.#.attention.{part}_proj.*", (f"layers.#.attention.{part}_proj.*",)) for part in "qkvo"),
    *((f"encoder.layer.#.norm{i}.*", (f"layers.#.norm{i}.*",)) for i in (1, 2)),
    *((f"encoder.layer.#.layer_scale{i}.lambda1", (f"layers.#.layer_scale{i}.lambda1",)) for i in (1, 2)),
    *(
        (f"encoder.layer.#.mlp.{part}.*", (f"layers.#.mlp.{part}.*",))
        for part in ("fc1", "fc2", "gate_proj", "up_proj", "down_proj")
    ),
    ("encoder.layer.#.attention.attention.query.*", (_QKV[0],)),
    ("encoder.layer.#.attention.attention.key.*", (_QKV[1],)),
    ("encoder.layer.#.attention.attention.value.*", (_QKV[2],)),
    ("encoder.layer.#.attention.output.dense.*", ("layers.#.attention.o_proj.*",)),
    ("encoder.layer.#.mlp.weights_in.*", _SWIGLU_IN),
    ("encoder.layer.#.mlp.weights_out.*", ("layers.#.mlp.down_proj.*",)),
]
_BESIDE_TRANSFORMERS = ("adapter.",)

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
        state: tensors; a part of a model (some blocks only) is fine. Those of released adapters are left out.

    Raises:
        WeightsError: if a name is unknown or a tensor cannot be split.
    """
    return _rename(state, _ORIGINAL, "the original DINOv2", beside=_BESIDE_ORIGINAL)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename transformers' Dinov2 names (published or 5.23's, `layers.N` as well; no outer prefix) to ours.

    Raises:
        WeightsError: if a name is unknown or a tensor cannot be split.
    """
    full = {re.sub(r"^layers\.", "encoder.layer.", name): tensor for name, tensor in state.items()}
    return _rename(full, _TRANSFORMERS, "transformers' DINOv2", beside=_BESIDE_TRANSFORMERS)


def to_original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename our names to the original DINOv2's, with q, k and v stacked; `from_original` turned round.

    Args:
        state: tensors of a ViT. Final norm and mask token, which we do not hold, are not made.
    """
    whole = [(ours[0], theirs) for theirs, ours in _ORIGINAL if ours]
    parts = {ours[0]: ours for _, ours in _ORIGINAL if len(ours) > 1}
    original: dict[str, Tensor] = {}
    for name, tensor in state.items():
        theirs = renamed(name, whole)
        if theirs is None:
            # The second or third part of a tensor, which goes with its first.
            continue
        split = next((ours for first, ours in parts.items() if re.fullmatch(pattern(first), name)), None)
        if split is not None:
            rows = [(split[0], other) for other in split]
            tensor = torch.cat([state[str(renamed(name, [row]))] for row in rows])
        original[theirs] = tensor
    return original


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename our names to those of the modules of transformers 5.23; `from_transformers` turned round."""
    return {re.sub(r"^layers\.", "encoder.layer.", name): tensor for name, tensor in state.items()}


def _rename(
    state: Mapping[str, Tensor], rows: list[tuple[str, tuple[str, ...]]], layout: str, *, beside: tuple[str, ...]
) -> dict[str, Tensor]:
    rules = [(re.compile(pattern(theirs)), [expansion(name) for name in ours]) for theirs, ours in rows]
    found: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        if name.startswith(beside):
            continue
        hits = ((rule.fullmatch(name), targets) for rule, targets in rules)
        match, targets = next(((hit, targets) for hit, targets in hits if hit), (None, []))
        if match is None:
            unknown.append(name)
        elif targets:
            if tensor.ndim == 0 or tensor.shape[0] % len(targets):
                raise WeightsError(f"{name} has shape {tuple(tensor.shape)}: cannot be split into {len(targets)} parts")
            for target, part in zip(targets, tensor.chunk(len(targets)), strict=True):
                found[match.expand(target)] = part
    for name, dims in ((KERNEL, 4), (POSITIONS, 3)):
        if name in found and found[name].ndim != dims:
            raise WeightsError(f"{name} has shape {tuple(found[name].shape)}, which has not {dims} sides")
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
    return found


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
