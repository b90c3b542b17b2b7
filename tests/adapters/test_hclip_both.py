"""H-CLIP in both towers: counts, its relations by plain loops, energies, and the contract of a method on two towers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_files import IMAGE_PX, PATCH_PX, SPACE, VISION_DEPTH, VISION_WIDTH, save_clip, tiny_clip
from torch import Tensor
from torch.nn import functional as F

from rs_adapt.adapters import HClipBoth, Stack
from rs_adapt.adapters.hclip import cayley
from rs_adapt.backbones import Clip
from rs_adapt.backbones.features import Features
from rs_adapt.engine.state import load_trained_tensors, trained_tensors
from rs_adapt.errors import ConfigError
from rs_adapt.heads import TextHead
from rs_adapt.language import ClipTokenizer, TextTower

TEXT: dict[str, Any] = {"text_embed_dim": 64, "text_depth": 2}
IDS = ClipTokenizer()(["a road", "a roof seen from above"]).ids_TN
IMAGES = torch.randn(2, 3, IMAGE_PX, IMAGE_PX, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip") / "clip.pt", tiny_clip(), "state_dict")


def method(relations: str = "released", *, moved: float = 0.0, **more: Any) -> HClipBoth:
    torch.manual_seed(0)
    sizes = {"embed_dim": VISION_WIDTH, "depth": VISION_DEPTH, "block_dim": 16, **TEXT}
    made = HClipBoth(**sizes | more, relations=relations)  # type: ignore[arg-type]
    with torch.no_grad():
        for p in made.parameters():
            p.add_(moved * torch.randn(p.shape))
    return made


def visual(file: Path, adapter: HClipBoth | None) -> Clip:
    sizes: dict[str, Any] = {"embed_dim": VISION_WIDTH, "depth": VISION_DEPTH, "num_heads": 2, "patch_px": PATCH_PX}
    return Clip(
        **sizes,
        image_px=IMAGE_PX,
        out_layers=(VISION_DEPTH - 2,),
        level_scales=(1.0,),
        weights=file,
        adapter=adapter,
    )


def test_counts_are_those_of_the_released_code() -> None:
    sizes = {"embed_dim": 768, "depth": 12, "text_embed_dim": 512, "text_depth": 12, "block_dim": 128}
    assert HClipBoth.num_params(**sizes, relations="none") == 7_864_320
    assert HClipBoth.num_params(**sizes) == 7_867_824
    # Of the paper's form: 2 x 48^2 and 2 x 10^2 of the networks, and an alpha for 10 blocks in 12 layers.
    assert HClipBoth.num_params(**sizes, relations="paper") == 7_864_320 + 4_608 + 200 + 120
    built = HClipBoth(**{key: value for key, value in sizes.items() if key != "block_dim"})
    assert sum(p.numel() for p in built.parameters()) == 7_867_824


def test_released_relations_follow_their_formula() -> None:
    bank = method(moved=0.3).bank
    slot, layer = 6, 1
    expected = torch.zeros_like(bank.core[0])
    for m in range(6):
        for u in range(12):
            for n in range(6):
                expected[m] += bank.relation_slots[slot, u] * bank.relation_blocks[layer][m, n] * bank.core[u, n]
    # Blocks of 16 in a text tower of 64 and a visual one of 32.
    torch.testing.assert_close(bank.transforms("text", slot), cayley(expected[:4]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(bank.transforms("image", slot), expected[4:], atol=1e-5, rtol=1e-4)


def test_the_papers_relations_follow_their_formula() -> None:
    bank = method("paper", moved=0.2).bank
    across_blocks = torch.zeros_like(bank.core)
    for m in range(6):
        hidden = [sum(bank.mix_blocks_in[h, n] * bank.core[:, n] for n in range(6)).relu() for h in range(6)]
        across_blocks[:, m] = sum(bank.mix_blocks_out[m, h] * hidden[h] for h in range(6))
    across_slots = torch.zeros_like(bank.core)
    hidden = [sum(bank.mix_slots_in[h, u] * across_blocks[u] for u in range(12)).relu() for h in range(12)]
    for t in range(12):
        across_slots[t] = sum(bank.mix_slots_out[t, h] * hidden[h] for h in range(12))
    slot = 9
    expected = bank.core[slot] + bank.alpha[:, slot // 4, None, None] * across_slots[slot]
    torch.testing.assert_close(bank.transforms("image", slot), expected[4:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bank.transforms("text", slot), cayley(expected[:4]), atol=1e-4, rtol=1e-4)


def test_the_mixture_is_made_once_in_a_forward_pass_and_again_in_the_next() -> None:
    made = method("paper", moved=0.1)
    made.see(IMAGES)
    first = made.bank._mix_all()
    assert made.bank._mix_all() is first
    with torch.no_grad():
        assert made.bank._mix_all() is not first
        made.bank.alpha.add_(1.0)
    assert not torch.equal(made.bank._mix_all(), first)
    made.see(None)
    assert made.bank._mix_all() is not made.bank._mix_all()
    made.see(IMAGES)
    made.bank._mix_all()
    copy.deepcopy(made)


def energy(rows: Tensor) -> float:
    """Hyperspherical energy: the sum of inverse distances of all pairs of rows on the unit sphere."""
    unit = F.normalize(rows.double(), dim=1)
    distance = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = ~torch.eye(len(rows), dtype=torch.bool)
    return float((1 / distance[pairs]).sum())


@torch.no_grad()
@pytest.mark.parametrize("relations", ["released", "paper", "none"])
def test_the_energy_of_text_neurons_stays_and_that_of_image_neurons_does_not(relations: str, file: Path) -> None:
    made = method(relations, moved=0.2).double()
    plain = TextTower.from_file(file).double()
    for layer, handle, change in made.text_side().changes():  # type: ignore[attr-defined]
        weight = getattr(plain.blocks[layer], handle).weight
        changed = _transformed(weight, change)
        rows = (changed.T, weight.T) if handle == "attn_out" else (changed, weight)
        assert energy(rows[0]) == pytest.approx(energy(rows[1]), rel=1e-6), (layer, handle)
        assert not torch.allclose(changed, weight, atol=1e-3)
    weight = torch.randn(VISION_WIDTH, VISION_WIDTH, dtype=torch.float64)
    layer, handle, change = next(iter(made.changes()))
    assert energy(_transformed(weight, change)) != pytest.approx(energy(weight), rel=1e-4)


def _transformed(weight: Tensor, change: Any) -> Tensor:
    whole = torch.block_diag(*change._bank[0].transforms(change.slot))
    return weight @ whole if change.on_inputs else whole @ weight


@pytest.mark.parametrize("relations", ["released", "paper", "none"])
def test_contract_of_a_method_on_both_towers(relations: str, file: Path) -> None:
    """Both towers start as the frozen ones; all that trains is the adapter's, once; its text side has nothing."""
    made = method(relations)
    side = made.text_side()
    assert made.text_side() is side, "a different object at each call"
    assert not list(side.parameters())
    assert not any(name.startswith("_text") for name in made.state_dict())
    vit, tower = visual(file, made), TextTower.from_file(file)
    with torch.no_grad():
        plain = tower(IDS)
        tower.take(side)
        tower.take(side)
        torch.testing.assert_close(tower(IDS), plain, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vit(IMAGES)[0], visual(file, None)(IMAGES)[0], atol=1e-5, rtol=1e-5)
    assert [name for name, p in tower.named_parameters() if p.requires_grad] == []
    trained = {name for name, p in vit.named_parameters() if p.requires_grad}
    assert trained == {f"adapter.{name}" for name in made.adapter_params()}
    features = vit(IMAGES)
    assert isinstance(features, Features)
    assert features.text_side is side
    # A gradient from each tower alone.
    for loss, blocks in ((tower(IDS).square().mean(), slice(0, 4)), (features[0].square().mean(), slice(4, None))):
        made.zero_grad()
        # Where the mixture is made once, the two share a part of the graph.
        loss.backward(retain_graph=True)
        assert made.bank.core.grad is not None
        assert made.bank.core.grad[:, blocks].any()
    # What moves in one tower moves the other where relations join them.
    with torch.no_grad():
        made.bank.core[:, 4:].add_(0.1 * torch.randn(made.bank.core[:, 4:].shape))
        if relations == "paper":
            made.bank.alpha.fill_(1.0)
        if relations == "released":
            made.bank.relation_blocks.add_(0.1)
        assert torch.allclose(tower(IDS), plain, atol=1e-5) == (relations == "none")


