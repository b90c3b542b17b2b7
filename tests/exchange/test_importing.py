"""Released checkpoints become packs whose forward pass is the reference's: the golden vectors through file and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from rs_adapt.config import resolve_cell
from rs_adapt.exchange.importing import Imported, import_checkpoint
from rs_adapt.heads import Mask2FormerHead
from rs_adapt.heads.mask2former_names import to_mmdet_names
from rs_adapt.inference.checkpoint import load_model, recompose

GOLDEN = Path(__file__).parents[1] / "golden"
FOUR_MAPS = "model.backbone.out_layers=[0, 1, 2, 3]"


def golden(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the reference's weights under its own names, and the other tensors of a golden file."""
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        data = {key: file.get_tensor(key) for key in file.keys()}
    state = {key.removeprefix("state."): value for key, value in data.items() if key.startswith("state.")}
    return state, {key: value for key, value in data.items() if not key.startswith("state.")}


def random_head(*, width: int, channels: int = 32, num_queries: int = 20, linked: bool = False) -> dict[str, Tensor]:
    """Draw a small Mask2Former under mmdetection's names, with the classifier that heads own there and never call."""
    head = Mask2FormerHead(
        in_channels=[width] * 4,
        num_classes=7,
        channels=channels,
        num_queries=num_queries,
        encoder_layers=1,
        decoder_layers=2,
        num_heads=4,
        encoder_ffn=16,
        decoder_ffn=24,
        learned_query_pos=not linked,
    )
    return to_mmdet_names(head.state_dict()) | {"conv_seg.weight": torch.zeros(7, channels, 1, 1)}


def save_released(path: Path, head: dict[str, Tensor], adapter: dict[str, Tensor] | None = None, at: str = "") -> Path:
    """Write a checkpoint as mmengine does."""
    tensors = {f"backbone.{at}{name}": value for name, value in (adapter or {}).items()}
    tensors |= {f"decode_head.{name}": value for name, value in head.items()}
    torch.save({"meta": {"iter": 20000}, "state_dict": tensors}, path)
    return path


def imported(
    path: Path, *, method: str, width: int, depth: int = 4, texts: tuple[str, ...] = (FOUR_MAPS,)
) -> tuple[Imported, Any]:
    """Import a file for a small ViT of random weights, and load the pack as evaluation does."""
    cell = resolve_cell("loveda-da", method=method, backbone="dinov2-nano", head="mask2former")
    sizes = (f"model.backbone.embed_dim={width}", f"model.backbone.depth={depth}", "model.backbone.num_heads=2")
    pack = path.with_suffix("")
    made = import_checkpoint(path, cell=cell, texts=[*sizes, *texts], out=pack, weights="random")
    return made, load_model(recompose(pack), pack, device="cpu")


@pytest.mark.parametrize("name", ["rein_lora", "rein_full"])
def test_rein_gives_the_golden_outputs_and_queries(tmp_path: Path, name: str) -> None:
    state, data = golden(name)
    path = save_released(tmp_path / "rein.pth", random_head(width=64, linked=True), state, "reins.")
    made, model = imported(path, method="rein", width=64)
    for layer in range(4):
        out = model.backbone.adapter.after_block(data["input"], layer, (4, 4))
        torch.testing.assert_close(out, data[f"output.layer{layer}"], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.backbone.adapter.queries(), data["queries"], atol=1e-5, rtol=0)
    known = {key.rpartition(".")[2]: value for key, (value, source) in made.settings.items() if source == "the file"}
    rank = 8 if name == "rein_lora" else None
    assert (known["num_tokens"], known["token_rank"], known["query_dim"]) == (20, rank, 32)
    assert made.unused == 1


def test_mask2former_gives_the_golden_outputs(tmp_path: Path) -> None:
    state, data = golden("mask2former_tiny")
    made, model = imported(save_released(tmp_path / "m2f.pth", state), method="frozen", width=32)
    with torch.no_grad():
        classes, masks = model.decode_head([data[f"input{i}"] for i in range(4)])
    for i in range(4):
        torch.testing.assert_close(classes[i], data[f"cls{i}"], atol=1e-5, rtol=0)
        torch.testing.assert_close(masks[i], data[f"mask{i}"], atol=1e-5, rtol=0)
    sizes = {key.rpartition(".")[2]: value for key, (value, _) in made.settings.items()}
    assert sizes == {
        "channels": 64, "num_queries": 12, "encoder_layers": 2, "decoder_layers": 3, "num_heads": 8,
        "encoder_ffn": 256, "decoder_ffn": 512,
    }  # fmt: skip


