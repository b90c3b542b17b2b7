"""Base weights: every file layout loads to the same ViT, and every bad file is refused by name."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import save_file
from torch import Tensor

from rs_adapt.backbones import Dinov2, file_sha256, load_state, weights
from rs_adapt.backbones.conversion import rename, to_published_names
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.errors import ConfigError, WeightsError

State = dict[str, Tensor]
CONFIGS = Path(__file__).parents[2] / "configs" / "backbone"


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("swiglu", [False, True])
@pytest.mark.parametrize(
    "form", ["original", "state_dict", "model_backbone", "hf_published", "hf_current", "hf_folder", "hf_bin", "legacy"]
)
def test_every_layout_loads_to_the_same_vit(
    tmp_path: Path,
    original_state: Callable[..., State],
    huggingface_state: Callable[..., State],
    form: str,
    swiglu: bool,
) -> None:
    state = original_state(swiglu=swiglu)
    want = Dinov2.convert_reference(state)
    path = tmp_path / "weights.anything"
    if form == "original":
        torch.save(state, path)
    elif form == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif form == "state_dict":
        torch.save({"state_dict": state}, path)
    elif form == "model_backbone":
        head = {"decode_head.conv.weight": torch.zeros(2, 2)}
        torch.save({"model": {f"backbone.{name}": value for name, value in state.items()} | head, "iter": 3}, path)
    elif form == "hf_published":
        save_file(huggingface_state(state, published=True), path)
    elif form == "hf_current":
        save_file({f"dinov2.{n}": v for n, v in huggingface_state(state, published=False).items()}, path)
    elif form == "hf_folder":
        path = tmp_path / "folder"
        path.mkdir()
        (path / "config.json").write_text("{}")
        save_file(huggingface_state(state, published=True), path / "model.safetensors")
    else:
        path = tmp_path / "folder"
        path.mkdir()
        torch.save(huggingface_state(state, published=True), path / "pytorch_model.bin")
    assert same(load_state(path, DINOV2), want)


def test_converted_splits_q_k_v_in_order(original_state: Callable[..., State]) -> None:
    state = original_state()
    got = Dinov2.convert_reference(state)
    for i, part in enumerate("qkv"):
        assert torch.equal(
            got[f"layers.3.attention.{part}_proj.bias"], state["blocks.3.attn.qkv.bias"][i * 32 : (i + 1) * 32]
        )
    assert not any("mask" in name or name.startswith("norm") for name in got)


def test_loading_resizes_to_the_vits_own_patch_and_grid(
    tmp_path: Path, build: Callable[..., Dinov2], original_state: Callable[..., State]
) -> None:
    state = original_state(patch=14, grid=5)
    torch.save(state, tmp_path / "vit.pth")
    vit = build(weights=tmp_path / "vit.pth")
    assert same(vit.state_dict(), Dinov2.convert_reference(state, patch_px=8, image_px=64))
    # At its own sizes nothing is touched.
    native = build(weights=tmp_path / "vit.pth", patch_px=14, image_px=70)
    assert same(native.state_dict(), Dinov2.convert_reference(state))
    # The same file is the same base at any size: resizing rounds differently on different processors.
    assert vit.base_sha256() == native.base_sha256()
    assert not any(p.requires_grad for p in vit.parameters())


def test_loading_swiglu_changes_the_features(
    tmp_path: Path, build: Callable[..., Dinov2], original_state: Callable[..., State]
) -> None:
    torch.save(original_state(swiglu=True), tmp_path / "g.pth")
    x = torch.ones(1, 3, 64, 64)
    loaded = build(weights=tmp_path / "g.pth", swiglu=True)
    assert not torch.allclose(loaded(x)[3], build(swiglu=True)(x)[3])
    with pytest.raises(WeightsError, match=r"tensors do not fit, e\.g\. layers\.0\.mlp\.\w+"):
        build(weights=tmp_path / "g.pth")


def test_part_of_a_model_converts_and_sizes_are_optional(original_state: Callable[..., State]) -> None:
    part = {name: value for name, value in original_state().items() if name.startswith("blocks.2.")}
    got = Dinov2.convert_reference(part, patch_px=16, image_px=512)
    assert {name.split(".")[1] for name in got} == {"2"}
    state = original_state(patch=14, grid=5)
    positions = "embeddings.position_embeddings"
    assert Dinov2.convert_reference(state, image_px=98)[positions].shape[1] == 1 + 49
    assert torch.equal(Dinov2.convert_reference(state, image_px=98)[positions][:, 0], state["pos_embed"][:, 0])
    with pytest.raises(ConfigError, match="give patch_px too"):
        Dinov2.convert_reference({"pos_embed": state["pos_embed"]}, image_px=98)
    with pytest.raises(WeightsError, match="do not form a square grid"):
        Dinov2.convert_reference({"pos_embed": torch.zeros(1, 8, 4)}, patch_px=8, image_px=98)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("blocks.0.5.attn.qkv.weight", (3, 3), "do not belong to the original DINOv2.*blocks.0.5"),
        ("blocks.0.attn.qkv.weight", (4, 3), "cannot be split into 3"),
    ],
)
def test_unknown_names_are_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        Dinov2.convert_reference({name: torch.zeros(shape)})


def test_error_of_a_different_model_size_names_both_sizes(tmp_path: Path, original_state: Callable[..., State]) -> None:
    torch.save(original_state(depth=12, dim=384), tmp_path / "s.pth")
    with pytest.raises(
        WeightsError, match=r"weights of ViT-S \(width 384, depth 12\), but dinov2_nano needs width 192, depth 6"
    ):
        Dinov2(embed_dim=192, depth=6, num_heads=3, out_layers=(1, 2, 4, 5), weights=tmp_path / "s.pth")


class Evil:
    """Would create a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_pickle_with_code_is_refused_and_not_run(tmp_path: Path, writer: str) -> None:
    target, path = tmp_path / "executed", tmp_path / "evil.pth"
    content = {"cls_token": torch.zeros(1), "x": Evil(target)}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps({"x": Evil(target)}, protocol=2))
    with pytest.raises(WeightsError, match=r"contains Python objects.*pathlib.*nothing in it was run"):
        load_state(path, DINOV2)
    assert not target.exists()
    # The file does run code when read carelessly, so the test above means something.
    torch.load(path, weights_only=False) if writer == "torch" else pickle.loads(path.read_bytes())
    assert target.exists()


