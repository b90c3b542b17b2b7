"""The shipped files of plain ViTs and of CLIP's descendants: sizes, normalisation, and the address of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from rs_adapt.backbones import find_weights
from rs_adapt.config.weights_files import weights_files
from rs_adapt.errors import WeightsError
from rs_adapt.registry import MODELS

FOLDER = Path(__file__).parents[2] / "configs" / "backbone"
IMAGENET = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
CLIP = ([122.7709383, 116.7460125, 104.09373615], [68.5005327, 66.6321579, 70.32316305])


def plain(dim: int, depth: int, *, learned: bool = True) -> int:
    """Parameters of a plain ViT with patches of 16 px on 512 px images, without its last norm."""
    block = 12 * dim**2 + 13 * dim
    return depth * block + (3 * 16**2 + 1) * dim + dim + (dim * (1 + 32**2) if learned else 0)


# transformers' ViTMAEModel has 85 798 656 (base) and 303 301 632 (large) at 224 px, with the last norm.
BASE, LARGE = plain(768, 12), plain(1024, 24)
COUNTS = {
    "mae_b": BASE,
    "mae_l": LARGE,
    "mae_b_millionaid": BASE,
    "mae_l_millionaid": LARGE,
    "satmae_l": LARGE,
    "scale_mae_l": plain(1024, 24, learned=False),
    "prithvi_2_l": LARGE,
    "dofa_b": BASE,
    "dofa_l": LARGE,
    # As OpenAI's, in test_configs.py.
    "remoteclip_b_32": 87_456_000 - 768 + 768 * (16**2 - 7**2),
    "remoteclip_l_14": 303_179_776 - 1024 + 1024 * (32**2 - 16**2) + 3 * 1024 * (16**2 - 14**2),
    "georsclip_b_32": 87_456_000 - 768 + 768 * (16**2 - 7**2),
}


def config(name: str) -> Any:
    return Config.fromfile(FOLDER / f"{name}.py")


def test_counts_are_those_of_transformers_models() -> None:
    assert BASE == 85_798_656 + 768 * (32**2 - 14**2) - 2 * 768
    assert LARGE == 303_301_632 + 1024 * (32**2 - 14**2) - 2 * 1024


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name: str) -> None:
    cfg = config(name).model.backbone
    if name == "scale_mae_l":
        cfg.gsd_m = 0.3
    with torch.device("meta"):
        vit = MODELS.build(cfg)
    assert sum(param.numel() for param in vit.parameters()) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_facts(name: str) -> None:
    cfg = config(name)
    facts, vit, weights = cfg.backbone, cfg.model.backbone, cfg.backbone.weights
    assert facts.name == name
    assert (facts.embed_dim, facts.depth, facts.patch_px) == (vit.embed_dim, vit.depth, vit.patch_px)
    assert facts.level_strides == [vit.patch_px / scale for scale in vit.level_scales] == [4, 8, 16, 32]
    if name.endswith("_millionaid"):
        assert "url" not in weights
    else:
        assert weights.url.startswith("https://")
        assert weights.url.endswith(f"/{weights.file}")
    assert (weights.sha256 is None) == (weights.bytes is None) == (name != "prithvi_2_l")
    # What was not checked or tried says so.
    text = (FOLDER / f"{name}.py").read_text()
    assert "not tried here" in text or "none is here" in text
    checked = ("icence was not checked", "icence is not known", "Licence, size")
    assert any(words in text for words in checked) or name == "prithvi_2_l"
    assert ('unverified"' in text) == ("icence was not checked" in text)
    if "clip" in name:
        assert (facts.mean, facts.std) == CLIP
        assert vit.activation == ("quick_gelu" if name == "georsclip_b_32" else "gelu")
    elif name == "satmae_l":
        assert facts.mean == pytest.approx([255 * x for x in (0.41820073, 0.42147991, 0.39912757)], abs=1e-3)
        assert facts.std == pytest.approx([255 * x for x in (0.28774282, 0.27541766, 0.27640176)], abs=1e-3)
    elif name == "prithvi_2_l":
        assert facts.mean == pytest.approx([255 * x / 10_000 for x in (1433, 1342, 1087)])
        assert facts.std == pytest.approx([255 * x / 10_000 for x in (2178, 2179, 2248)])
    else:
        assert (facts.mean, facts.std) == IMAGENET


def test_every_new_file_is_listed() -> None:
    files = {file.name: file for file in weights_files()}
    assert files.keys() >= COUNTS.keys()
    assert len({file.facts["file"] for file in files.values()}) == len(files)


def test_missing_weights_without_an_address_say_how_to_bring_them(tmp_path: Path) -> None:
    facts = config("mae_b_millionaid").backbone.weights
    with pytest.raises(WeightsError) as caught:
        find_weights(tmp_path / facts.file, facts)
    text = str(caught.value)
    assert "URL:" not in text
    assert "No address is known" in text
    assert "rs-adapt weights fetch mae-b-millionaid --from FILE" in text
