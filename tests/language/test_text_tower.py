"""The text tower: equal to transformers' from every layout, and a host for methods that change layers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_files import DEPTH, LAYOUTS, SPACE, WIDTH, Layout, openai_state, save_clip, tiny_clip
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.clip import CLIPModel

from rs_adapt.adapters import AdaptFormer, BitFit, Cobot, HClip, Houlsby, Lora, NormTuning, Soma, Stack, Vpt
from rs_adapt.adapters.peft.bridge import PeftAdapter
from rs_adapt.backbones import weights
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.errors import ConfigError, IncompatibleCell, WeightsError
from rs_adapt.language import TextTower
from rs_adapt.language.clip_files import read_clip
from rs_adapt.language.text_parts import build_text_parts

VOCABULARY, HEADS = 40, 4
SIZES: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS, "text_dim": SPACE}
FACTS: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "mlp_dim": 4 * WIDTH}
END = VOCABULARY - 1
# Texts of different lengths; what stands behind an end is no part of a text.
IDS = torch.tensor([[1, 5, 7, END, 0, 0, 0], [1, 2, 3, 4, 5, 6, END], [1, END, 9, 9, 9, 9, 9], [3, 3, END, 0, 0, 0, 0]])


@pytest.fixture(scope="module")
def clip() -> CLIPModel:
    return tiny_clip(vocabulary=VOCABULARY, num_heads=HEADS)


@pytest.fixture(scope="module")
def expected(clip: CLIPModel) -> Tensor:
    with torch.no_grad():
        return clip.get_text_features(input_ids=IDS).pooler_output


def build(**more: Any) -> TextTower:
    return TextTower(**SIZES, num_tokens=VOCABULARY, **more)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_transformers_from_every_layout(
    layout: Layout, clip: CLIPModel, expected: Tensor, tmp_path: Path
) -> None:
    file = save_clip(tmp_path / "clip", clip, layout)
    torch.testing.assert_close(build(weights=file)(IDS), expected, atol=1e-5, rtol=1e-5)
    content = read_clip(file)
    assert content.log_scale == 3.0
    assert content.image is not None
    torch.testing.assert_close(content.image.weight.float(), clip.visual_projection.weight)
    torch.testing.assert_close(content.image.norm_weight.float(), clip.vision_model.post_layernorm.weight)


def test_check_and_head_read_a_file_once(tmp_path: Path, clip: CLIPModel, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def read(file: Path) -> dict[str, Tensor]:
        reads.append(file)
        return read_tensors(file)

    monkeypatch.setattr(weights, "read_tensors", read)
    file = save_clip(tmp_path / "clip", clip, "state_dict")
    with weights.read_weights_once():
        checked, built = read_clip(file), read_clip(file)
    assert len(reads) == 1
    assert torch.equal(checked.text["projection.weight"], built.text["projection.weight"])
    read_clip(file)
    assert len(reads) == 2


def test_the_sizes_of_a_file_are_those_of_the_tower(tmp_path: Path) -> None:
    model = tiny_clip(vocabulary=VOCABULARY)
    tower = TextTower.from_file(save_clip(tmp_path / "clip", model, "state_dict"))
    # One head of 64 channels, as in every published file.
    assert (tower.embed_dim, tower.depth, tower.text_dim, tower.num_tokens) == (WIDTH, DEPTH, SPACE, VOCABULARY)
    with torch.no_grad():
        right = model.get_text_features(input_ids=IDS).pooler_output
    torch.testing.assert_close(tower(IDS), right, atol=1e-5, rtol=1e-5)


def test_the_activation_is_that_of_the_file(tmp_path: Path) -> None:
    model = tiny_clip(vocabulary=VOCABULARY, activation="gelu")
    file = save_clip(tmp_path / "clip", model, "state_dict")
    with torch.no_grad():
        right = model.get_text_features(input_ids=IDS).pooler_output
    torch.testing.assert_close(TextTower.from_file(file, activation="gelu")(IDS), right, atol=1e-5, rtol=1e-5)
    assert (TextTower.from_file(file)(IDS) - right).abs().max() > 1e-4
    with pytest.raises(ConfigError, match="activation is 'relu'. Allowed: quick_gelu, gelu"):
        TextTower.from_file(file, activation="relu")  # type: ignore[arg-type]


def test_a_text_alone_is_the_same_and_later_tokens_change_nothing() -> None:
    tower = build()
    changed = IDS.clone()
    changed[0, 4:] = 8
    torch.testing.assert_close(tower(changed), tower(IDS), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(tower(IDS[2:3]), tower(IDS)[2:3], atol=1e-6, rtol=1e-5)


def test_random_weights_are_the_same_in_every_process_and_draw_nothing() -> None:
    before = torch.get_rng_state()
    assert torch.equal(build()(IDS), build(weights="random")(IDS))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("width", "heads", "dim", "published"), [(512, 8, 512, 63_428_096), (768, 12, 768, 123_650_304)]
)
def test_the_published_towers_have_their_published_size(width: int, heads: int, dim: int, published: int) -> None:
    with torch.device("meta"):
        parts = build_text_parts(
            embed_dim=width,
            depth=12,
            num_heads=heads,
            text_dim=dim,
            num_tokens=49_408,
            context=77,
            activation="quick_gelu",
        )
    counted = sum(p.numel() for part in parts.values() for p in part.parameters())
    # All of B/32 and of L/14 (151 277 313 and 427 616 513) without visual tower and scale; the bias of tokens is ours.
    assert counted - width == published


def drop_text(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith("visual.")}


def drop_block(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name != "transformer.resblocks.1.ln_2.weight"}


def drop_projection(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name != "text_projection"}


def put_nan(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state | {"ln_final.bias": torch.full_like(state["ln_final.bias"], torch.nan)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_text, r"holds a visual tower alone and no text tower\. Name a file of the whole CLIP"),
        (drop_block, r"incomplete CLIP text tower: 1 tensors are missing .* layers\.1\.layer_norm2\.weight"),
        (drop_projection, r"incomplete CLIP text tower: projection\.weight missing"),
        (put_nan, "hold NaN or infinite values, first final_norm.bias"),
        (
            lambda state: {"fc.weight": torch.ones(2, 2)},
            r"holds no text tower of CLIP: its tensors are named fc\.weight",
        ),
        (lambda state: state | {"extra": torch.ones(2)}, "do not belong to the original CLIP's text tower, e.g. extra"),
    ],
)
def test_files_without_a_whole_text_tower_are_refused(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str, clip: CLIPModel, tmp_path: Path
) -> None:
    save_file(change(openai_state(clip)), tmp_path / "clip.safetensors")
    with pytest.raises(WeightsError, match=message):
        read_clip(tmp_path / "clip.safetensors")


def test_a_missing_file_and_a_file_of_a_different_size_are_refused(clip: CLIPModel, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_clip(tmp_path / "none.pt")
    file = save_clip(tmp_path / "clip.pt", clip, "state_dict")
    with pytest.raises(WeightsError, match="tensors do not fit.*this text tower needs"):
        TextTower(**SIZES | {"text_dim": 8}, num_tokens=VOCABULARY, weights=file)
    with pytest.raises(ConfigError, match="num_heads is 5; it must divide embed_dim, 64"):
        TextTower(**SIZES | {"num_heads": 5}, num_tokens=VOCABULARY)


def _peft(kind: str) -> Callable[[], PeftAdapter]:
    return lambda: PeftAdapter(kind=kind, targets=("attn_q", "attn_v"), embed_dim=WIDTH, depth=DEPTH, mlp_dim=256)


METHODS: dict[str, Callable[[], Any]] = {
    "lora": lambda: Lora(**FACTS, rank=2),
    "soma": lambda: Soma(**FACTS),
    "hclip": lambda: HClip(embed_dim=WIDTH, depth=DEPTH, block_dim=16),
    "adaptformer": lambda: AdaptFormer(embed_dim=WIDTH, depth=DEPTH, rank=4),
    "houlsby": lambda: Houlsby(embed_dim=WIDTH, depth=DEPTH, rank=4),
    "bitfit": lambda: BitFit(**FACTS),
    "norm": lambda: NormTuning(embed_dim=WIDTH, depth=DEPTH),
    "peft:lora": _peft("lora"),
    "peft:dora": _peft("dora"),
    "peft:oft": _peft("oft"),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_change_layers_sit_on_it(name: str, subtests: pytest.Subtests) -> None:
    plain = build()
    start, state = plain(IDS), copy.deepcopy(plain.state_dict())
    torch.manual_seed(0)
    adapter = METHODS[name]()
    tower = build(adapter=adapter)
    own = adapter.adapter_params()
    with subtests.test("starts at the frozen tower"):
        assert adapter.identity_at_init
        torch.testing.assert_close(tower(IDS), start, atol=1e-5, rtol=1e-5)
    with subtests.test("trains what it declares, in closed form"):
        assert {id(p) for p in tower.parameters() if p.requires_grad} == {id(p) for p in own.values()}
    optimizer = torch.optim.AdamW(own.values(), lr=1e-2)
    for step in range(2):
        optimizer.zero_grad()
        tower(IDS).square().mean().backward()
        if step == 0:
            with subtests.test("gradients reach all but the named"):
                for parameter, p in own.items():
                    reached = p.grad is not None and bool(p.grad.abs().sum() > 0)
                    assert reached != any(part in parameter for part in adapter.zero_grad_at_init), parameter
        optimizer.step()
    with torch.no_grad():
        trained = tower(IDS)
    assert not torch.allclose(trained, start, atol=1e-4)
    with subtests.test("has no effect while it is switched off"), adapter.unwrapped(), torch.no_grad():
        assert torch.equal(tower(IDS), start)
    with subtests.test("merges into a plain tower or says why not"):
        if adapter.why_unmergeable() is not None:
            with pytest.raises(ConfigError, match="cannot be merged"):
                adapter.merge(tower)
            return
        adapter.merge(tower)
        tower.adapter = None
        assert tower.state_dict().keys() == state.keys()
        torch.testing.assert_close(tower(IDS), trained, atol=1e-5, rtol=1e-4)


def test_counts_are_the_closed_forms() -> None:
    def count(adapter: Any) -> int:
        return sum(p.numel() for p in build(adapter=adapter).parameters() if p.requires_grad)

    assert count(METHODS["lora"]()) == Lora.num_params(**FACTS, rank=2)
    assert count(METHODS["houlsby"]()) == Houlsby.num_params(embed_dim=WIDTH, depth=DEPTH, rank=4)
    assert count(METHODS["norm"]()) == NormTuning.num_params(embed_dim=WIDTH, depth=DEPTH) == 4 * WIDTH * DEPTH
    # Of the embedding of tokens, q, v, out, fc1, fc2 and two norms.
    assert count(METHODS["bitfit"]()) == BitFit.num_params(**FACTS) == WIDTH + DEPTH * WIDTH * (4 + 4 + 2)


def test_a_bank_across_blocks_sits_on_it_too() -> None:
    host = {"type": "rs_adapt.Lora", "rank": 4, "embed_dim": WIDTH, "depth": DEPTH, "mlp_dim": 256}
    adapter = Cobot(host=host, embed_dim=WIDTH, depth=DEPTH, patch_px=16, mlp_dim=256)
    torch.testing.assert_close(build(adapter=adapter)(IDS), build()(IDS), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Vpt(embed_dim=WIDTH, depth=DEPTH, num_tokens=2),
        lambda: Stack(
            adapters={"a": {"type": "rs_adapt.Lora"}, "b": {"type": "rs_adapt.Vpt", "num_tokens": 2}},
            **FACTS,
            patch_px=16,
        ),
    ],
)
def test_methods_that_act_on_patches_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(IncompatibleCell, match="Vpt cannot sit in a text tower: it needs images"):
        build(adapter=make())
