from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.backbones import Dinov2
from rs_adapt.errors import NonFiniteLoss
from rs_adapt.pretraining import NANO, MaterialObjective, StyleCrops, pretrain
from rs_adapt.pretraining.train import learning_rate

SMALL = dataclasses.replace(NANO, num_scenes=2, scene_px=96, crop_px=32, batch_size=4, steps=30, warmup_steps=3)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def vit() -> Dinov2:
    return Dinov2(
        embed_dim=32,
        depth=2,
        num_heads=2,
        patch_px=8,
        image_px=32,
        out_layers=(0, 1),
        level_scales=(1, 1),
        frozen=False,
    )


def test_the_rate_rises_and_falls_to_nothing() -> None:
    recipe = dataclasses.replace(NANO, lr=1.0, warmup_steps=10, steps=100)
    assert learning_rate(0, recipe) == pytest.approx(0.1)
    assert learning_rate(50, recipe) == pytest.approx(0.5)
    assert learning_rate(99, recipe) < 0.001


def test_pretraining_learns_and_repeats() -> None:
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        objective, losses = MaterialObjective(vit()), []
        pretrain(
            objective,
            StyleCrops(SMALL),
            SMALL,
            mean=MEAN,
            std=STD,
            device=torch.device("cpu"),
            on_step=lambda done, total, loss, kept=losses: kept.append(loss),
        )
        runs.append((losses, objective.vit.state_dict()))
    (losses, weights), (again, same) = runs
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert losses == again
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_the_loss_is_the_cross_entropy_of_the_materials() -> None:
    objective = MaterialObjective(vit())
    with torch.no_grad():
        for parameter in objective.head.classifiers.parameters():
            parameter.zero_()
        objective.head.classifiers[0].bias[3] = 20.0
    image = torch.randn(1, 3, 32, 32)
    assert objective(image, torch.full((1, 32, 32), 3)).item() == pytest.approx(0.0, abs=1e-6)
    assert objective(image, torch.full((1, 32, 32), 4)).item() == pytest.approx(20.0, abs=1e-3)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, images: Tensor, materials: Tensor) -> Tensor:
            return self.weight * float("nan")

    with pytest.raises(NonFiniteLoss, match="in step 1; no file is written"):
        pretrain(Broken(), StyleCrops(SMALL), SMALL, mean=MEAN, std=STD, device=torch.device("cpu"))
