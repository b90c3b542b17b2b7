"""Base weights with values that are no numbers, or without some of their tensors, are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import plain_files
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from rs_adapt.backbones import load_state
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.errors import WeightsError

State = dict[str, Tensor]


def test_values_that_are_not_finite_are_refused(tmp_path: Path, original_state: Callable[..., State]) -> None:
    for wrong in (float("nan"), float("inf")):
        state = original_state()
        state["blocks.1.norm1.weight"][3] = wrong
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(
            WeightsError, match=r"w.pth: 1 of \d+ tensors hold NaN or infinite values, first layers\.1\."
        ):
            load_state(tmp_path / "w.pth", DINOV2)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("blocks.1.norm1.weight", r"1 tensors are missing that its other blocks have, first layers\.1\.norm1\.weight"),
        ("blocks.0.", r"tensors are missing that its other blocks have, first layers\.0\."),
        ("patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias missing"),
    ],
)
def test_a_missing_tensor_or_block_is_refused(
    tmp_path: Path, original_state: Callable[..., State], lost: str, message: str
) -> None:
    state = {name: value for name, value in original_state().items() if not name.startswith(lost)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message):
        load_state(tmp_path / "w.pth", DINOV2)


def test_a_last_block_that_a_published_model_has_is_missed(tmp_path: Path) -> None:
    from rs_adapt.backbones.description import convert, describe
    from rs_adapt.config.paths import shipped_weights_dir

    state = read_tensors(shipped_weights_dir() / "dinov2_nano.safetensors")
    short = {name: value for name, value in state.items() if ".5." not in name}
    assert len(short) < len(state)
    save_file(short, tmp_path / "short.safetensors")
    assert describe(tmp_path / "short.safetensors").lacks == "1 of the 6 blocks of ViT-nano"
    with pytest.raises(WeightsError, match="lacks 1 of the 6 blocks of ViT-nano"):
        convert(tmp_path / "short.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_damaged_file_of_any_family_is_named_by_its_damage(tmp_path: Path) -> None:
    from rs_adapt.backbones.description import describe

    whole = plain_files.authors(plain_files.mae().state_dict())
    norm = "blocks.1.norm1.weight"
    kernel, positions = whole["patch_embed.proj.weight"], whole["pos_embed"]
    for changes, words in (
        ({norm: whole[norm] * float("nan")}, r"1 of \d+ tensors hold NaN"),
        ({norm: None}, "incomplete plain .MAE. ViT: 1 tensors are missing"),
        ({"patch_embed.proj.weight": kernel.repeat(1, 2, 1, 1)[:, :4]}, "of 4 bands and 8 x 8 px; allowed are 3 bands"),
        ({"patch_embed.proj.weight": kernel[..., :4]}, "of 3 bands and 8 x 4 px"),
        ({"pos_embed": positions[:, :-1]}, "63 position embeddings do not form a square grid"),
    ):
        damaged = {name: value for name, value in (whole | changes).items() if value is not None}
        torch.save({"model": damaged}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=words):
            describe(tmp_path / "w.pth")
    torch.save({"model": whole}, tmp_path / "w.pth")
    assert describe(tmp_path / "w.pth").grid == 8
