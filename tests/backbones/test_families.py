"""Every family of ViTs: equal to the model of transformers that it wraps, from every layout of its weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plain_files
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.clip import CLIPVisionConfig, CLIPVisionModel
from transformers.models.dinov2_with_registers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel
from transformers.models.dinov3_vit import DINOv3ViTConfig, DINOv3ViTModel
from transformers.models.sam.configuration_sam import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder

from rs_adapt.backbones import Clip, Dinov2, Dinov3, PlainVit, Sam, Vit
from rs_adapt.backbones.conversion import to_published_names

SIZES: dict[str, Any] = {"embed_dim": 32, "depth": 3, "num_heads": 2, "patch_px": 8}
_THEIRS = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 8}
_OUT = {"out_layers": (0, 1, 2), "level_scales": (1.0, 1.0, 1.0)}

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A tiny model of transformers and our backbone of the same size."""

    theirs: Callable[[], nn.Module]
    ours: Callable[..., Vit]
    run: Callable[[Any, Tensor], object]
    blocks: Callable[[Any], nn.ModuleList]
    # From their state dict to one with the names of the original repository.
    original: Callable[[State], State]


def _named(state: State, renames: list[tuple[str, str]]) -> State:
    out = {}
    for name, tensor in state.items():
        for pattern, new in renames:
            name = re.sub(pattern, new, name)
        out[name] = tensor
    return out


def _fused(state: State, parts: str, fused: str) -> State:
    """Stack `parts` with q, k and v in it to one tensor, in that order; a missing bias is one of NaN."""
    out = {name: tensor for name, tensor in state.items() if not any(parts.format(p) in name for p in "qkv")}
    for name, q in state.items():
        if parts.format("q") in name:
            others = [state.get(name.replace(parts.format("q"), parts.format(p))) for p in "kv"]
            stacked = [q, *(torch.full_like(q, torch.nan) if other is None else other for other in others)]
            out[name.replace(parts.format("q"), fused)] = torch.cat(stacked)
    return out


_DINO = [
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^encoder\.layer\.|^model\.layer\.", "blocks."),
    (r"attention\.o_proj", "attn.proj"),
    (r"layer_scale([12])\.lambda1", r"ls\1.gamma"),
]


def _dinov2_original(state: State) -> State:
    names = [
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
        (r"^layernorm", "norm"),
    ]
    return _fused(_named(state, [*_DINO, *names]), "attention.{}_proj", "attn.qkv")


def _dinov3_original(state: State) -> State:
    gated = any("gate_proj" in name for name in state)
    names = [
        (r"^embeddings\.patch_embeddings", "patch_embed.proj"),
        (r"^register_tokens$", "storage_tokens"),
        (r"mlp\.gate_proj", "mlp.w1"),
        (r"mlp\.up_proj", "mlp.w2" if gated else "mlp.fc1"),
        (r"mlp\.down_proj", "mlp.w3" if gated else "mlp.fc2"),
    ]
    out = _fused(_named(state, [*_DINO, *names]), "attention.{}_proj", "attn.qkv")
    masks = {f"{name}_mask": torch.ones_like(tensor) for name, tensor in out.items() if name.endswith("qkv.bias")}
    # What the models with untied norms hold besides.
    more = {"rope_embed.periods": torch.ones(4), "local_cls_norm.weight": torch.ones(32)}
    return out | masks | more | {"mask_token": out["mask_token"][0]}


def _clip_original(state: State) -> State:
    names = [
        (r"^embeddings\.class_embedding$", "class_embedding"),
        (r"^embeddings\.position_embedding\.weight$", "positional_embedding"),
        (r"^embeddings\.patch_embedding", "conv1"),
        (r"^pre_layrnorm", "ln_pre"),
        (r"^post_layernorm", "ln_post"),
        (r"^encoder\.layers", "transformer.resblocks"),
        (r"self_attn\.out_proj", "attn.out_proj"),
        (r"layer_norm([12])", r"ln_\1"),
        (r"mlp\.fc1", "mlp.c_fc"),
        (r"mlp\.fc2", "mlp.c_proj"),
        (r"self_attn\.([qkv])_proj\.", r"attn.\1_"),
    ]
    out = _fused(_named(state, names), "attn.{}_", "attn.in_proj_")
    tower = {f"visual.{name}": tensor for name, tensor in (out | {"proj": torch.ones(32, 8)}).items()}
    # The text tower stands beside it.
    return tower | {"transformer.resblocks.0.ln_1.weight": torch.zeros(8), "logit_scale": torch.zeros(())}