@pytest.mark.parametrize("form", ["pth", "safetensors", "legacy", "empty", "text"])
def test_damaged_files_are_refused(tmp_path: Path, original_state: Callable[..., State], form: str) -> None:
    path = tmp_path / "damaged"
    if form == "safetensors":
        save_file(original_state(), path)
    else:
        torch.save(original_state(), path, _use_new_zipfile_serialization=form != "legacy")
    content = {"empty": b"", "text": b"<html>404 Not Found</html>"}.get(form)
    path.write_bytes(path.read_bytes()[:20000] if content is None else content)
    with pytest.raises(WeightsError, match=r"damaged \(\d+ bytes\) cannot be read.*truncated or a different kind"):
        load_state(path, DINOV2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv1.weight": torch.zeros(2, 3)}, "not a DINOv2 ViT: its tensors are named conv1.weight"),
        ([torch.zeros(2)], "not a state dict"),
        ({"state_dict": {"a": 1}}, "not a state dict"),
        ({"blocks.0.norm1.weight": torch.zeros(2)}, "incomplete DINOv2 ViT: embeddings.cls_token"),
    ],
)
def test_a_file_of_no_vit_is_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message):
        load_state(tmp_path / "other.pth", DINOV2)


def test_missing_block_is_named(
    tmp_path: Path, build: Callable[..., Dinov2], original_state: Callable[..., State]
) -> None:
    state = original_state()
    del state["blocks.1.mlp.fc1.bias"]
    torch.save(state, tmp_path / "vit.pth")
    with pytest.raises(
        WeightsError, match=r"1 tensors are missing that its other blocks have, first layers\.1\.mlp\.fc1\.bias"
    ):
        build(weights=tmp_path / "vit.pth")


def test_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has no weights"):
        load_state(tmp_path, DINOV2)


def test_file_sha256_hashes_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_sha256(tmp_path / "f") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(WeightsError, match="Cannot read"):
        file_sha256(tmp_path / "g")


@pytest.mark.parametrize("name", ["s", "b", "l", "g"])
def test_configs_have_the_facts_of_their_files(name: str) -> None:
    facts = Config.fromfile(CONFIGS / f"dinov2_{name}.py").backbone.weights
    assert facts.url.endswith(f"/dinov2_vit{name}14/{facts.file}")
    assert facts.sha256 is None or len(facts.sha256) == 64


@pytest.mark.parametrize("swiglu", [False, True])
def test_writing_the_original_layout_is_reading_it_turned_round(
    original_state: Callable[..., State], swiglu: bool
) -> None:
    state = original_state(swiglu=swiglu)
    dropped = {"mask_token", "norm.weight", "norm.bias"}
    assert same(
        to_published_names(Dinov2.convert_reference(state), DINOV2.original),
        {n: v for n, v in state.items() if n not in dropped},
    )


@pytest.mark.parametrize("swiglu", [False, True])
def test_names_in_transformers_layout_are_its_models(swiglu: bool, original_state: Callable[..., State]) -> None:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, patch_size=14, image_size=70, use_swiglu_ffn=swiglu
    )
    model = Dinov2Model(config)
    ours = Dinov2.convert_reference(original_state(swiglu=swiglu))
    missing, unexpected = model.load_state_dict(to_published_names(ours, DINOV2.transformers), strict=False)
    assert (set(missing), unexpected) == ({"embeddings.mask_token", "layernorm.weight", "layernorm.bias"}, [])
    assert same(rename(model.state_dict(), DINOV2.transformers, DINOV2), ours)


def test_a_whole_model_of_a_release_is_base_weights_too(tmp_path: Path, original_state: Callable[..., State]) -> None:
    state = original_state()
    beside = {"refine_feat.scale": torch.ones(4), "reins.scale": torch.ones(())}
    content = {f"backbone.{name}": value for name, value in (state | beside).items()} | {"decode_head.w": torch.ones(1)}
    torch.save({"state_dict": content}, tmp_path / "whole.pth")
    assert same(load_state(tmp_path / "whole.pth", DINOV2), Dinov2.convert_reference(state))


def test_check_and_model_read_a_file_once(
    tmp_path: Path, original_state: Callable[..., State], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def read(file: Path) -> State:
        reads.append(file)
        return read_tensors(file)

    monkeypatch.setattr(weights, "read_tensors", read)
    path, state = tmp_path / "vit.pth", original_state()
    torch.save(state, path)
    want = Dinov2.convert_reference(state)
    with weights.read_weights_once():
        assert same(load_state(path, DINOV2), want)
        assert same(load_state(path, DINOV2), want)
        assert len(reads) == 1
        # The tensors are handed on once, and not from a file that has changed.
        load_state(path, DINOV2)
        changed = {name: value + 1 for name, value in state.items()}
        torch.save(changed, path)
        os.utime(path, ns=(0, 0))
        assert same(load_state(path, DINOV2), Dinov2.convert_reference(changed))
        assert len(reads) == 3
    load_state(path, DINOV2)
    load_state(path, DINOV2)
    assert len(reads) == 5
