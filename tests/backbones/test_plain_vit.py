"""Plain ViTs: files of MAE's code and of transformers, told apart from those of other families."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import plain_files
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from rs_adapt.backbones import Clip, Dinov2, PlainVit, ScaleMae, load_state
from rs_adapt.backbones.description import describe
from rs_adapt.backbones.plain_names import NAMES
from rs_adapt.errors import ConfigError, WeightsError

State = dict[str, Tensor]
OUT = {"out_layers": (0, 1, 2), "level_scales": (1.0, 1.0, 1.0)}
SIZES = {"embed_dim": 32, "depth": 3, "num_heads": 2, "patch_px": 8} | OUT


@pytest.fixture
def theirs() -> State:
    """The tensors of transformers' tiny MAE, random everywhere."""
    generator = torch.Generator().manual_seed(7)
    state = plain_files.mae().state_dict()
    return {name: torch.randn(tensor.shape, generator=generator) * 0.3 for name, tensor in state.items()}


@pytest.mark.parametrize("form", ["authors", "pretraining", "published", "mae for pre-training"])
def test_every_layout_gives_the_same_vit(tmp_path: Path, theirs: State, form: str) -> None:
    save_file(theirs, tmp_path / "model.safetensors")
    want = PlainVit(**SIZES, image_px=64, weights=tmp_path / "model.safetensors")
    path = tmp_path / "file.pth"
    if form == "authors":
        torch.save({"model": plain_files.authors(theirs)}, path)
    elif form == "pretraining":
        # As MAE's code saves it: the optimizer's state and the arguments stand beside the weights.
        arguments = argparse.Namespace(model="mae_vit_base_patch16", mask_ratio=0.75, distributed=True)
        optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.95)}]}
        content = {"model": plain_files.authors(theirs), "optimizer": optimizer, "epoch": 1599, "args": arguments}
        torch.save(content, path)
    elif form == "published":
        torch.save(plain_files.published(theirs), path)
    else:
        vit = {f"vit.{name}": tensor for name, tensor in theirs.items()}
        torch.save(vit | {"decoder.decoder_layers.0.mlp.fc1.bias": torch.ones(3)}, path)
    got = PlainVit(**SIZES, image_px=64, weights=path)
    assert got.base_sha256() == want.base_sha256()
    for name, value in want.state_dict().items():
        assert torch.equal(got.state_dict()[name], value), name


def test_positions_are_resized_to_the_vits_grid(tmp_path: Path, theirs: State) -> None:
    torch.save({"model": plain_files.authors(theirs)}, tmp_path / "file.pth")
    vit = PlainVit(**SIZES, image_px=48, weights=tmp_path / "file.pth")
    positions: Tensor = vit.embeddings.position_embeddings  # type: ignore[assignment]
    assert positions.shape == (1, 1 + 6 * 6, 32)
    assert torch.equal(positions[:, 0], theirs["embeddings.position_embeddings"][:, 0])


def test_files_of_mae_and_of_dinov2_are_told_apart(
    tmp_path: Path, theirs: State, original_state: Callable[..., State]
) -> None:
    encoder = {name: tensor for name, tensor in plain_files.authors(theirs).items() if not name.startswith("decoder")}
    files = {"mae": encoder, "decoder": plain_files.authors(theirs), "hf": plain_files.published(theirs)}
    for name, state in files.items():
        torch.save(state, tmp_path / f"{name}.pth")
        assert describe(tmp_path / f"{name}.pth").family == "plain (MAE)", name
        with pytest.raises(
            WeightsError, match=r"This is a plain ViT's file, such as MAE's: choose the backbone that fits"
        ):
            Dinov2(**SIZES, image_px=64, weights=tmp_path / f"{name}.pth")
    torch.save(original_state(depth=3), tmp_path / "dinov2.pth")
    assert describe(tmp_path / "dinov2.pth").family == "DINOv2"
    for build in (
        lambda path: PlainVit(**SIZES, weights=path),
        lambda path: ScaleMae(**SIZES, gsd_m=1.0, weights=path),
    ):
        with pytest.raises(
            WeightsError, match=r"e\.g\. blocks\.0\.ls1\.gamma.*LayerScale is that of DINOv2 and DINOv3"
        ):
            build(tmp_path / "dinov2.pth")