@pytest.mark.parametrize("relations", ["released", "paper"])
def test_merged_towers_are_plain_and_give_the_same(relations: str, file: Path) -> None:
    made = method(relations, moved=0.1)
    vit, tower = visual(file, made), TextTower.from_file(file)
    tower.take(made.text_side())
    with torch.no_grad():
        maps, vectors = vit(IMAGES)[0], tower(IDS)
        made.text_side().merge(tower)
        made.merge(vit)
        tower.adapter, vit.adapter = None, None
        torch.testing.assert_close(tower(IDS), vectors, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(vit(IMAGES)[0], maps, atol=1e-4, rtol=1e-4)


def test_a_pack_holds_the_tensor_once_and_the_vectors_that_it_gives(file: Path) -> None:
    trained, fresh = (_segmentor(file, with_texts=with_texts) for with_texts in (True, False))
    with torch.no_grad():
        for p in trained.backbone.adapter.parameters():
            p.add_(0.2 * torch.randn(p.shape))
        before = trained.decode_head(trained.backbone(IMAGES))
    pack = trained_tensors(trained)
    assert {name for name in pack if "bank" in name} == {f"backbone.adapter.{name}" for name in method().state_dict()}
    assert not any("text_tower" in name for name in pack)
    load_trained_tensors(fresh, pack, "pack")
    assert fresh.decode_head.text_tower is None
    with torch.no_grad():
        torch.testing.assert_close(fresh.decode_head(fresh.backbone(IMAGES)), before)


def _segmentor(file: Path, *, with_texts: bool) -> Any:
    torch.manual_seed(0)
    segmentor = torch.nn.Module()
    segmentor.backbone = visual(file, method())
    segmentor.decode_head = TextHead(
        in_channels=[VISION_WIDTH],
        num_classes=2,
        class_texts=("road", "roof"),
        templates=("an image of {}.",),
        text_dim=SPACE,
        text_weights=file if with_texts else None,
        value_path=True,
        text_tower={"embed_dim": 64, "depth": 2, "num_heads": 1},
    )
    return segmentor.eval()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"block_dim": 24}, "it must divide the widths of both towers, 32 and 64. Allowed: 1, 2, 4, 8, 16, 32."),
        ({"relations": "linear"}, "relations is 'linear'. Allowed: released, paper, none."),
        ({"text_depth": 0}, "text_depth is 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        method(**settings)


def test_unequal_towers_have_the_slots_of_the_deeper_one() -> None:
    assert method(text_depth=5).bank.core.shape == (20, 6, 16, 16)
    assert HClipBoth(embed_dim=192, depth=6, text_embed_dim=128, text_depth=4).bank.core.shape == (24, 5, 64, 64)


def test_a_stack_passes_the_text_side_on() -> None:
    facts = {"embed_dim": VISION_WIDTH, "depth": VISION_DEPTH, "patch_px": PATCH_PX, "mlp_dim": 4 * VISION_WIDTH}
    both = {"type": "rs_adapt.HClipBoth", "block_dim": 16, **TEXT}
    stack = Stack(adapters={"both": both, "vpt": {"type": "rs_adapt.Vpt", "num_tokens": 2}}, **facts)
    assert stack.text_side() is stack.adapters["both"].text_side()  # type: ignore[operator]
    twice = Stack(adapters={"a": both, "b": both}, **facts)
    with pytest.raises(ConfigError, match="two adapters sit in the text tower"):
        twice.text_side()
