"""Files from elsewhere: checkpoints of mmengine are read, and what is no tensor in them does nothing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from rs_adapt.backbones.reading import read_tensors
from rs_adapt.errors import WeightsError

WEIGHT = torch.arange(6.0).view(2, 3)


def test_a_checkpoint_of_mmengine_is_read_with_its_curves_left_out(tmp_path: Path) -> None:
    curve = HistoryBuffer([1.0, 2.0], [1, 1])
    hub = {"log_scalars": {"train/loss": curve}, "runtime_info": {"eta": np.float64(3.5)}}
    optimizer = {"state": {0: {"exp_avg": WEIGHT}}, "param_groups": [{"lr": 1e-4}]}
    path = tmp_path / "iter_4.pth"
    torch.save({"meta": {"iter": 4}, "state_dict": {"w": WEIGHT}, "message_hub": hub, "optimizer": optimizer}, path)
    # Without the stand-ins torch's reader refuses it, so the test means something.
    with pytest.raises(pickle.UnpicklingError, match="Unsupported|Weights only"):
        torch.load(path, weights_only=True)
    read = read_tensors(path)
    assert read.keys() == {"w"}
    assert torch.equal(read["w"], WEIGHT)


class Evil:
    """Would call a method of what it is given, as the curves of mmengine name theirs."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, (self.target, "touch"))


def test_names_of_code_that_mmengine_uses_do_nothing_in_other_files(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": {"w": WEIGHT}, "x": Evil(tmp_path / "ran")}, path)
    with pytest.raises(WeightsError, match=r"contains Python objects other than tensors \(pathlib"):
        read_tensors(path)
    # The method's name alone, without an object to call it on, is read and thrown away.
    torch.save({"state_dict": {"w": WEIGHT}, "x": Evil("plain text")}, path)  # type: ignore[arg-type]
    assert read_tensors(path).keys() == {"w"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("depth", [0, 1])
def test_a_dict_that_contains_itself_is_not_a_state_dict(tmp_path: Path, depth: int) -> None:
    inner: dict[str, Any] = {"w": WEIGHT}
    inner["state_dict"] = inner
    torch.save({"model": inner} if depth else inner, tmp_path / "round.pth")
    with pytest.raises(WeightsError, match="not a state dict"):
        read_tensors(tmp_path / "round.pth")


def test_a_folder_or_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.pth"):
        with pytest.raises(WeightsError, match=f"Cannot read {path}"):
            read_tensors(path)


@pytest.mark.parametrize("value", [WEIGHT.to_sparse(), WEIGHT.to("meta"), WEIGHT.to(torch.complex64)])
def test_tensors_of_other_kinds_are_refused(tmp_path: Path, value: torch.Tensor) -> None:
    torch.save({"w": value}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match="not a state dict"):
        read_tensors(tmp_path / "odd.pth")
