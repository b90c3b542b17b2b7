"""Classes as texts: known answers, CLIP's zero-shot scores by transformers, learned classes, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from clip_files import IMAGE_PX, PATCH_PX, SPACE, VISION_DEPTH, VISION_WIDTH, save_clip, tiny_clip
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.clip import CLIPModel

from rs_adapt.adapters import Lora, Vpt
from rs_adapt.backbones import Clip
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.heads import TextHead
from rs_adapt.heads.text_start import random_vectors, read_start
from rs_adapt.language import ClipTokenizer, TextTower
from rs_adapt.language.prompts import describe_cut, embed_classes, prompts_of

CLASSES = ("background", "low_vegetation", "building|house")
TEMPLATES = ("an aerial image of {}.", "{} seen from above.")
SETTINGS: dict[str, Any] = {"class_texts": CLASSES, "templates": TEMPLATES, "num_classes": 3, "text_dim": SPACE}
IMAGES = torch.randn(2, 3, IMAGE_PX, 2 * IMAGE_PX, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def clip() -> CLIPModel:
    return tiny_clip()


@pytest.fixture(scope="module")
def file(clip: CLIPModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip") / "clip.pt", clip, "state_dict")


def visual(file: Path | None = None, **more: Any) -> Clip:
    sizes: dict[str, Any] = {"embed_dim": VISION_WIDTH, "depth": VISION_DEPTH, "num_heads": 2, "patch_px": PATCH_PX}
    return Clip(**sizes, image_px=IMAGE_PX, out_layers=(VISION_DEPTH - 2,), level_scales=(1.0,), weights=file, **more)


def test_features_that_are_a_text_are_of_its_class_and_score_the_whole_scale() -> None:
    head = TextHead(in_channels=[SPACE], **SETTINGS)
    # With a mean of zero the norm keeps the direction.
    drawn_KC = torch.randn(3, SPACE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        head.text_KC.copy_(F.normalize(drawn_KC - drawn_KC.mean(dim=1, keepdim=True), dim=1))
        head.projections[0].weight.copy_(torch.eye(SPACE))
    features_BChw = (5 * head.text_KC).T.reshape(1, SPACE, 1, 3)
    scores_BKhw = head([features_BChw])
    assert scores_BKhw.argmax(dim=1).tolist() == [[[0, 1, 2]]]
    torch.testing.assert_close(scores_BKhw[0, :, 0].diagonal(), torch.full((3,), 1 / 0.07), atol=1e-3, rtol=1e-4)
    assert (scores_BKhw <= 1 / 0.07 + 1e-3).all()


def test_prompts_are_every_template_with_every_wording() -> None:
    assert prompts_of(CLASSES, TEMPLATES) == [
        ["an aerial image of background.", "background seen from above."],
        ["an aerial image of low vegetation.", "low vegetation seen from above."],
        [
            *("an aerial image of building.", "building seen from above."),
            *("an aerial image of house.", "house seen from above."),
        ],
    ]


def test_vectors_are_means_of_the_prompts_and_equal_transformers(clip: CLIPModel, file: Path) -> None:
    vectors_KC = embed_classes(TextTower.from_file(file), CLASSES, TEMPLATES)
    with torch.no_grad():
        for vector_C, prompts in zip(vectors_KC, prompts_of(CLASSES, TEMPLATES), strict=True):
            each_TC = clip.get_text_features(input_ids=ClipTokenizer()(prompts).ids_TN).pooler_output
            torch.testing.assert_close(vector_C, F.normalize(F.normalize(each_TC, dim=1).mean(dim=0), dim=0))


def _zero_shot(clip: CLIPModel, x_B3HW: Tensor, text_KC: Tensor) -> Tensor:
    """Return MaskCLIP's scores (B, K, N - 1) by transformers' modules."""
    model = clip.vision_model
    x_BND = model.pre_layrnorm(model.embeddings(x_B3HW, interpolate_pos_encoding=True))
    *first, last = model.encoder.layers
    for layer in first:
        x_BND = layer(x_BND, None)
    x_BND = x_BND + last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(x_BND)))
    x_BND = x_BND + last.mlp(last.layer_norm2(x_BND))
    patches_BNC = clip.visual_projection(model.post_layernorm(x_BND[:, 1:]))
    return clip.logit_scale.exp() * F.normalize(patches_BNC, dim=2) @ text_KC.T


def test_the_untrained_head_on_clip_is_its_zero_shot_segmentation(clip: CLIPModel, file: Path) -> None:
    head = TextHead(in_channels=[VISION_WIDTH], **SETTINGS, text_weights=file, value_path=True, learned_classes=[0])
    assert head.log_scale.item() == 3.0
    with torch.no_grad():
        scores_BKhw = head(visual(file)(IMAGES))
        expected_BNK = _zero_shot(clip, IMAGES, head.text_KC)
    assert scores_BKhw.shape == (2, 3, 4, 8)
    torch.testing.assert_close(scores_BKhw.flatten(2).transpose(1, 2), expected_BNK, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("method", ["lora", "vpt"])
def test_methods_act_in_the_last_block_too(method: str, file: Path) -> None:
    facts = {"embed_dim": VISION_WIDTH, "depth": VISION_DEPTH}
    adapter = Lora(**facts, mlp_dim=4 * VISION_WIDTH, rank=2) if method == "lora" else Vpt(**facts, num_tokens=2)
    head = TextHead(in_channels=[VISION_WIDTH], **SETTINGS, text_weights=file, value_path=True)
    plain, vit = head(visual(file)(IMAGES)), visual(file, adapter=adapter)
    if method == "lora":
        torch.testing.assert_close(head(vit(IMAGES)), plain)
    head(vit(IMAGES)).square().mean().backward()
    last = [p for name, p in adapter.named_parameters() if adapter.block_of(name) == VISION_DEPTH - 1 and p.ndim > 1]
    assert any(p.grad is not None and bool(p.grad.any()) for p in last or adapter.parameters())


def test_learned_classes_start_at_their_texts_and_alone_move(file: Path) -> None:
    head = TextHead(in_channels=[8], **SETTINGS, text_weights=file, learned_classes=[0])
    before_KC, texts_KC = head._with_learned(head.text_KC, None).detach(), head.text_KC.clone()
    torch.testing.assert_close(before_KC, texts_KC)
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
    features = [torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(1))]
    F.cross_entropy(head(features), torch.zeros(2, 3, 3, dtype=torch.int64)).backward()
    optimizer.step()
    after_KC = head._with_learned(head.text_KC, None).detach()
    assert not torch.allclose(after_KC[0], before_KC[0], atol=1e-4)
    assert torch.equal(head.text_KC, texts_KC)
    torch.testing.assert_close(after_KC[1:], before_KC[1:])


def test_what_is_saved_needs_no_text_weights(file: Path) -> None:
    features = [torch.randn(1, 8, 3, 3)]
    trained = TextHead(in_channels=[8], **SETTINGS, text_weights=file, learned_classes=[2])
    loaded = TextHead(in_channels=[8], **SETTINGS, learned_classes=[2])
    loaded.load_state_dict(trained.state_dict())
    torch.testing.assert_close(loaded(features), trained(features))
    assert {"text_KC", "learned_MC", "log_scale"} <= trained.state_dict().keys()


def test_the_scale_stays_below_clips_hundred_and_counts_are_the_closed_form(file: Path) -> None:
    head = TextHead(in_channels=[8, 16], **SETTINGS, text_weights=file, learned_classes=[0, 2])
    with torch.no_grad():
        head.log_scale.fill_(math.log(1e4))
    scores_BKhw = head([torch.randn(1, 8, 4, 4), torch.randn(1, 16, 2, 2)])
    assert scores_BKhw.shape == (1, 3, 4, 4)
    assert scores_BKhw.abs().max() <= 100.001
    assert sum(p.numel() for p in head.parameters()) == 2 * (8 + 16) + SPACE * (8 + 16) + 2 * SPACE + 1


def test_random_vectors_have_length_one_and_are_the_same_everywhere() -> None:
    torch.testing.assert_close(random_vectors(3, 5).norm(dim=1), torch.ones(3))
    assert torch.equal(random_vectors(3, 5), random_vectors(3, 5))


def test_long_wordings_are_reported() -> None:
    assert describe_cut(["road", "barren"], TEMPLATES) == ()
    (note,) = describe_cut(["road", "very " * 80 + "long"], TEMPLATES)
    assert "2 of 2 prompts are longer than the 77 tokens that CLIP reads; their ends are cut off" in note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"templates": []}, r"templates is \[\]; give one or more sentences, each with {} once"),
        ({"templates": ["a photo"]}, r"templates is \['a photo'\]"),
        ({"class_texts": ["a", "b|", "c"]}, "The wording of class 1 is 'b|'; give words to read"),
        ({"class_texts": ["a", "b", "<|endoftext|>"]}, "The wording of class 2"),
        ({"class_texts": ["a", "b"]}, "got 2 texts for 3 classes"),
        ({"learned_classes": [3]}, "learned_classes"),
        ({"text_dim": 0}, "text_dim is 0"),
        ({"value_path": True, "in_channels": [8, 8]}, "got 2 levels in `in_channels`; CLIP's last block is one"),
    ],
)
def test_what_cannot_be_used_is_refused(change: dict[str, Any], message: str, file: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        TextHead(**{"in_channels": [8], **SETTINGS, "text_weights": file, **change})


def test_files_that_do_not_fit_are_refused(clip: CLIPModel, file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gives 16 numbers a text, but model\.decode_head\.text_dim is 512"):
        read_start(file, text_dim=512, image_dim=None)
    with pytest.raises(WeightsError, match=r"has shape \(16, 32\), but the backbone and its texts need \(16, 64\)"):
        read_start(file, text_dim=SPACE, image_dim=64)
    text = {name: value for name, value in clip.state_dict().items() if name.startswith("text_")}
    save_file(text, tmp_path / "text.safetensors")
    assert read_start(tmp_path / "text.safetensors", text_dim=SPACE, image_dim=None).log_scale is None
    with pytest.raises(WeightsError, match="has a text tower, but no projection of image features"):
        read_start(tmp_path / "text.safetensors", text_dim=SPACE, image_dim=VISION_WIDTH)
    small = save_clip(tmp_path / "small.pt", tiny_clip(vocabulary=99), "state_dict")
    with pytest.raises(WeightsError, match="has 99 tokens and 77 places; CLIP's tokenizer has 49408 and 77"):
        TextHead(in_channels=[8], **SETTINGS, text_weights=small)


def test_features_without_the_last_block_are_refused(file: Path) -> None:
    head = TextHead(in_channels=[VISION_WIDTH], **SETTINGS, text_weights=file, value_path=True)
    with pytest.raises(ConfigError, match="but the backbone has left 0 of them"):
        head([torch.randn(1, VISION_WIDTH, 2, 2)])