def released_earth_adapter(depth: int, used: tuple[int, ...], *, width: int = 64, rank: int = 4) -> dict[str, Tensor]:
    """Draw an adapter as the release allocates it: all experts in all layers, trained only where they are used."""
    generator = torch.Generator().manual_seed(0)

    def start(fan_in: int, *shape: int) -> Tensor:
        return (2 * torch.rand(shape, generator=generator) - 1) / fan_in**0.5

    state = {"scale": torch.full((depth,), 0.1)}
    for layer in range(depth):
        trained = 1.2 if layer in used else 1.0
        for expert in (1, 2, 3):
            stem, factor = f"mlp_list{expert}.{layer}", trained if expert > 1 else 1.2
            state[f"{stem}.0.weight"] = factor * start(width, rank, width)
            state[f"{stem}.0.bias"] = start(width, rank)
            state[f"{stem}.2.weight"] = factor * start(rank, width, rank)
            state[f"{stem}.2.bias"] = start(rank, width)
        state[f"router.{layer}.weight"], state[f"router.{layer}.bias"] = start(width, 3, width), start(width, 3)
        state[f"layer_norm.{layer}.weight"] = torch.ones(width)
        state[f"layer_norm.{layer}.bias"] = torch.zeros(width)
    return state


def test_earth_adapter_gives_the_golden_deltas(tmp_path: Path) -> None:
    """The golden layers 0 (spatial) and 21 (frequencies) become the first and last of a ViT of four blocks."""
    state, data = golden("earth_adapter_dim16_cut0.3")
    adapter = {name.replace(".21.", ".3."): value for name, value in state.items() if name != "scale"}
    first = {name: value for name, value in adapter.items() if name.startswith("mlp_list1.0.")}
    between = {name.replace(".0.", f".{layer}.", 1): value for name, value in first.items() for layer in (1, 2)}
    adapter |= {**between, "scale": state["scale"][[0, 0, 0, 21]]}
    path = save_released(tmp_path / "ea.pth", random_head(width=1024), adapter, "refine_feat.")
    texts = (FOUR_MAPS, "model.backbone.adapter.frequency_layers=[3]")
    made, model = imported(path, method="earth_adapter", width=1024, texts=texts)
    x = torch.from_numpy(np.random.RandomState(12).standard_normal((1, 1025, 1024)).astype(np.float32))
    with torch.no_grad():
        for ours, theirs in ((0, 0), (3, 21)):
            delta = (model.backbone.adapter.after_block(x, ours, (32, 32)) - x)[..., ::4]
            torch.testing.assert_close(delta, data[f"delta.layer{theirs}"], atol=1e-5, rtol=0)
    settings = {key.rpartition(".")[2]: value for key, value in made.settings.items()}
    assert settings["rank"] == (16, "the file")
    assert settings["frequency_layers"] == ([3], "the file")
    assert settings["cutoff"] == (0.3, "tuned for loveda_r2u (da), not in the file")


@pytest.mark.parametrize(
    ("used", "texts", "layers", "source"),
    [
        ((1, 2), (), [1, 2], "the file"),
        ((), (), [1, 2, 3], "tuned for loveda_r2u (da), not in the file"),
        ((0, 1, 2, 3), (), [1, 2, 3], "tuned for loveda_r2u (da), not in the file"),
        ((1, 2), ("model.backbone.adapter.frequency_layers=[0, 3]",), [0, 3], "--set"),
        ((), ("model.backbone.adapter.frequency_layers='first 2'",), [0, 1], "--set"),
    ],
)
def test_frequency_layers_are_those_that_left_their_start(
    tmp_path: Path, used: tuple[int, ...], texts: tuple[str, ...], layers: list[int], source: str
) -> None:
    adapter = released_earth_adapter(4, used)
    path = save_released(tmp_path / "ea.pth", random_head(width=64), adapter, "refine_feat.")
    made, model = imported(path, method="earth_adapter", width=64, texts=(FOUR_MAPS, *texts))
    assert made.settings["model.backbone.adapter.frequency_layers"] == (layers, source)
    assert model.backbone.adapter.frequency_layers == tuple(layers)
    # Two experts of four tensors, router and norm of two, in layers without frequencies; the norm alone with them.
    assert made.unused == 10 * (4 - len(layers)) + 2 * 4 + 1
    weight = model.backbone.adapter.layers[layers[0]].down_weight
    assert torch.equal(weight[4:8], adapter[f"mlp_list2.{layers[0]}.0.weight"])


def test_the_backbone_in_the_file_is_compared_with_the_base(tmp_path: Path) -> None:
    from rs_adapt.backbones.conversion import to_published_names

    head, adapter = random_head(width=64), released_earth_adapter(4, (2,))
    path = save_released(tmp_path / "ea.pth", head, adapter, "refine_feat.")
    made, model = imported(path, method="earth_adapter", width=64)
    assert not made.vit_compared
    base = {n: p.detach() for n, p in model.backbone.named_parameters() if not n.startswith("adapter.")}
    original = to_published_names(base, model.backbone.names.original)
    vit = {name: value.half().float() for name, value in original.items()} | {"norm.weight": torch.ones(64)}
    whole = {f"refine_feat.{name}": value for name, value in adapter.items()} | vit
    (tmp_path / "whole").mkdir()
    path = save_released(tmp_path / "whole" / "ea.pth", head, whole)
    made, again = imported(path, method="earth_adapter", width=64)
    assert made.vit_compared
    assert made.base["sha256"] == model.backbone.base_sha256() == again.backbone.base_sha256()
