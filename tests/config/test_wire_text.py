"""Wiring of the head whose classes are texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.paths import weights_dir
from rs_adapt.config.sameness import settings_sha256
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.weights_files import published_facts
from rs_adapt.errors import ConfigError
from rs_adapt.inference.pack_overrides import find_refused_keys, without_training
from rs_adapt.sweeps.identity import config_identity

NAMES = "model.decode_head.text_names"


def segmentor(*overrides: str, weights: str | None = None, bench: str = "loveda-dg", **names: Any) -> Any:
    return segmentor_config(compose(resolve_cell(bench, head="text", **names), overrides=overrides, weights=weights))


@pytest.mark.parametrize(
    ("backbone", "dim", "file"),
    [
        ("clip_b_32", 512, "ViT-B-32.pt"),
        ("clip_l_14", 768, "ViT-L-14.pt"),
        ("clip_l_14_336", 768, "ViT-L-14-336px.pt"),
        ("dinov2_l", 512, "ViT-B-16.pt"),
    ],
)
def test_texts_come_from_the_backbones_own_file_where_it_is_clips(backbone: str, dim: int, file: str) -> None:
    head = segmentor(backbone=backbone).decode_head
    assert head.text_dim == dim
    assert head.text_weights == str(weights_dir() / file)
    assert head.value_path == backbone.startswith("clip")
    facts = published_facts(head.text_weights)
    assert facts is not None
    assert facts["file"] == file


def test_both_towers_of_a_clip_have_one_activation() -> None:
    for backbone, activation in (("clip_b_32", "quick_gelu"), ("remoteclip_b_32", "gelu"), ("dinov2_l", "quick_gelu")):
        assert segmentor(backbone=backbone).decode_head.text_activation == activation
    stated = segmentor("model.backbone.activation=quick_gelu", backbone="remoteclip_b_32")
    assert stated.backbone.activation == stated.decode_head.text_activation == "quick_gelu"
    own = segmentor("model.decode_head.text_activation=gelu", backbone="dinov2_l")
    assert own.decode_head.text_activation == "gelu"


def test_clip_leaves_its_last_block_and_others_give_tokens_or_a_pyramid() -> None:
    clip = segmentor(backbone="clip_b_16")
    assert (list(clip.backbone.out_layers), list(clip.decode_head.in_channels)) == ([10], [768])
    dino = segmentor(backbone="dinov2_l")
    assert (list(dino.backbone.out_layers), list(dino.backbone.level_scales)) == ([7, 11, 15, 23], [1.0] * 4)
    assert list(segmentor(backbone="mit_b0", method="full").decode_head.in_channels) == [32, 64, 160, 256]
    # In windows too: no queries join the tokens.
    assert not segmentor(backbone="sam_b").decode_head.value_path


def test_words_and_learned_classes_are_those_of_the_bench() -> None:
    head = segmentor(f"{NAMES}.Building=building|house roof").decode_head
    assert list(head.class_texts) == [
        *("background", "building|house roof", "road", "water", "barren", "forest", "agricultural")
    ]
    assert list(head.learned_classes) == [0]
    assert list(segmentor("model.decode_head.learned_names=[]").decode_head.learned_classes) == []
    isprs = segmentor(f"{NAMES}.low-vegetation=grass", bench="isprs-p2v-dg").decode_head
    assert "grass" in isprs.class_texts
    assert [isprs.class_texts[number] for number in isprs.learned_classes] == ["clutter"]
    with pytest.raises(ConfigError, match=r"text_names\.house: the bench has no such class\. Its classes: backg"):
        segmentor(f"{NAMES}.house=house")


def test_random_and_files_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "model.decode_head.text_weights"
    assert segmentor(weights="random").decode_head.text_weights == "random"
    assert segmentor(f"{key}=random").decode_head.text_weights == "random"
    monkeypatch.chdir(tmp_path)
    own = segmentor(f"{key}=texts.pt", weights="random").decode_head
    assert own.text_weights == str(tmp_path / "texts.pt")
    assert published_facts(own.text_weights) is None


def test_a_pack_names_no_file_of_texts() -> None:
    texts = ["model.decode_head.text_weights=/somewhere/clip.pt", f"{NAMES}.road=street"]
    assert find_refused_keys(texts) == []
    assert without_training(texts) == texts[1:]
    assert find_refused_keys(["model.backbone.weights=/somewhere/clip.pt"]) == ["model.backbone.weights"]


def test_runs_with_different_texts_are_different_and_folders_make_no_difference(tmp_path: Path) -> None:
    def composed(file: Path) -> Any:
        cell = resolve_cell("loveda-dg", head="text")
        return compose(cell, overrides=[f"model.decode_head.text_weights={file}"], work_dir=tmp_path)

    one, moved, other = (composed(tmp_path / name) for name in ("a/clip.pt", "b/clip.pt", "a/other.pt"))
    assert config_identity(one) == config_identity(moved) != config_identity(other)
    hashes = [settings_sha256(cfg.pretty_text, file="config.py") for cfg in (one, moved, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    for file, content in (("a/clip.pt", b"1"), ("b/clip.pt", b"2")):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_bytes(content)
    assert config_identity(one) != config_identity(moved)
