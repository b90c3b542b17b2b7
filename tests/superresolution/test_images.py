from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.superresolution.dataset import FlowSplit
from rs_adapt.superresolution.images import FlowImages
from rs_adapt.turbulence.degrade import Degradation, degrade
from rs_adapt.turbulence.measures import divergence_error
from rs_adapt.turbulence.storage import Split, write_flow

STACKS = np.random.default_rng(0).standard_normal((3, 3, 2, 16, 16)).astype(np.float32) * 2 + 1


@pytest.fixture(scope="module", params=[True, False])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow")
    write_flow(path, zip(("train", "train", "test"), STACKS, strict=True), is_periodic=request.param)
    return path


def test_images_are_normalised_by_one_scale_and_paired_with_their_coarse_form(folder: Path) -> None:
    images = FlowImages(folder, split="test", scale=4)
    assert len(images) == 2
    pair = images.pair(1)
    assert (pair.name, pair.snapshot) == ("00000/01", "00000")
    np.testing.assert_array_equal(pair.coarse_3hw, degrade(pair.fine_3HW, 4))
    train = STACKS[:2]
    mean = train.mean(axis=(0, 2, 3, 4)).reshape(3, 1, 1)
    np.testing.assert_allclose(pair.fine_3HW * images.facts.scale + mean, STACKS[2][:, 1], rtol=1e-5, atol=1e-5)
    assert images.value_range == pytest.approx((train.max() - train.min()) / images.facts.scale)


def test_draws_are_functions_of_seed_and_number_and_keep_divergence(folder: Path) -> None:
    images = FlowImages(folder, split="train", scale=2)
    first, again, other = images.draw(0, 5), images.draw(0, 5), images.draw(1, 5)
    np.testing.assert_array_equal(first.fine_3HW, again.fine_3HW)
    assert not np.array_equal(first.fine_3HW, other.fine_3HW)
    names = {images.draw(0, number).name for number in range(40)}
    assert names == {"00000/00", "00000/01", "00001/00", "00001/01"}
    if images.facts.is_periodic:
        # A shift moves divergence across the border, where it is not measured.
        return
    for number in range(8):
        drawn = images.draw(0, number)
        snapshot, z = (int(part) for part in drawn.name.split("/"))
        plain = images.pair(snapshot * 2 + z).fine_3HW
        zero = np.zeros_like(plain)
        assert divergence_error(zero, drawn.fine_3HW) == pytest.approx(divergence_error(zero, plain), rel=1e-4)


def test_a_split_can_be_limited_to_images_that_are_spread_over_it(folder: Path) -> None:
    def names(split: Split, spread: int | None) -> list[str]:
        images = FlowSplit(folder=str(folder), split=split, scale=2, degradation="box", spread=spread)
        return [images[index]["name"] for index in range(len(images))]

    assert names("train", None) == names("train", 9) == ["00000/00", "00000/01", "00001/00", "00001/01"]
    assert names("train", 2) == ["00000/00", "00001/00"]
    with pytest.raises(ConfigError, match="spread"):
        names("test", 0)


def test_fewer_snapshots_can_be_used(folder: Path) -> None:
    assert len(FlowImages(folder, split="train", scale=2, num_snapshots=1)) == 2


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (((16, 16), (16, 20)), r"different sizes \(16 x 16, 16 x 20\): crop them to one"),
        (((16, 18), (16, 18)), "have 16 x 18 pixels. Both sides must be multiples of the factor 4"),
        (((8, 16), (8, 16)), "at least 11, the window of SSIM"),
    ],
)
def test_sides_that_do_not_fit_are_refused(tmp_path: Path, sides: tuple[tuple[int, int], ...], message: str) -> None:
    rng = np.random.default_rng(0)
    write_flow(tmp_path, (("train", rng.random((3, 1, *side), np.float32)) for side in sides), is_periodic=False)
    with pytest.raises(DataError, match=message):
        FlowImages(tmp_path, split="train", scale=4)


def test_impossible_sets_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="has no images for val"):
        FlowImages(folder, split="val", scale=2)
    if not FlowImages(folder, split="test", scale=2).facts.is_periodic:
        with pytest.raises(ConfigError, match="`spectral` is for periodic images"):
            FlowImages(folder, split="test", scale=2, operator=Degradation.SPECTRAL)


def test_colours_are_cropped_and_turned_without_being_changed(tmp_path: Path) -> None:
    images_3HW = np.random.default_rng(1).integers(0, 256, (2, 3, 1, 16, 20), np.uint8)
    stacks = [("train", images_3HW[0]), ("test", images_3HW[1])]
    write_flow(tmp_path, stacks, is_periodic=False, content="colour")  # type: ignore[arg-type]
    images = FlowImages(tmp_path, split="train", scale=2, crop_px=12)
    whole = FlowImages(tmp_path, split="train", scale=2).pair(0).fine_3HW
    colours = {tuple(pixel) for pixel in whole.reshape(3, -1).T.round(4).tolist()}
    for number in range(8):
        pair = images.draw(0, number)
        assert (pair.fine_3HW.shape, pair.coarse_3hw.shape) == ((3, 12, 12), (3, 6, 6))
        assert {tuple(pixel) for pixel in pair.fine_3HW.reshape(3, -1).T.round(4).tolist()} <= colours
    assert len({images.draw(0, number).fine_3HW.tobytes() for number in range(8)}) > 4
    with pytest.raises(ConfigError, match="bench.crop_px is 13, which is no multiple of the factor 2"):
        FlowImages(tmp_path, split="train", scale=2, crop_px=13)
    with pytest.raises(DataError, match="have 16 x 20 pixels, and bench.crop_px is 32. Allowed: up to 16"):
        FlowImages(tmp_path, split="train", scale=2, crop_px=32)
