"""The nano CLIP by its recipe: start, file, and the file in the package."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

from rs_adapt.backbones import Clip, Dinov2
from rs_adapt.config import axes, paths
from rs_adapt.errors import OutputExists
from rs_adapt.language import ClipModel, ClipTokenizer
from rs_adapt.language.clip_files import read_clip
from rs_adapt.language.token_rows import compact_ids
from rs_adapt.pretraining.captioned.vocabulary import training_ids
from rs_adapt.pretraining.nano_clip import NANO_CLIP, NanoClip, build_nano_clip, write_clip

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = axes.load("backbone", "nano_clip")
FACTS, SETTINGS = CONFIG["backbone"], CONFIG["model"]["backbone"]
QUICK = dataclasses.replace(NANO_CLIP, num_scenes=2, scene_px=96, batch_size=4, steps=2)
TEXTS = ["an aerial image of water.", "a red house left of a pond"]


@pytest.fixture(scope="module")
def built() -> NanoClip:
    return build_nano_clip(FACTS, SETTINGS, recipe=QUICK).eval()


def test_a_built_file_holds_both_towers(built: NanoClip, tmp_path: Path) -> None:
    file = tmp_path / "sub" / "clip.safetensors"
    write_clip(file, built, recipe=QUICK)
    clip = ClipModel.load("nano-clip", weights=file)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mean, std = (torch.tensor(FACTS[name])[:, None, None] for name in ("mean", "std"))
    with torch.no_grad():
        class_BD = built.image_tokens((images.float() - mean) / std)[:, 0]
        of_images = F.normalize(built.image_projection(built.image_norm(class_BD)), dim=1)
        ids_TN = compact_ids(ClipTokenizer()(TEXTS).ids_TN, built.known_R)
        of_texts = F.normalize(built.text_tower(ids_TN), dim=1)
    torch.testing.assert_close(clip.embed_images(images), of_images, atol=3e-3, rtol=0)
    torch.testing.assert_close(clip.embed_texts(TEXTS), of_texts, atol=3e-3, rtol=0)
    assert clip.scale == pytest.approx(built.log_scale.exp().item(), rel=1e-3)
    with safe_open(file, "pt") as stored:
        assert json.loads(stored.metadata()["recipe"])["steps"] == 2
    before = file.read_bytes()
    with pytest.raises(OutputExists, match="exists. Choose a different file with --out, or add --overwrite"):
        write_clip(file, built, recipe=QUICK)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["clip.safetensors"]


def test_the_visual_tower_starts_with_the_blocks_of_the_nano() -> None:
    tower = NanoClip(SETTINGS, QUICK, training_ids()).image_tower
    nano_config = axes.load("backbone", "dinov2_nano")
    sizes = {key: value for key, value in nano_config["model"]["backbone"].items() if key != "type"}
    file = paths.weights_file(nano_config["backbone"]["weights"])
    nano = Dinov2(**sizes | {"image_px": 64}, weights=file)
    x_BND = torch.randn(1, 65, 192)
    for layer in range(tower.depth):
        ours, theirs = tower.run_block(layer, x_BND, None), nano.run_block(layer, x_BND, None)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    image = torch.randn(1, 3, 64, 64)
    # CLIP's norm before the blocks keeps tokens near those of the nano.
    cosine = F.cosine_similarity(tower.embed(image), nano.embed(image), dim=-1)
    assert cosine.min() > 0.95
    trained = {name for name, parameter in tower.named_parameters() if parameter.requires_grad}
    assert all(name.startswith(("layers.2", "layers.3", "layers.4", "layers.5")) for name in trained)


def test_the_loss_is_that_of_class_token_and_patches(built: NanoClip) -> None:
    ids_BN = compact_ids(ClipTokenizer()(TEXTS).ids_TN, built.known_R)
    images, tower = torch.randn(2, 3, 64, 64), built.image_tower
    with torch.no_grad():
        # Equal captions are no contrast of each other: nothing is left to tell apart.
        assert built(images, ids_BN[:1].repeat(2, 1)).item() == 0
        x_BND = tower.embed(images)
        for layer in range(tower.depth - 1):
            x_BND = tower.run_block(layer, x_BND, None)
        last = tower.layers[-1]
        values = x_BND + last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(x_BND)))
        values = values + last.mlp(last.layer_norm2(values))
        vectors = built.image_projection(built.image_norm(values))[:, 1:].mean(dim=1)
        class_BC = built.image_projection(built.image_norm(built.image_tokens(images)[:, 0]))
        text_BC = F.normalize(built.text_tower(ids_BN), dim=1)
        losses = []
        for image_BC in (class_BC, vectors):
            logits = F.normalize(image_BC, dim=1) @ text_BC.T * built.log_scale.exp()
            losses.append(-(logits.softmax(dim=1).diag().log() + logits.softmax(dim=0).diag().log()).mean() / 2)
        assert built(images, ids_BN).item() == pytest.approx(sum(losses).item() / 2, abs=1e-5)


def test_the_shipped_file_is_the_one_of_the_config() -> None:
    facts = FACTS["weights"]
    file = paths.weights_file(facts)
    content = file.read_bytes()
    assert len(content) == facts["bytes"] <= 8_000_000
    assert hashlib.sha256(content).hexdigest() == facts["sha256"]
    sizes = {key: value for key, value in SETTINGS.items() if key != "type"}
    assert Clip(**sizes, weights=file).base_sha256() == facts["base_sha256"]
    with safe_open(file, "pt") as stored:
        # The recipe in the code is the one that the file was made with.
        assert json.loads(stored.metadata()["recipe"]) == json.loads(json.dumps(dataclasses.asdict(NANO_CLIP)))
    known_ids = read_clip(file).known_ids
    assert known_ids is not None
    assert torch.equal(known_ids, training_ids())
