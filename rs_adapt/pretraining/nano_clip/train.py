"""The training loop of the nano CLIP: AdamW, in bfloat16, resumed from its last checkpoint."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn

from rs_adapt.errors import NonFiniteLoss, WeightsError
from rs_adapt.files import atomic_file
from rs_adapt.language.token_rows import compact_ids
from rs_adapt.language.tokenizer import ClipTokenizer
from rs_adapt.pretraining.captioned import CaptionedTiles
from rs_adapt.pretraining.nano_clip.recipe import FALL, ClipRecipe, rate_at
from rs_adapt.pretraining.nano_clip.towers import NanoClip
from rs_adapt.pretraining.train import OnStep

_CHECKPOINT_STEPS = 50


def train_clip(
    model: NanoClip,
    tiles: CaptionedTiles,
    recipe: ClipRecipe,
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    device: torch.device,
    checkpoint: Path | None = None,
    on_step: OnStep | None = None,
) -> None:
    """Train both towers in place.

    Args:
        model: The towers.
        tiles: Source of the batches.
        recipe: Steps, rates and sizes.
        mean: Mean that is subtracted from RGB in 0-255.
        std: Standard deviation that the difference is divided by.
        device: Device to train on.
        checkpoint: File of the state, written every 50 steps; where it is there, training resumes from it, also for a
            different number of steps while the rate has not begun to fall. None keeps no state.
        on_step: Called with (steps done, steps in all, loss).

    Raises:
        NonFiniteLoss: The loss became NaN or infinite.
        WeightsError: The checkpoint is of a different recipe, or not readable.
    """
    model.to(device).train()
    optimizer = torch.optim.AdamW(_groups(model, recipe), lr=recipe.lr, betas=(0.9, 0.98))
    shift, scale = (torch.tensor(values, device=device).reshape(3, 1, 1) for values in (mean, std))
    first = _resume(checkpoint, model, optimizer, recipe) if checkpoint is not None and checkpoint.exists() else 0
    tokenizer = ClipTokenizer()

    def draw(step: int) -> tuple[Tensor, Tensor]:
        images, captions = tiles.batch(step * recipe.batch_size, recipe.batch_size)
        ids_BN = compact_ids(tokenizer(captions).ids_TN, model.known_R.cpu())
        return torch.from_numpy(images), drop_words(ids_BN, len(model.known_R), recipe.dropped_words, seed=step)

    with ThreadPoolExecutor(max_workers=1) as loader:
        next_batch = loader.submit(draw, first)
        for step in range(first, recipe.steps):
            images, ids_BN = next_batch.result()
            next_batch = loader.submit(draw, min(step + 1, recipe.steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = group["mult"] * rate_at(step, recipe)
            with torch.autocast(device.type, torch.bfloat16):
                loss = model((images.to(device) - shift) / scale, ids_BN.to(device))
            if not bool(torch.isfinite(loss)):
                raise NonFiniteLoss(f"The loss of training is {loss.item()} in step {step + 1}; no file is written.")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            if checkpoint is not None and (step + 1) % _CHECKPOINT_STEPS == 0:
                _save(checkpoint, step + 1, model, optimizer, recipe)
            if on_step:
                on_step(step + 1, recipe.steps, loss.item())


def drop_words(ids_BN: Tensor, end: int, share: float, *, seed: int) -> Tensor:
    """Return captions of which a share of the tokens has become "some word", row 0; start and end stay.

    Args:
        ids_BN: Captions as numbers of rows.
        end: Number of the end's row.
        share: Share of the tokens, 0 to 1.
        seed: Equal seeds drop equal words.
    """
    drawn_BN = torch.rand(ids_BN.shape, generator=torch.Generator().manual_seed(seed))
    drops_BN = (drawn_BN < share) & (ids_BN != end)
    drops_BN[:, 0] = False
    return ids_BN.masked_fill(drops_BN, 0)


def _groups(model: NanoClip, recipe: ClipRecipe) -> list[dict[str, object]]:
    groups: list[dict[str, object]] = []
    image = {id(parameter) for parameter in model.image_tower.parameters()}
    for mult, is_image in ((recipe.image_lr_mult, True), (1.0, False)):
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        own = [parameter for parameter in trained if (id(parameter) in image) == is_image]
        for decay, is_matrix in ((recipe.weight_decay, True), (0.0, False)):
            params = [parameter for parameter in own if (parameter.ndim >= 2) == is_matrix]
            groups.append({"params": params, "weight_decay": decay, "mult": mult})
    return groups


def _save(path: Path, step: int, model: NanoClip, optimizer: torch.optim.Optimizer, recipe: ClipRecipe) -> None:
    state = {"step": step, "recipe": dataclasses.asdict(recipe), "model": model.state_dict()}
    try:
        with atomic_file(path) as temporary:
            torch.save(state | {"optimizer": optimizer.state_dict()}, temporary)
    except OSError as error:
        raise WeightsError(f"Cannot write {path}: {error.strerror}. Choose a different file with --out.") from error


def _resume(path: Path, model: NanoClip, optimizer: torch.optim.Optimizer, recipe: ClipRecipe) -> int:
    """Load a state of the same recipe and return the steps that it has done."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        stored, ours, done = state["recipe"], dataclasses.asdict(recipe), int(state["step"])
        rate_fell = done > (1 - FALL) * min(stored["steps"], recipe.steps)
        if stored != ours and (stored | {"steps": recipe.steps} != ours or rate_fell):
            raise WeightsError(
                f"{path} holds {done} steps of a training with different settings. Remove it to start again, or take "
                "those settings."
            )
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return done
    except WeightsError:
        raise
    except Exception as error:
        # torch.load raises any of a dozen exception types for a damaged file.
        raise WeightsError(f"{path} cannot be read as the state of a training: remove it to start again.") from error
