"""Backbones in stages: equal to transformers' models, from every layout of their weights, and closed to adapters."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.convnext import ConvNextConfig, ConvNextModel
from transformers.models.mobilevit import MobileViTConfig, MobileViTModel
from transformers.models.segformer import SegformerConfig, SegformerModel

from rs_adapt.backbones import ConvNext, Mit, MobileVit, Pyramid
from rs_adapt.backbones.conversion import to_published_names
from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.errors import ConfigError, DataError, IncompatibleCell, WeightsError
from rs_adapt.registry import MODELS

FAMILIES: dict[str, tuple[Callable[..., Pyramid], dict[str, Any]]] = {
    "mit": (Mit, {"widths": (8, 16, 24, 32), "depths": (1, 2, 1, 1), "num_heads": (1, 2, 3, 4)}),
    "convnext": (ConvNext, {"widths": (8, 16, 24, 32), "depths": (1, 2, 1, 1)}),
    "mobilevit": (MobileVit, {"widths": (8, 12, 16, 20), "stem_widths": (4, 4), "block_widths": (8, 12, 16)}),
}
NAMES = ("convnext_nano", "convnext_t", "mit_b0", "mobilevit_s")
# Of transformers' models of the published sizes: without the final norm, or the convolution for classification.
COUNTS = {"mit_b0": 3_319_392, "convnext_t": 27_820_128 - 2 * 768, "mobilevit_s": 4_937_632 - 160 * 640 - 2 * 640}


def build(family: str, **changes: Any) -> Pyramid:
    kind, sizes = FAMILIES[family]
    return kind(**sizes | changes)


def theirs(family: str) -> nn.Module:
    """Return transformers' model of the same sizes, with random weights and statistics."""
    torch.manual_seed(0)
    _, sizes = FAMILIES[family]
    widths, depths = list(sizes["widths"]), list(sizes.get("depths", ()))
    if family == "mit":
        model: nn.Module = SegformerModel(
            SegformerConfig(hidden_sizes=widths, depths=depths, num_attention_heads=list(sizes["num_heads"]))
        )
    elif family == "convnext":
        model = ConvNextModel(ConvNextConfig(hidden_sizes=widths, depths=depths))
    else:
        necks = [*sizes["stem_widths"], *widths, 32]
        model = MobileViTModel(MobileViTConfig(hidden_sizes=list(sizes["block_widths"]), neck_hidden_sizes=necks))
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) * 0.5 + 0.1)
    return model.eval()


def their_maps(family: str, model: Any, x_B3HW: Tensor) -> list[Tensor]:
    if family == "mobilevit":
        # It was trained on blue, green, red.
        return list(model(x_B3HW.flip(1), output_hidden_states=True).hidden_states[1:])
    states = model(x_B3HW, output_hidden_states=True).hidden_states
    return list(states[-4:])


