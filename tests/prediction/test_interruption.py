"""Maps whose process is killed or stopped: the same call continues, and the files are the same byte for byte."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt.errors import OutputExists
from rs_adapt.prediction import predict as predict_module
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.predict import MapRecord, files_of, predict_scene
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.strips import check_maps, lock_map, remove_store, strips_folder
from rs_adapt.prediction.writing import MapClasses
from rs_adapt.scenes import write_geotiff

CLASSES = MapClasses(names=("low", "high"), palette=((10, 20, 30), (200, 210, 220)))
SETTINGS = MapSettings(tile_px=32, overlap_px=8, batch_size=3, layers=("classes", "confidence"), companions=("style",))


class StubPredictor:
    """A model of single pixels: class `high` has the brightness of a pixel as its probability."""

    num_classes = 2
    patch_px = 16
    numerics = ("fp32", "cpu")

    def __init__(self, on_batch: Callable[[], object] = lambda: None) -> None:
        self._on_batch = on_batch
        self.num_tiles = 0

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: object = None) -> NDArray[np.float32]:
        """Return probabilities (N, 2, H, W)."""
        self._on_batch()
        self.num_tiles += len(tiles_NHW3)
        high_NHW = tiles_NHW3[..., 0].astype(np.float32) / 255
        return np.stack([1 - high_NHW, high_NHW], axis=1)


@pytest.fixture(name="scene")
def scene_fixture(tmp_path: Path) -> Path:
    image_HW3 = np.random.default_rng(0).integers(1, 256, (150, 100, 3)).astype(np.uint8)
    write_geotiff(tmp_path / "scene.tif", image_HW3, crs="EPSG:32633", transform=(2.0, 0.0, 5e5, 0.0, -2.0, 5e6))
    return tmp_path / "scene.tif"


def predict(scene: Path, out: Path, predictor: Any = None, settings: MapSettings = SETTINGS) -> MapRecord:
    return predict_scene(
        predictor or StubPredictor(),
        scene,
        out,
        appearance=Appearance(),
        classes=CLASSES,
        settings=settings,
        model_sha256="0" * 64,
    )


def run_killed(work: Callable[[], object]) -> None:
    """Run a function in a forked process that kills itself."""
    process = os.fork()
    if process == 0:
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def kill_at(call: int) -> Callable[..., None]:
    """Return a function that kills this process at one of its calls."""
    calls = []

    def kill(*_: object, **__: object) -> None:
        calls.append(None)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_killed_map_continues_after_its_last_strip_with_the_same_bytes(scene: Path, tmp_path: Path) -> None:
    whole = StubPredictor()
    predict(scene, tmp_path / "straight" / "map.tif", whole)
    remove_store(tmp_path / "straight" / "map.tif")
    out = tmp_path / "maps" / "map.tif"
    run_killed(lambda: predict(scene, out, StubPredictor(kill_at(8))))
    assert not out.exists()
    rest = StubPredictor()
    predict(scene, out, rest)
    remove_store(out)
    # Two batches a row of five tiles: two strips at least were written, and the second row is predicted again.
    assert 0 < rest.num_tiles <= whole.num_tiles - 5
    assert content(out.parent) == content(tmp_path / "straight")


def test_a_call_that_was_killed_between_two_files_continues_and_no_other_one_does(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(scene, tmp_path / "straight" / "map.tif")
    remove_store(tmp_path / "straight" / "map.tif")
    out = tmp_path / "maps" / "map.tif"
    write_map, kill = predict_module.write_map, kill_at(2)

    def killed(*arguments: Any, **options: Any) -> None:
        kill()
        write_map(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(predict_module, "write_map", killed)
        run_killed(lambda: predict(scene, out))
    assert out.exists()
    check_maps({out: files_of(out, SETTINGS)}, overwrite=False)
    other = replace(SETTINGS, overlap_px=4)
    with pytest.raises(OutputExists, match=r"map.tif exists. Choose a different place with --out, or add --overwrite"):
        predict(scene, out, settings=other)
    rest = StubPredictor()
    predict(scene, out, rest)
    assert rest.num_tiles == 0
    # The next scene of the call may be interrupted: this one is not made again.
    before = out.stat().st_mtime_ns
    predict(scene, out, rest)
    assert (rest.num_tiles, out.stat().st_mtime_ns) == (0, before)
    remove_store(out)
    assert content(out.parent) == content(tmp_path / "straight")
    with pytest.raises(OutputExists):
        check_maps({out: files_of(out, SETTINGS)}, overwrite=False)


def test_what_a_call_killed_at_its_very_end_leaves_is_removed_with_the_refusal(scene: Path, tmp_path: Path) -> None:
    first, last = tmp_path / "maps" / "a.tif", tmp_path / "maps" / "b.tif"
    for out in (first, last):
        predict(scene, out)
    remove_store(first)
    assert strips_folder(last).is_dir()
    with pytest.raises(OutputExists, match=r"a.tif exists"):
        check_maps({out: files_of(out, SETTINGS) for out in (first, last)}, overwrite=False)
    assert not any(name.startswith(".") for name in content(tmp_path / "maps"))


def test_two_processes_do_not_make_the_same_map(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.tif"
    with lock_map(out):
        with pytest.raises(OutputExists, match=r"Another process is predicting .*map.tif, so nothing is done there"):
            check_maps({out: (out,)}, overwrite=True)
        with pytest.raises(OutputExists, match=r"Another process is predicting"):
            predict(scene, out)
    predict(scene, out)
    assert not list(tmp_path.glob(".*.lock"))


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_scene_that_has_changed_is_predicted_anew(scene: Path, tmp_path: Path, is_finished: bool) -> None:
    """Size and time of the last change are compared; pixels are not read."""
    out, changed = tmp_path / "maps" / "map.tif", np.full((150, 100, 3), 9, np.uint8)
    if is_finished:
        predict(scene, out)
    else:
        run_killed(lambda: predict(scene, out, StubPredictor(kill_at(8))))
        assert list(strips_folder(out).glob("*.npz"))
    write_geotiff(scene, changed, crs="EPSG:32633", transform=(2.0, 0.0, 5e5, 0.0, -2.0, 5e6))
    if is_finished:
        # Its map would otherwise pass for that of the scene as it is now.
        with pytest.raises(OutputExists, match=r"map.tif exists"):
            predict(scene, out)
    whole = StubPredictor()
    predict(scene, out, whole, replace(SETTINGS, overwrite=True))
    remove_store(out)
    straight = StubPredictor()
    predict(scene, tmp_path / "straight" / "map.tif", straight)
    remove_store(tmp_path / "straight" / "map.tif")
    assert whole.num_tiles == straight.num_tiles
    assert content(out.parent) == content(tmp_path / "straight")


def test_a_scene_of_which_only_the_time_has_changed_is_predicted_anew(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps" / "map.tif"
    run_killed(lambda: predict(scene, out, StubPredictor(kill_at(8))))
    stored = scene.stat()
    os.utime(scene, ns=(stored.st_atime_ns, stored.st_mtime_ns + 1_000_000_000))
    whole, again = StubPredictor(), StubPredictor()
    predict(scene, out, again)
    predict(scene, tmp_path / "straight" / "map.tif", whole)
    assert again.num_tiles == whole.num_tiles
