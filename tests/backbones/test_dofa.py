"""DOFA: the kernel of red, green and blue that its generator makes."""

from __future__ import annotations

import math
from pathlib import Path

import plain_files
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.backbones import PlainVit
from rs_adapt.backbones.description import describe
from rs_adapt.backbones.dofa import RGB_UM, generate_kernel
from rs_adapt.errors import WeightsError

State = dict[str, Tensor]
SIZES = {"embed_dim": 32, "depth": 3, "num_heads": 2, "patch_px": 8, "out_layers": (0, 2), "level_scales": (1.0, 1.0)}
WIDTH, HIDDEN, TOKENS = 16, 24, 5


def published() -> State:
    """A tiny file: a generator 16 wide with five tokens, and a plain ViT."""
    generator = torch.Generator().manual_seed(4)
    state = plain_files.authors(plain_files.mae().state_dict())
    state = {name: torch.randn(tensor.shape, generator=generator) * 0.3 for name, tensor in state.items()}
    shapes = {
        "weight_generator.weight_tokens": (TOKENS, WIDTH),
        "weight_generator.bias_token": (1, WIDTH),
        "weight_generator.fc_weight.weight": (8 * 8 * 32, WIDTH),
        "weight_generator.fc_weight.bias": (8 * 8 * 32,),
        "weight_generator.fc_bias.weight": (32, WIDTH),
        "weight_generator.fc_bias.bias": (32,),
    }
    for layer in ("w1", "w2"):
        shapes |= {f"fclayer.{layer}.weight": (WIDTH, WIDTH), f"fclayer.{layer}.bias": (WIDTH,)}
    block = "weight_generator.transformer_encoder.layers.0"
    shapes |= {f"{block}.self_attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{block}.self_attn.in_proj_bias": (3 * WIDTH,)}
    for name, rows, columns in (
        ("self_attn.out_proj", WIDTH, WIDTH),
        ("linear1", HIDDEN, WIDTH),
        ("linear2", WIDTH, HIDDEN),
    ):
        shapes |= {f"{block}.{name}.weight": (rows, columns), f"{block}.{name}.bias": (rows,)}
    for norm in ("norm1", "norm2"):
        shapes |= {f"{block}.{norm}.weight": (WIDTH,), f"{block}.{norm}.bias": (WIDTH,)}
    del state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    more = {f"patch_embed.{name}": torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return state | more | {"projector.weight": torch.ones(2, 2), "fc_norm.weight": torch.ones(32)}


def by_hand(state: State) -> tuple[Tensor, Tensor]:
    """The kernel and the bias by single steps: codes, residual layer, one block with norms after, two linear layers."""
    part = {name.removeprefix("patch_embed."): tensor.double() for name, tensor in state.items()}
    generator = {name.removeprefix("weight_generator."): tensor for name, tensor in part.items()}

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ generator[f"{name}.weight"].T + generator[f"{name}.bias"]

    def norm(name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / deviation * generator[f"{name}.weight"] + generator[f"{name}.bias"]

    half = WIDTH // 2
    waves = torch.tensor(
        [
            [f(wave * 1000 / 10000 ** (i / half)) for f in (math.sin, math.cos) for i in range(half)]
            for wave in (0.665, 0.56, 0.49)
        ],
        dtype=torch.float64,
    )
    waves = waves + linear("fclayer.w2", linear("fclayer.w1", waves).clamp(min=0)).clamp(min=0)
    x = torch.cat([generator["weight_tokens"], waves, generator["bias_token"]])
    layer = "transformer_encoder.layers.0"
    stacked = x @ generator[f"{layer}.self_attn.in_proj_weight"].T + generator[f"{layer}.self_attn.in_proj_bias"]
    q, k, v = (tensor.view(-1, 4, WIDTH // 4).transpose(0, 1) for tensor in stacked.chunk(3, dim=1))
    attended = ((q @ k.transpose(1, 2) / math.sqrt(WIDTH // 4)).softmax(-1) @ v).transpose(0, 1).reshape(-1, WIDTH)
    x = norm(f"{layer}.norm1", x + linear(f"{layer}.self_attn.out_proj", attended))
    x = norm(f"{layer}.norm2", x + linear(f"{layer}.linear2", F.gelu(linear(f"{layer}.linear1", x))))
    kernel = linear("fc_weight", x[TOKENS:-1] + waves).view(3, 8, 8, 32).permute(3, 0, 1, 2)
    return 0.01 * kernel, 0.01 * linear("fc_bias", x[-1])


def test_the_kernel_is_that_of_the_generator(tmp_path: Path) -> None:
    state = published()
    torch.save(state, tmp_path / "dofa.pth")
    random_state = torch.get_rng_state()
    vit = PlainVit(**SIZES, image_px=64, origin="dofa", weights=tmp_path / "dofa.pth")
    assert torch.equal(torch.get_rng_state(), random_state)
    kernel, bias = by_hand(state)
    patches = vit.embeddings.patch_embeddings.projection  # type: ignore[union-attr]
    torch.testing.assert_close(patches.weight.double(), kernel, atol=2e-7, rtol=0)  # type: ignore[union-attr]
    torch.testing.assert_close(patches.bias.double(), bias, atol=2e-7, rtol=0)  # type: ignore[union-attr]
    # Patches as the reference makes them: with one pixel of zeros on every side.
    x = torch.randn(2, 3, 64, 64)
    want = F.conv2d(x, kernel.float(), bias.float(), stride=8, padding=1).flatten(2).transpose(1, 2)
    torch.testing.assert_close(vit.embed(x)[:, 1:], want + state["pos_embed"][:, 1:], atol=1e-4, rtol=1e-4)
    assert vit(x[..., :40])[1].shape == (2, 32, 8, 5)
    assert describe(tmp_path / "dofa.pth").family == "DOFA"


def test_values_are_whole_multiples_of_the_quantum() -> None:
    kernel, bias = generate_kernel(published(), RGB_UM)
    for values in (kernel, bias):
        assert torch.equal(values * 2**22, (values * 2**22).round())


def test_damaged_tensors_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    for state in plain_files.damaged(published()):
        torch.save(state, path)
        with pytest.raises(WeightsError):
            PlainVit(**SIZES, image_px=64, origin="dofa", weights=path)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    torch.save({"model": plain_files.authors(plain_files.mae().state_dict())}, tmp_path / "mae.pth")
    with pytest.raises(WeightsError, match=r"not a DOFA: its patch embedding is not generated from wavelengths"):
        PlainVit(**SIZES, origin="dofa", weights=tmp_path / "mae.pth")
    torch.save(published(), tmp_path / "dofa.pth")
    with pytest.raises(
        WeightsError,
        match=r"do not belong to a plain ViT.* DOFA generates its patch embedding: choose dofa_b or dofa_l",
    ):
        PlainVit(**SIZES, weights=tmp_path / "dofa.pth")