def published(family: str, model: nn.Module) -> dict[str, Tensor]:
    """Return a model's tensors under the names of the files on the Hugging Face Hub."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    if family != "mit":
        return state
    renames = (
        (r"stages\.(\d)\.patch_embeddings", r"encoder.patch_embeddings.\1"),
        (r"stages\.(\d)\.blocks", r"encoder.block.\1"),
        (r"stages\.(\d)\.layer_norm", r"encoder.layer_norm.\1"),
        (r"attention\.q_proj", "attention.self.query"),
        (r"attention\.k_proj", "attention.self.key"),
        (r"attention\.v_proj", "attention.self.value"),
        (r"attention\.o_proj", "attention.output.dense"),
        (r"attention\.sequence_reduction\.sequence_reduction", "attention.self.sr"),
        (r"attention\.sequence_reduction\.layer_norm", "attention.self.layer_norm"),
        (r"mlp\.fc", "mlp.dense"),
        (r"layernorm_before", "layer_norm_1"),
        (r"layernorm_after", "layer_norm_2"),
    )
    for pattern, new in renames:
        state = {re.sub(pattern, new, name): value for name, value in state.items()}
    return state


def write(path: Path, family: str, state: dict[str, Tensor]) -> Path:
    """Write a file as on the Hub: an outer prefix, and the classifier of ImageNet beside it."""
    prefix = {"mit": "segformer.", "convnext": "convnext.", "mobilevit": "mobilevit."}[family]
    named = {f"{prefix}{name}": value for name, value in state.items()} | {"classifier.weight": torch.ones(2, 2)}
    save_file(named, path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_maps_of_a_published_file_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    model = theirs(family)
    ours = build(family, weights=write(tmp_path / "file.safetensors", family, published(family, model)))
    x_B3HW = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, expected = ours(x_B3HW), their_maps(family, model, x_B3HW)
    widths = FAMILIES[family][1]["widths"]
    assert [tuple(map_.shape) for map_ in maps] == [
        (2, width, 64 // stride, 96 // stride) for width, stride in zip(widths, (4, 8, 16, 32), strict=True)
    ]
    for own, other in zip(maps, expected, strict=True):
        assert torch.allclose(own, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
    assert ours.base_sha256() != build(family).base_sha256()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layout_gives_the_same_tensors(family: str, tmp_path: Path) -> None:
    first = build(family)
    for layout in (first.names.original, first.names.transformers):
        state = {name: value.detach().clone() for name, value in first.state_dict().items()}
        save_file(to_published_names(state, layout), tmp_path / "file.safetensors")
        again = build(family, weights=tmp_path / "file.safetensors")
        assert again.base_sha256() == first.base_sha256() or family == "mobilevit"
        assert all(torch.equal(value, again.state_dict()[name]) for name, value in state.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_random_weights_are_the_same_in_every_process_and_finite(family: str) -> None:
    torch.manual_seed(1)
    first = build(family)
    torch.manual_seed(2)
    second = build(family)
    assert first.base_sha256() == second.base_sha256()
    assert all(torch.isfinite(value).all() for value in first.state_dict().values())
    assert torch.isfinite(first(torch.randn(1, 3, 32, 32))[-1]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_in_full_or_not_at_all(family: str) -> None:
    x_B3HW = torch.randn(2, 3, 64, 64)
    frozen, trained = build(family).train(), build(family, frozen=False).train()
    assert not frozen(x_B3HW)[0].requires_grad
    assert not any(module.training for module in frozen.children())
    sum(map_.square().mean() for map_ in trained(x_B3HW)).backward()
    assert all(value.grad is not None for value in trained.parameters())


def test_wrong_files_sizes_and_images_are_refused_in_words(tmp_path: Path) -> None:
    file = write(tmp_path / "file.safetensors", "mit", published("mit", theirs("mit")))
    with pytest.raises(WeightsError, match=r"tensors do not fit.* the file has .* this MiT needs"):
        build("mit", widths=(16, 32, 48, 64), weights=file)
    with pytest.raises(WeightsError, match=r"not a ConvNeXt|do not belong to transformers' ConvNeXt"):
        build("convnext", weights=file)
    with pytest.raises(ConfigError, match=r"widths is \[8, 16\]; it must be 4 numbers"):
        build("convnext", widths=(8, 16))
    with pytest.raises(ConfigError, match=r"a width of 24 does not divide into 5 attention heads"):
        build("mit", num_heads=(1, 2, 5, 8))
    with pytest.raises(DataError, match=r"40 x 64 px does not divide into patches of 32 px"):
        build("mit")(torch.zeros(1, 3, 40, 64))


def test_adapters_are_refused_with_what_works() -> None:
    with pytest.raises(IncompatibleCell, match=r"MiT takes no adapter.* --method full or frozen"):
        build("mit", adapter={"type": "rs_adapt.Lora"})
    for method in ("lora", "earth_adapter", "vpt"):
        with pytest.raises(IncompatibleCell, match=rf"Method {method} does not work with backbone mit_b0.* full"):
            compose(resolve_cell("synthetic-dg", backbone="mit-b0", method=method))


def test_the_default_method_of_a_pyramid_is_full() -> None:
    assert resolve_cell("synthetic-dg", backbone="convnext-nano").method == "full"
    assert resolve_cell("synthetic-dg", backbone="convnext-nano", method="frozen").method == "frozen"
    assert resolve_cell("synthetic-dg").method == "earth_adapter"


@pytest.mark.parametrize("name", NAMES)
def test_configs_state_what_is_built(name: str) -> None:
    facts: Any = axes.backbone_facts(name)
    cfg = compose(resolve_cell("synthetic-dg", backbone=name), weights="random")
    with torch.device("meta"):
        built = MODELS.build(Config.fromfile(f"configs/backbone/{name}.py").model.backbone)
    assert cfg.model.decode_head.in_channels == list(built.level_channels)
    assert facts["embed_dim"] == built.level_channels[-1]
    assert facts["level_strides"] == [built.patch_px / scale for scale in built.level_scales]
    assert facts["patch_px"] == built.patch_px
    assert sum(value.numel() for value in built.parameters()) == COUNTS.get(name, 817_824)
