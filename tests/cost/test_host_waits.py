"""Where the host would wait for a GPU within a training step: at the stated places, and nowhere else."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from rs_adapt.engine.runner import _copy_to_host

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CLASS_MIX = "rs_adapt/strategies/class_mix.py:class_mix"
LOSS = "rs_adapt/heads/mask2former_loss.py"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Return a function that imports a module of the benchmark by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module


def test_operators_with_sizes_of_values_are_seen(benchmark: Any) -> None:
    values = torch.tensor([1, 0, 2])

    def step() -> None:
        values[values > 0]
        values.nonzero()
        values.unique()
        values.bincount()
        bool(values.any())
        values.cpu().tolist()
        # Sizes that the host knows.
        values[torch.tensor([0, 1])]
        values.where(values > 0, 0).sum()

    places = benchmark("gpu_speed.waits").waits_on_cpu(step)
    assert {place for place, _ in places} == {"tests/cost/test_host_waits.py:step"}
    names = ["index", "nonzero", "_unique2", "bincount", "_local_scalar_dense", "cpu", "tolist"]
    assert {name: count for (_, name), count in places.items()} == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    "settings",
    [
        [],
        [
            "strategy.confidence=0.9",
            "strategy.weighting=pixel",
            "strategy.per_class=True",
            "strategy.mix_classes=batch",
        ],
        ["strategy.confidence='60%'", "strategy.weighting=share", "strategy.align=0.5", "strategy.feature_weight=0.1"],
    ],
    ids=["as shipped", "thresholds by class", "quantile"],
)
def test_a_step_waits_at_the_stated_places_alone(benchmark: Any, settings: list[str]) -> None:
    trainers, works = benchmark("gpu_speed.trainers"), benchmark("gpu_speed.works")
    waits = benchmark("gpu_speed.waits")
    work = works.Work(backbone="dinov2_nano", method="earth_adapter", setting="da", precision="fp32")
    own = ["strategy.jitter_prob=0.0", "strategy.blur_prob=0.0", *settings]
    trainer, cfg = trainers.build_ours(work, device="cpu", toy=True, settings=own)
    trainer.step(0)
    num_images = cfg.train_dataloader.batch_size
    with torch.random.fork_rng():
        places = waits.waits_on_cpu(lambda: _copy_to_host(trainer.step(1)))
    assert {place for place, _ in places} <= set(waits.STATED)
    # A loss is two waits: classes to the host, and costs to the assignment, each for all images and predictions.
    assert places.pop((f"{LOSS}:_present_classes", "cpu")) == 2
    assert places.pop((f"{LOSS}:_assign", "cpu")) == 2
    assert places.pop((CLASS_MIX, "cpu")) == 1
    assert places.pop(("rs_adapt/engine/optim.py:update_params", "_local_scalar_dense")) == 1
    assert places.pop(("rs_adapt/engine/runner.py:_copy_to_host", "tolist")) == 1
    # Of what has been copied to the host: on a GPU nobody waits for these.
    on_host = Counter({(CLASS_MIX, "nonzero"): num_images})
    rows = Counter({place: count for place, count in places.items() if place[0] == f"{LOSS}:_present_classes"})
    assert places - rows == on_host
    assert {name for _, name in rows} <= {"nonzero", "tolist", "_local_scalar_dense"}


def test_losses_are_copied_as_the_numbers_that_they_are() -> None:
    values = [torch.tensor(1 / 3), torch.tensor([2 / 3], dtype=torch.bfloat16), torch.tensor(1e-40), torch.tensor(7)]
    losses = {str(number): value.requires_grad_(value.is_floating_point()) for number, value in enumerate(values)}
    copied = _copy_to_host({**losses, "own": 0.5})
    assert copied == {**{name: value.item() for name, value in losses.items()}, "own": 0.5}
    assert list(copied) == [*losses, "own"]
    assert _copy_to_host({"own": 0.5}) == {"own": 0.5}
