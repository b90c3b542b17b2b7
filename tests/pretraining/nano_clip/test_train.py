"""The training of the nano CLIP: its rate, dropped words, resuming, and what it refuses."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch

from rs_adapt.config import axes
from rs_adapt.errors import NonFiniteLoss, WeightsError
from rs_adapt.pretraining.captioned import CaptionedTiles
from rs_adapt.pretraining.captioned.vocabulary import training_ids
from rs_adapt.pretraining.nano_clip import NANO_CLIP, NanoClip, train, train_clip
from rs_adapt.pretraining.nano_clip.recipe import ClipRecipe, rate_at

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = axes.load("backbone", "nano_clip")["model"]["backbone"]
RECIPE = dataclasses.replace(
    NANO_CLIP, num_scenes=2, scene_px=96, batch_size=4, steps=4, warmup_steps=2, text_depth=1, frozen_blocks=5
)
NUMBERS = {"mean": (120.0, 115.0, 100.0), "std": (60.0, 60.0, 60.0), "device": torch.device("cpu")}


@pytest.fixture(scope="module")
def tiles() -> CaptionedTiles:
    return CaptionedTiles(seed=0, split="train", num_scenes=2, scene_px=96)


def model(recipe: ClipRecipe = RECIPE) -> NanoClip:
    torch.manual_seed(0)
    return NanoClip(SETTINGS, recipe, training_ids())


class Stopped(Exception):
    """Ends a training."""


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = dataclasses.replace(NANO_CLIP, lr=1.0, warmup_steps=10, steps=100)
    assert rate_at(0, recipe) == pytest.approx(0.1)
    assert rate_at(10, recipe) == rate_at(75, recipe) == 1
    assert rate_at(99, recipe) == pytest.approx(0.04)


def test_dropped_words_leave_start_and_end() -> None:
    ids_BN = torch.tensor([[8, 1, 2, 3, 9, 0], [8, 4, 9, 0, 0, 0]]).repeat(200, 1)
    dropped = train.drop_words(ids_BN, 9, 0.25, seed=3)
    assert torch.equal(dropped, train.drop_words(ids_BN, 9, 0.25, seed=3))
    assert torch.equal(dropped[:, 0], ids_BN[:, 0])
    assert ((dropped == 9) == (ids_BN == 9)).all()
    words = (ids_BN > 0) & (ids_BN < 8)
    assert float((dropped[words] == 0).float().mean()) == pytest.approx(0.25, abs=0.05)
    assert torch.equal(train.drop_words(ids_BN, 9, 0.0, seed=3), ids_BN)


def test_an_interrupted_training_ends_with_the_weights_of_one_that_was_not(
    tiles: CaptionedTiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "_CHECKPOINT_STEPS", 1)
    whole, losses = model(), []
    frozen = {name: value.clone() for name, value in whole.named_parameters() if not value.requires_grad}
    train_clip(whole, tiles, RECIPE, **NUMBERS, on_step=lambda done, total, loss: losses.append((done, total, loss)))
    assert [(done, total) for done, total, _ in losses] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert frozen
    assert all(torch.equal(value, whole.get_parameter(name)) for name, value in frozen.items())

    state = tmp_path / "clip.state"

    def stop(done: int, total: int, loss: float) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train_clip(model(), tiles, RECIPE, **NUMBERS, checkpoint=state, on_step=stop)
    resumed, rest = model(), []
    train_clip(
        resumed, tiles, RECIPE, **NUMBERS, checkpoint=state, on_step=lambda done, _, loss: rest.append((done, loss))
    )
    assert rest == [(done, loss) for done, _, loss in losses[2:]]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    # The rate has fallen: these steps belong to no longer training.
    longer = dataclasses.replace(RECIPE, steps=40)
    with pytest.raises(WeightsError, match="holds 4 steps of a training with different settings. Remove it"):
        train_clip(model(), tiles, longer, **NUMBERS, checkpoint=state)


def test_a_state_from_before_the_fall_serves_a_longer_training(tiles: CaptionedTiles, tmp_path: Path) -> None:
    state, short = tmp_path / "clip.state", dataclasses.replace(RECIPE, steps=8)
    towers = model()
    optimizer = torch.optim.AdamW(train._groups(towers, short))
    train._save(state, 6, towers, optimizer, short)
    done: list[int] = []
    train_clip(
        model(),
        tiles,
        dataclasses.replace(short, steps=9),
        **NUMBERS,
        checkpoint=state,
        on_step=lambda number, *_: done.append(number),
    )
    assert done == [7, 8, 9]
    with pytest.raises(WeightsError, match="different settings"):
        train_clip(model(), tiles, dataclasses.replace(short, lr=0.5), **NUMBERS, checkpoint=state)
    state.write_bytes(b"no state")
    with pytest.raises(WeightsError, match="cannot be read as the state of a training: remove it"):
        train_clip(model(), tiles, short, **NUMBERS, checkpoint=state)


def test_a_loss_that_is_not_finite_ends_the_training(tiles: CaptionedTiles) -> None:
    towers = model()
    with torch.no_grad():
        towers.log_scale.fill_(float("nan"))
    with pytest.raises(NonFiniteLoss, match="in step 1; no file is written"):
        train_clip(towers, tiles, RECIPE, **NUMBERS)
