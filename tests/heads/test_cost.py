"""The cost head: classes in any order and number, one image alone, windows by a plain loop, its loss by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from clip_files import IMAGE_PX, PATCH_PX, SPACE, VISION_WIDTH, save_clip, tiny_clip
from torch import Tensor

from rs_adapt.adapters import HClipBoth
from rs_adapt.backbones import Clip
from rs_adapt.errors import ConfigError
from rs_adapt.heads import CostHead
from rs_adapt.heads.cost_parts import WindowAttention
from rs_adapt.language import TextTower
from rs_adapt.language.prompts import embed_classes

CLASSES = ("background", "road", "water", "bare")
TEMPLATES = ("an aerial image of {}.", "{} seen from above.")
SMALL: dict[str, Any] = {
    "templates": TEMPLATES,
    "text_dim": SPACE,
    "channels": 8,
    "guide_channels": 4,
    "num_layers": 2,
    "num_heads": 2,
    "window": 3,
    "decoder_channels": (8, 4),
    "decoder_guide_channels": (4, 2),
}
IMAGES = torch.randn(2, 3, IMAGE_PX, 2 * IMAGE_PX, generator=torch.Generator().manual_seed(0))


def head(classes: tuple[str, ...] = CLASSES, **more: Any) -> CostHead:
    torch.manual_seed(0)
    return CostHead(in_channels=[16] * 3, num_classes=len(classes), class_texts=classes, **SMALL | more).eval()


def features(batch: int = 2, grid: tuple[int, int] = (4, 7)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, 16, *grid, generator=generator) for _ in range(3)]


def give_vectors(made: CostHead, seed: int = 2) -> None:
    drawn = torch.randn(made.text_KC.shape, generator=torch.Generator().manual_seed(seed))
    made.text_KC.copy_(F.normalize(drawn, dim=1))


def test_another_order_of_the_classes_is_another_order_of_the_scores() -> None:
    made, order = head(), [2, 0, 3, 1]
    give_vectors(made)
    before = made(features())
    made.text_KC.copy_(made.text_KC[order])
    torch.testing.assert_close(made(features()), before[:, order], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(before, before[:, order])


def test_a_new_list_of_classes_needs_no_new_weight() -> None:
    made = head()
    give_vectors(made)
    vectors = F.normalize(torch.randn(6, SPACE, generator=torch.Generator().manual_seed(3)), dim=1)
    names = tuple("abcdef")
    before = sum(p.numel() for p in made.parameters())
    made.name_classes(names, vectors)
    assert made(features()).shape == (2, 6, 16, 28)
    assert (made.num_classes, made.out_channels, made.class_texts) == (6, 6, names)
    assert sum(p.numel() for p in made.parameters()) == before
    # The same as a head that was built for them.
    built = head(names)
    built.load_state_dict({**made.state_dict(), "text_KC": vectors})
    torch.testing.assert_close(built(features()), made(features()))


def test_classes_see_each_other_and_images_do_not() -> None:
    made = head()
    give_vectors(made)
    with_all, without_last = made(features()), made.logits(features(), (0, 1, 2))
    assert not torch.allclose(with_all[:, :3], without_last)
    alone = [level[1:] for level in features()]
    torch.testing.assert_close(made(features())[1:], made(alone), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shifted", [False, True])
def test_windows_are_those_of_a_plain_loop(shifted: bool) -> None:
    torch.manual_seed(0)
    attention = WindowAttention(8, 4, window=4, shifted=shifted, num_heads=2, mlp_ratio=2)
    maps, guide = torch.randn(3, 6, 9, 8), torch.randn(3, 6, 9, 4)
    found = attention.over_map(maps, guide)
    expected = torch.zeros_like(maps)
    before = 2 if shifted else 0
    for top in range(-before, 6, 4):
        for left in range(-before, 9, 4):
            rows, columns = slice(max(top, 0), top + 4), slice(max(left, 0), left + 4)
            part = maps[:, rows, columns]
            inside = attention(part.flatten(1, 2), guide[:, rows, columns].flatten(1, 2))
            expected[:, rows, columns] = inside.reshape(part.shape)
    torch.testing.assert_close(found, expected)


def test_the_loss_is_of_seen_classes_and_labelled_pixels(samples: Any) -> None:
    made = head(seen_classes=(0, 1, 3))
    give_vectors(made)
    labels = torch.tensor([0, 1, 3, 255]).repeat(2, 16, 28)[:, :, :28]
    found = made.loss(features(), samples(labels), None)["loss_bce"]
    logits = made.logits(features(), (0, 1, 3))
    is_labelled = labels != 255
    total = torch.zeros(())
    for place, number in enumerate((0, 1, 3)):
        each = F.binary_cross_entropy_with_logits(logits[:, place], (labels == number).float(), reduction="none")
        total = total + each[is_labelled].sum() / 3
    torch.testing.assert_close(found, total / is_labelled.sum())
    # Neither the vector nor a label of the unseen class reaches it.
    made.text_KC[2] = 0
    torch.testing.assert_close(made.loss(features(), samples(labels), None)["loss_bce"], found)
    labels[labels == 255] = 2
    torch.testing.assert_close(made.loss(features(), samples(labels), None)["loss_bce"], found)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seen_classes": (1, 0)}, "give one or more, ascending"),
        ({"seen_classes": (0, 9)}, "seen_classes is \\[0, 9\\]"),
        ({"num_heads": 3}, "it must divide channels, 8"),
        ({"decoder_channels": ()}, "decoder_guide_channels"),
        ({"decoder_channels": (8, 8, 8), "decoder_guide_channels": (2, 2, 2)}, "got 3 levels"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        head(**settings)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip") / "clip.pt", tiny_clip(), "state_dict")


def on_clip(file: Path, **more: Any) -> tuple[CostHead, Clip]:
    """A head and a backbone on the tiny CLIP, of three blocks, with H-CLIP in both towers."""
    torch.manual_seed(0)
    facts = {"embed_dim": VISION_WIDTH, "depth": 3}
    adapter = HClipBoth(**facts, text_embed_dim=64, text_depth=2, block_dim=16, **more)
    sizes: dict[str, Any] = {**facts, "num_heads": 2, "patch_px": PATCH_PX, "image_px": IMAGE_PX, "weights": file}
    backbone = Clip(**sizes, out_layers=(0, 1), level_scales=(1.0, 1.0), adapter=adapter)
    made = CostHead(
        in_channels=[VISION_WIDTH] * 2,
        num_classes=4,
        class_texts=CLASSES,
        text_weights=file,
        value_path=True,
        text_tower={"embed_dim": 64, "depth": 2, "num_heads": 1},
        **SMALL | {"decoder_channels": (8,), "decoder_guide_channels": (4,)},
    )
    return made, backbone


def test_vectors_follow_a_method_in_the_text_tower(file: Path) -> None:
    made, backbone = on_clip(file)
    start_KC = embed_classes(TextTower.from_file(file), CLASSES, TEMPLATES)
    torch.testing.assert_close(made.text_KC, start_KC, atol=1e-5, rtol=1e-5)
    made.train()(backbone(IMAGES)).square().mean().backward()
    core = backbone.adapter.bank.core  # type: ignore[union-attr]
    text_blocks = 64 // 16
    assert core.grad[:8, :text_blocks].any(), "no gradient reaches the text tower"
    with torch.no_grad():
        core[:, :text_blocks].add_(0.3 * torch.randn(core[:, :text_blocks].shape))
        made.eval()(backbone(IMAGES))
    assert not torch.allclose(made.text_KC, start_KC, atol=1e-3)
    # What is saved is what the text tower gives now.
    tower = TextTower.from_file(file, adapter=HClipBoth.text_side(_copy(backbone.adapter)))  # type: ignore[arg-type]
    torch.testing.assert_close(made.text_KC, embed_classes(tower, CLASSES, TEMPLATES), atol=1e-5, rtol=1e-5)


def _copy(adapter: Any) -> Any:
    twin = HClipBoth(embed_dim=VISION_WIDTH, depth=3, text_embed_dim=64, text_depth=2, block_dim=16)
    twin.load_state_dict(adapter.state_dict())
    return twin


def test_a_tower_of_another_size_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="its text tower has depth 2, but the method was built for 3"):
        head().start_texts(
            file,
            activation="quick_gelu",
            image_dim=None,
            tower={"embed_dim": 64, "depth": 3, "num_heads": 1},
        )