def test_more_bands_than_three_do_not_fit(tmp_path: Path, theirs: State) -> None:
    # As SatMAE's for Sentinel-2.
    state = plain_files.authors(theirs) | {"patch_embed.proj.weight": torch.ones(32, 10, 8, 8)}
    torch.save({"model": state}, tmp_path / "file.pth")
    with pytest.raises(WeightsError, match="its patches are of 10 bands and 8 x 8 px; allowed are 3 bands"):
        PlainVit(**SIZES, image_px=64, weights=tmp_path / "file.pth")


def test_a_file_without_positions_is_incomplete(tmp_path: Path, theirs: State) -> None:
    state = plain_files.authors(theirs)
    del state["pos_embed"]
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(WeightsError, match=r"incomplete plain \(MAE\) ViT: embeddings\.position_embeddings missing"):
        load_state(tmp_path / "file.pth", NAMES)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PlainVit(**SIZES, origin="timm"), "origin is 'timm'. Allowed: mae, prithvi, dofa"),
        (lambda: Clip(**SIZES, activation="relu"), "activation is 'relu'. Allowed: quick_gelu, gelu"),
    ],
)
def test_unknown_words_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_activations_of_clip_differ() -> None:
    x = torch.randn(1, 3, 64, 64)
    quick, exact = (Clip(**SIZES, image_px=64, activation=name) for name in ("quick_gelu", "gelu"))
    assert quick.base_sha256() == exact.base_sha256()
    assert not torch.allclose(quick(x)[-1], exact(x)[-1], atol=1e-3)
    assert torch.equal(quick(x)[-1], Clip(**SIZES, image_px=64)(x)[-1])


@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_of_open_clip_load(tmp_path: Path, prefix: str) -> None:
    """As RemoteCLIP and GeoRSCLIP are published: the text tower beside the visual one."""
    width, generator = 32, torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    state = {
        "visual.class_embedding": draw(width),
        "visual.positional_embedding": draw(65, width),
        "visual.proj": draw(width, 8),
        "visual.conv1.weight": draw(width, 3, 8, 8),
        "positional_embedding": draw(7, 8),
        "text_projection": draw(8, 8),
        "logit_scale": draw(),
        "token_embedding.weight": draw(9, 8),
        "attn_mask": draw(7, 7),
        "transformer.resblocks.0.attn.in_proj_weight": draw(24, 8),
    }
    for norm in ("visual.ln_pre", "visual.ln_post", "ln_final"):
        state |= {f"{norm}.weight": draw(width), f"{norm}.bias": draw(width)}
    shapes = {"attn.out_proj": (width, width), "mlp.c_fc": (4 * width, width), "mlp.c_proj": (width, 4 * width)}
    for block in (f"visual.transformer.resblocks.{number}" for number in range(3)):
        state |= {f"{block}.attn.in_proj_weight": draw(3 * width, width), f"{block}.attn.in_proj_bias": draw(3 * width)}
        for layer, shape in (shapes | {"ln_1": (width,), "ln_2": (width,)}).items():
            state |= {f"{block}.{layer}.weight": draw(*shape), f"{block}.{layer}.bias": draw(shape[0])}
    torch.save({f"{prefix}{name}": tensor for name, tensor in state.items()}, tmp_path / "RS5M_ViT-B-32.pt")
    vit = Clip(**SIZES, image_px=64, activation="gelu", weights=tmp_path / "RS5M_ViT-B-32.pt")
    second = "visual.transformer.resblocks.1"
    q, k, v = state[f"{second}.attn.in_proj_weight"].chunk(3)
    attention = vit.layers[1].self_attn
    for layer, weight in ((attention.q_proj, q), (attention.k_proj, k), (attention.v_proj, v)):
        assert torch.equal(layer.weight, weight)
    assert torch.equal(vit.layers[1].mlp.fc1.weight, state[f"{second}.mlp.c_fc.weight"])
    assert describe(tmp_path / "RS5M_ViT-B-32.pt").family == "CLIP"
