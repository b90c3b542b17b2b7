"""Velocity images of a bench, simulated or read from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rs_adapt.datasets.prepare_flow import digest_flow, ensure_flow, find_files, read_flow_recipe, require_flow_files
from rs_adapt.errors import ConfigError, DataNotFound
from rs_adapt.turbulence.storage import read_facts, read_stack, stack_file

RNG = np.random.default_rng(0)
FILES = {"kind": "velocity_files", "variables": ["u", "v", "w"], "is_periodic": False}
TURBULENCE = {
    "kind": "turbulence",
    "seed": 0,
    "num_points": 16,
    "viscosity": 0.05,
    "power": 0.1,
    "spin_up": 0.1,
    "refine": 0.1,
    "snapshots": {"train": 1, "test": 1},
    "slice_step": 8,
}


def files(**splits: Any) -> dict[str, Any]:
    return {**FILES, "files": splits}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        field = RNG.standard_normal((3, 2, 8, 8)).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", field)
        for part, values in zip("uvw", field, strict=True):
            np.save(tmp_path / f"{part}_{name}.npy", values)
    return tmp_path


def test_simulated_images_are_made_once_and_again_where_a_file_is_missing(tmp_path: Path) -> None:
    out, stages = tmp_path / "out", []

    def prepare(**changes: Any) -> None:
        ensure_flow(
            TURBULENCE | changes,
            data_root=tmp_path,
            out_dir=out,
            on_progress=lambda stage, done, total: stages.append((stage, done, total)),
        )

    prepare()
    assert stages == [("simulating turbulence", 1, 2), ("simulating turbulence", 2, 2)]
    first, digests = read_stack(stack_file(out, "test", 0), slices=2).copy(), digest_flow(out, "test")
    prepare()
    assert len(stages) == 2
    stack_file(out, "test", 0).unlink()
    prepare()
    assert len(stages) == 4
    np.testing.assert_array_equal(read_stack(stack_file(out, "test", 0), slices=2), first)
    assert digest_flow(out, "test") == digests
    prepare(seed=1)
    assert len(stages) == 6
    assert digest_flow(out, "test") != digests


@pytest.mark.parametrize("pattern", ["[ab].npy", ["u_[ab].npy", "v_[ab].npy", "w_[ab].npy"]])
def test_own_files_are_read_by_split(root: Path, pattern: Any) -> None:
    recipe = files(train=[pattern], test=["c.npy"])
    require_flow_files(recipe, data_root=root)
    ensure_flow(recipe, data_root=root, out_dir=root / "out")
    facts = read_facts(root / "out")
    assert facts.slices == {"train": (2, 2), "test": (2,)}
    assert not facts.is_periodic
    np.testing.assert_array_equal(read_stack(stack_file(root / "out", "train", 1), slices=2), np.load(root / "b.npy"))


@pytest.mark.parametrize(
    ("splits", "error", "message"),
    [
        ({"train": ["a.npy"]}, DataNotFound, "There are no images for test: name files below"),
        ({"train": ["x*.npy"], "test": ["a.npy"]}, DataNotFound, r"No file below .* fits x\*.npy"),
        ({"train": ["[ab].npy"], "test": ["[bc].npy"]}, ConfigError, "b.npy is in the splits train and test"),
        ({"train": [["u_*.npy", "v_a.npy", "w_*.npy"]], "test": ["c.npy"]}, ConfigError, "3 fit u_.*, 1 fit v_a.npy"),
    ],
)
def test_impossible_splits_are_refused(
    root: Path, splits: dict[str, Any], error: type[Exception], message: str
) -> None:
    recipe = read_flow_recipe(files(**splits))
    with pytest.raises(error, match=message):
        find_files(recipe, root)  # type: ignore[arg-type]


def test_wrong_facts_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="num_points"):
        read_flow_recipe(TURBULENCE | {"num_points": 18})
    with pytest.raises(ConfigError, match="viscosity"):
        read_flow_recipe(TURBULENCE | {"viscosity": -1})
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no prepared images"):
        ensure_flow(TURBULENCE, data_root=tmp_path, out_dir=tmp_path)
    assert (tmp_path / "mine.txt").is_file()