def _sam_original(state: State) -> State:
    names = [
        (r"^patch_embed\.projection", "patch_embed.proj"),
        (r"^layers", "blocks"),
        (r"layer_norm([12])", r"norm\1"),
        (r"^neck\.conv1", "neck.0"),
    ]
    encoder = {f"image_encoder.{name}": tensor for name, tensor in _named(state, names).items()}
    return encoder | {"mask_decoder.iou_token.weight": torch.zeros(1, 4)}


def _run_sam(model: Any, x_B3HW: Tensor) -> object:
    """Call transformers' encoder at any size: with positions interpolated beforehand, as it does not do it itself."""
    size_hw = (x_B3HW.shape[-2], x_B3HW.shape[-1])
    native, positions = model.patch_embed.image_size, model.pos_embed
    wanted_hw = (size_hw[0] // 8, size_hw[1] // 8)
    map_1Dhw = nn.functional.interpolate(positions.permute(0, 3, 1, 2), size=wanted_hw, mode="bicubic")
    try:
        model.patch_embed.image_size, model.pos_embed = size_hw, nn.Parameter(map_1Dhw.permute(0, 2, 3, 1))
        return model(x_B3HW)
    finally:
        model.patch_embed.image_size, model.pos_embed = native, positions


def _sam_theirs() -> nn.Module:
    config = SamVisionConfig(**_THEIRS, image_size=64, window_size=3, global_attn_indexes=[1], mlp_dim=128)
    return SamVisionEncoder(config)


def _dinov3(*, gated: bool, bias: bool = True) -> Callable[[], nn.Module]:
    config = DINOv3ViTConfig(
        **_THEIRS,
        intermediate_size=48,
        num_register_tokens=2,
        use_gated_mlp=gated,
        hidden_act="silu" if gated else "gelu",
        query_bias=bias,
        value_bias=bias,
    )
    return lambda: DINOv3ViTModel(config)


def _in_order(x_B3HW: Tensor) -> Tensor:
    """Noise (B, N) that MAE sorts its patches by, which leaves them where they are."""
    return torch.arange(x_B3HW.shape[-2] * x_B3HW.shape[-1] // 64).expand(len(x_B3HW), -1)


def _ours(cls: Callable[..., Vit], **own: Any) -> Callable[..., Vit]:
    return lambda **changes: cls(**SIZES | _OUT | own | changes)


FAMILIES: dict[str, Family] = {
    "dinov2_registers": Family(
        theirs=lambda: Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(**_THEIRS, image_size=64, num_register_tokens=4)
        ),
        ours=_ours(Dinov2, image_px=64, num_registers=4),
        run=lambda model, x: model(x),
        blocks=lambda model: model.encoder.layer,
        original=_dinov2_original,
    ),
    "dinov3": Family(
        theirs=_dinov3(gated=False),
        ours=_ours(Dinov3, mlp_dim=48, num_registers=2),
        run=lambda model, x: model(x),
        blocks=lambda model: model.model.layer,
        original=_dinov3_original,
    ),
    # As the 7B model: gated, and no bias in q, k and v.
    "dinov3_gated": Family(
        theirs=_dinov3(gated=True, bias=False),
        ours=_ours(Dinov3, mlp_dim=48, num_registers=2, gated_mlp=True),
        run=lambda model, x: model(x),
        blocks=lambda model: model.model.layer,
        original=_dinov3_original,
    ),
    "clip": Family(
        theirs=lambda: CLIPVisionModel(CLIPVisionConfig(**_THEIRS, image_size=64, intermediate_size=128)),
        ours=_ours(Clip, image_px=64),
        run=lambda model, x: model(x, interpolate_pos_encoding=True),
        blocks=lambda model: model.encoder.layers,
        original=_clip_original,
    ),
    "vit": Family(
        theirs=plain_files.vit,
        ours=_ours(PlainVit, image_px=64),
        run=lambda model, x: model(x, interpolate_pos_encoding=True),
        blocks=lambda model: model.layers,
        original=plain_files.authors,
    ),
    "mae": Family(
        theirs=plain_files.mae,
        ours=_ours(PlainVit, image_px=64),
        run=lambda model, x: model(x, noise=_in_order(x), interpolate_pos_encoding=True),
        blocks=lambda model: model.layers,
        original=plain_files.authors,
    ),
    "sam": Family(
        theirs=_sam_theirs,
        ours=_ours(Sam, image_px=64, window=3, global_layers=(1,)),
        run=_run_sam,
        blocks=lambda model: model.layers,
        original=_sam_original,
    ),
}


def random_model(family: Family) -> nn.Module:
    """Random values everywhere, also where transformers would start at zero."""
    torch.manual_seed(0)
    model = family.theirs().eval()
    with torch.no_grad():
        for name, param in model.named_parameters():
            param.normal_(std=0.3)
            if "norm" in name and name.endswith("weight"):
                param.add_(1)
    return model


@pytest.mark.parametrize("size", [(64, 64), (48, 48), (40, 72)], ids=str)
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_outputs_equal_transformers(tmp_path: Path, family: Family, size: tuple[int, int]) -> None:
    model = random_model(family)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    vit = family.ours(weights=tmp_path / "model.safetensors")
    want: list[Tensor] = []
    for block in family.blocks(model):
        block.register_forward_hook(lambda _module, _args, output: want.append(output))
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        family.run(model, x)
    got = vit(x)
    assert len(want) == 3
    for map_BDhw, tokens in zip(got, want, strict=True):
        patches_BPD = tokens.flatten(1, 2) if tokens.ndim == 4 else tokens[:, vit.num_prefix :]
        torch.testing.assert_close(map_BDhw.flatten(2).transpose(1, 2), patches_BPD, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(got[0], got[2], atol=0.1)


@pytest.mark.parametrize("form", ["original", "wrapped", "folder", "ours", "written original", "written transformers"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_layout_loads_to_the_same_vit(tmp_path: Path, family: Family, form: str) -> None:
    theirs = random_model(family).state_dict()
    save_file(theirs, tmp_path / "model.safetensors")
    vit = family.ours(weights=tmp_path / "model.safetensors")
    path = tmp_path / "weights.pth"
    if form == "original":
        torch.save(family.original(theirs), path)
    elif form == "wrapped":
        torch.save({"state_dict": {f"module.{name}": value for name, value in family.original(theirs).items()}}, path)
    elif form == "folder":
        path = tmp_path
    elif form.startswith("written"):
        layout = getattr(vit.names, form.removeprefix("written "))
        torch.save(to_published_names(vit.base_parameters(), layout), path)
    else:
        # What `rs-adapt export --merge` writes.
        save_file(vit.state_dict(), path)
    again = family.ours(weights=path)
    if form.startswith("written"):
        # Nothing that theirs have not, but the biases of zero and the keys' part of a stacked one.
        known = {name.removeprefix("visual.").removeprefix("image_encoder.") for name in family.original(theirs)} | {
            name.replace("model.layer.", "layer.") for name in theirs
        }
        more = torch.load(path).keys() - known
        assert all(re.search(r"\.([qv]_proj|qkv|patch_embedding)\.bias$|^conv1\.bias$", name) for name in more)
    assert again.state_dict().keys() == vit.state_dict().keys()
    for name, value in vit.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert again.base_sha256() == vit.base_sha256() != family.ours().base_sha256()
