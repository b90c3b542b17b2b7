from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.turbulence.recipe import TurbulenceRecipe, simulate, write_turbulence
from rs_adapt.turbulence.storage import read_facts, read_stack, stack_file, write_flow

FACTS = {
    "kind": "turbulence",
    "seed": 0,
    "num_points": 16,
    "viscosity": 0.05,
    "power": 0.1,
    "spin_up": 0.5,
    "refine": 0.2,
    "snapshots": {"train": 2, "test": 1},
    "slice_step": 4,
}


def recipe(**changes: object) -> TurbulenceRecipe:
    return TurbulenceRecipe.model_validate(FACTS | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow")
    write_turbulence(path, recipe())
    return path


def test_a_folder_holds_slices_of_independent_snapshots_and_their_statistics(folder: Path) -> None:
    facts = read_facts(folder)
    assert facts.slices == {"train": (4, 4), "test": (4,)}
    assert facts.is_periodic
    stacks = [read_stack(stack_file(folder, *place), slices=4) for place in (("train", 0), ("train", 1), ("test", 0))]
    np.testing.assert_array_equal(stacks[1], simulate(recipe(), split="train", number=1)[:, ::4])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        correlation = np.corrcoef(stacks[first].ravel(), stacks[second].ravel())[0, 1]
        assert abs(correlation) < 0.5
    train = np.stack(stacks[:2])
    np.testing.assert_allclose(facts.mean, train.mean(axis=(0, 2, 3, 4)), atol=1e-6)
    assert facts.scale == pytest.approx((train - train.mean(axis=(0, 2, 3, 4), keepdims=True)).std(), rel=1e-5)
    assert facts.value_range == pytest.approx(train.max() - train.min())


def test_a_slice_is_the_plane_of_its_first_two_components() -> None:
    """In-plane divergence of the slices is minus the change of w across them, or the axes would be mixed up."""
    field = simulate(recipe(refine=0.0), split="train", number=0)
    k = np.fft.fftfreq(16, 1 / 16)

    def derivative(values: np.ndarray, axis: int) -> np.ndarray:
        shape = [-1 if number == axis else 1 for number in range(3)]
        return np.fft.ifft(1j * k.reshape(shape) * np.fft.fft(values, axis=axis), axis=axis).real

    in_plane = derivative(field[0], 2) + derivative(field[1], 1)
    np.testing.assert_allclose(in_plane, -derivative(field[2], 0), atol=1e-4)
    assert np.abs(in_plane).max() > 0.1


def test_decaying_turbulence_loses_energy() -> None:
    young, old = (simulate(recipe(power=0, spin_up=t), split="val", number=0) for t in (0.5, 2.0))
    assert (old**2).mean() < 0.8 * (young**2).mean()


def test_impossible_recipes_are_refused() -> None:
    with pytest.raises(ValidationError, match="multiple of 4"):
        recipe(num_points=18)
    with pytest.raises(ValidationError, match="greater than 0"):
        recipe(viscosity=0)


def test_folders_without_training_images_or_with_damage_are_refused(folder: Path, tmp_path: Path) -> None:
    stack = np.ones((3, 2, 4, 4), np.float32)
    with pytest.raises(DataError, match="There is no training image"):
        write_flow(tmp_path, [("test", stack)], is_periodic=False)
    with pytest.raises(DataError, match="All values of the training images are equal"):
        write_flow(tmp_path, [("train", stack)], is_periodic=False)
    with pytest.raises(DataError, match="Snapshot 0 of split train has values that are not finite"):
        write_flow(tmp_path, [("train", stack * np.nan)], is_periodic=False)
    with pytest.raises(DataNotFound, match="holds no prepared images"):
        read_facts(tmp_path)
    (tmp_path / "flow.json").write_text("{}")
    with pytest.raises(DataError, match="is damaged. Remove the folder"):
        read_facts(tmp_path)
    (tmp_path / "00000.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="is damaged"):
        read_stack(tmp_path / "00000.npy", slices=2)
    with pytest.raises(DataError, match=r"does not hold \(3, 5, H, W\)"):
        read_stack(stack_file(folder, "test", 0), slices=5)
