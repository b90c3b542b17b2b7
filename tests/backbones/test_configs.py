"""The shipped backbone files: sizes of the published models, normalisation, licence and where the weights are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from rs_adapt.backbones import find_weights
from rs_adapt.errors import WeightsError
from rs_adapt.registry import MODELS

FILES = sorted((Path(__file__).parents[2] / "configs" / "backbone").glob("*.py"))
# Pyramids are in test_pyramids.py.
NAMES = [path.stem for path in FILES if path.stem.startswith(("clip", "dino", "sam")) and path.stem != "dinov2_nano"]
IMAGENET = [123.675, 116.28, 103.53]


def config(name: str) -> Any:
    return Config.fromfile(FILES[0].parent / f"{name}.py")


def positions_and_kernel(dim: int, patches: int, patch_px: int) -> int:
    """Parameters that running at 16 px on 512 px images adds: positions of 32 x 32 patches, kernel of 16 x 16."""
    return dim * (32**2 - patches) + 3 * dim * (16**2 - patch_px**2)


# Parameters of transformers' models of the published sizes (DINOv2 without registers), and how ours differ.
COUNTS = {
    # With 4 registers; without mask token and final norm.
    "dinov2_s_reg": 22_056_576 + 4 * 384 - 3 * 384 + positions_and_kernel(384, 37**2, 14),
    "dinov2_b_reg": 86_580_480 + 4 * 768 - 3 * 768 + positions_and_kernel(768, 37**2, 14),
    "dinov2_l_reg": 304_368_640 + 4 * 1024 - 3 * 1024 + positions_and_kernel(1024, 37**2, 14),
    "dinov2_g_reg": 1_136_480_768 + 4 * 1536 - 3 * 1536 + positions_and_kernel(1536, 37**2, 14),
    # Without the last norm, with a bias of the patches.
    "clip_b_32": 87_456_000 - 768 + 768 * (16**2 - 7**2),
    "clip_b_16": 85_799_424 - 768 + positions_and_kernel(768, 14**2, 16),
    "clip_l_14": 303_179_776 - 1024 + positions_and_kernel(1024, 16**2, 14),
    "clip_l_14_336": 303_507_456 - 1024 + positions_and_kernel(1024, 24**2, 14),
    # Without the neck.
    "sam_b": 89_670_912 - 256 * (768 + 9 * 256 + 4),
    "sam_l": 308_278_272 - 256 * (1024 + 9 * 256 + 4),
    "sam_h": 637_026_048 - 256 * (1280 + 9 * 256 + 4),
    # Without mask token and final norm; the 7B model with biases of q and v.
    "dinov3_s": 21_596_544 - 3 * 384,
    "dinov3_s_plus": 28_692_864 - 3 * 384,
    "dinov3_b": 85_660_416 - 3 * 768,
    "dinov3_l": 303_129_600 - 3 * 1024,
    "dinov3_l_sat": 303_129_600 - 3 * 1024,
    "dinov3_h_plus": 840_592_640 - 3 * 1280,
    "dinov3_7b": 6_716_035_072 - 3 * 4096 + 2 * 40 * 4096,
    "dinov3_7b_sat": 6_716_035_072 - 3 * 4096 + 2 * 40 * 4096,
}


def parameters(name: str) -> int:
    with torch.device("meta"):
        vit = MODELS.build(config(name).model.backbone)
    return sum(param.numel() for param in vit.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_of_published_models(name: str) -> None:
    assert parameters(name) == COUNTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_configs_have_the_published_facts(name: str) -> None:
    cfg = config(name)
    facts, vit, weights = cfg.backbone, cfg.model.backbone, cfg.backbone.weights
    assert facts.name == name
    assert (facts.embed_dim, facts.depth, facts.patch_px) == (vit.embed_dim, vit.depth, vit.patch_px)
    assert facts.level_strides == [vit.patch_px / scale for scale in vit.level_scales] == [4, 8, 16, 32]
    assert weights.url.startswith("https://")
    assert weights.url.endswith(f"/{weights.file}")
    # The original file of CLIP is found by its checksum.
    assert weights.sha256 is None or len(weights.sha256) == 64
    assert not name.startswith("clip") or weights.sha256 in weights.url
    assert weights.licence == {"din": "Apache-2.0", "cli": "MIT", "sam": "Apache-2.0"}[name[:3]] or "v3" in name
    assert ("gated" in weights) == (weights.licence == "DINOv3 License") == ("v3" in name)
    if name.startswith("clip"):
        assert facts.mean == pytest.approx([255 * x for x in (0.4815, 0.4578, 0.4082)], abs=0.02)
        assert facts.std == pytest.approx([255 * x for x in (0.2686, 0.2613, 0.2758)], abs=0.02)
    elif name.endswith("_sat"):
        assert facts.mean == pytest.approx([255 * x for x in (0.430, 0.411, 0.296)])
        assert facts.std == pytest.approx([255 * x for x in (0.213, 0.156, 0.143)])
        assert "sat493m" in weights.file
    else:
        assert facts.mean == IMAGENET


def test_missing_gated_weights_name_licence_and_form(tmp_path: Path) -> None:
    facts = config("dinov3_l_sat").backbone.weights
    with pytest.raises(WeightsError) as caught:
        find_weights(tmp_path / facts.file, facts)
    text = str(caught.value)
    assert "DINOv3 License" in text
    assert "under the same licence only" in text
    assert facts.gated in text
    assert "rs-adapt weights fetch dinov3-l-sat --from FILE" in text
    assert text.endswith("is dinov2-l-reg: --backbone dinov2-l-reg (docs/guides/backbones.md).")
    # A link that needs a key would only give an error page.
    assert "curl" not in text
    assert facts.url not in text


def test_every_gated_backbone_has_an_open_alternative_of_its_kind() -> None:
    gated = {path.stem: config(path.stem).backbone for path in FILES if path.stem.startswith("dinov3")}
    for name, facts in gated.items():
        other = config(facts.weights.alternative).backbone
        assert "gated" not in other.weights, name
        assert other.weights.licence == "Apache-2.0", name
        # The same width, or the largest there is.
        assert other.embed_dim == facts.embed_dim or other.name == "dinov2_g_reg", name


def test_missing_free_weights_name_their_licence(tmp_path: Path) -> None:
    facts = config("clip_l_14").backbone.weights
    with pytest.raises(WeightsError, match=r"licence: MIT\n.*\n  rs-adapt weights fetch clip-l-14\n"):
        find_weights(tmp_path / facts.file, facts)
