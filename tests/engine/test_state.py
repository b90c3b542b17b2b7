"""Training state: draws by iteration, what is kept, and no file can run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rs_adapt.engine import state
from rs_adapt.engine.metrics_writer import MetricsWriter
from rs_adapt.engine.state import load_state, save_state, seed_iteration, trained_tensors
from rs_adapt.errors import CheckpointMismatch


def test_draws_of_an_iteration_depend_on_its_number_alone() -> None:
    def draws(seed: int, iteration: int, rank: int = 0, processes: int = 1) -> list[float]:
        seed_iteration(seed, iteration, rank, processes)
        return torch.rand(3).tolist()

    first = draws(0, 5)
    torch.rand(7)
    assert draws(0, 5) == first
    assert len({tuple(draws(*key)) for key in ((0, 5), (0, 6), (1, 5), (0, 5, 0, 2), (0, 5, 1, 2))}) == 5


def test_state_has_running_statistics_and_no_frozen_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.BatchNorm1d(2))
    assert sorted(trained_tensors(model)) == [
        "1.bias",
        "1.num_batches_tracked",
        "1.running_mean",
        "1.running_var",
        "1.weight",
    ]


class Bomb:
    """Pickles to a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, (str(self.path), "w"))  # type: ignore[return-value]


def test_state_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "state.pth").write_bytes(pickle.dumps(Bomb(tmp_path / "harm")))
    with pytest.raises(CheckpointMismatch, match=r"state\.pth is not a readable training state"):
        load_state(tmp_path / "state.pth", runner=None, metrics=MetricsWriter())
    assert not (tmp_path / "harm").exists()


def test_of_several_processes_the_first_one_writes_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    runner = SimpleNamespace(model=model, optim_wrapper=optimizer, param_schedulers=[])
    metrics = MetricsWriter()
    monkeypatch.setattr(state, "is_main_process", lambda: False)
    save_state(tmp_path / "state.pth", runner=runner, metrics=metrics, iteration=3)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(state, "is_main_process", lambda: True)
    save_state(tmp_path / "state.pth", runner=runner, metrics=metrics, iteration=3)
    assert load_state(tmp_path / "state.pth", runner=runner, metrics=metrics) == 3
