"""Both towers of a file: equal to transformers' on texts and images, and the nano CLIP in the package."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from clip_files import IMAGE_PX, PATCH_PX, VISION_DEPTH, VISION_WIDTH, save_clip, tiny_clip

from rs_adapt.backbones import Clip
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.language import ClipModel, ClipTokenizer
from rs_adapt.language.clip_files import read_clip

if TYPE_CHECKING:
    from pathlib import Path

MEAN, STD = (120.0, 110.0, 100.0), (60.0, 61.0, 62.0)
TEXTS = ["an aerial image of water.", "a red house left of a pond"]


def test_vectors_are_those_of_transformers(tmp_path: Path) -> None:
    model = tiny_clip()
    file = save_clip(tmp_path / "clip", model, "transformers")
    sizes = {"embed_dim": VISION_WIDTH, "depth": VISION_DEPTH, "num_heads": 2, "patch_px": PATCH_PX}
    tower = Clip(**sizes, image_px=IMAGE_PX, out_layers=[VISION_DEPTH - 1], level_scales=[1.0], weights=file)
    clip = ClipModel(tower, read_clip(file), mean=MEAN, std=STD)
    images = torch.randint(0, 256, (3, 3, IMAGE_PX, IMAGE_PX), dtype=torch.uint8)
    normalised = (images.float() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        of_images = model.get_image_features(pixel_values=normalised).pooler_output
    torch.testing.assert_close(clip.embed_images(images), F.normalize(of_images, dim=1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        clip.embed_texts(TEXTS), F.normalize(clip.text_tower(ClipTokenizer()(TEXTS).ids_TN), dim=1)
    )
    assert clip.scale == pytest.approx(math.exp(3.0))
    assert clip.embed_texts([]).shape == clip.embed_images(images[:0]).shape == (0, 16)
    assert clip.unknown_words(["glacier"]) == ()


def test_the_nano_clip_loads_and_tells_which_words_it_lacks() -> None:
    clip = ClipModel.load("nano-clip")
    vectors_TC = clip.embed_texts(TEXTS)
    assert vectors_TC.shape == (2, clip.text_dim)
    torch.testing.assert_close(vectors_TC.norm(dim=1), torch.ones(2))
    # Images of any multiple of the patch.
    for side_px in (64, 128):
        assert clip.embed_images(torch.zeros(1, 3, side_px, side_px)).shape == (1, clip.text_dim)
    assert clip.unknown_words([*TEXTS, "a glacier beside a helipad"]) == ("glacier", "helipad")


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dinov2-nano has no text tower: it is no CLIP. Allowed: nano-clip"):
        ClipModel.load("dinov2-nano")
    with pytest.raises(WeightsError, match="does not exist"):
        ClipModel.load("nano-clip", weights=tmp_path / "absent.safetensors")
    file = save_clip(tmp_path / "clip", tiny_clip(), "transformers")
    tower = Clip(embed_dim=64, depth=1, num_heads=2, image_px=64, out_layers=[0], level_scales=[1.0])
    with pytest.raises(WeightsError, match="has no projection of 64 image channels"):
        ClipModel(tower, read_clip(file), mean=MEAN, std=STD)
