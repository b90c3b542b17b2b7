"""Maps as jobs of a queue: order, faults, maps of other processes, stops, and what an interrupted call has finished."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt import locks
from rs_adapt.errors import DataError, RunFailed
from rs_adapt.launchers.slurm import Ended, Work
from rs_adapt.launchers.stop import Stop
from rs_adapt.prediction import queued
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.many import MapWork, deal_device
from rs_adapt.prediction.predict import MapRecord
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.strips import is_in_use, lock_map, remove_store
from rs_adapt.prediction.writing import MapClasses
from rs_adapt.scenes import write_geotiff

CLASSES = MapClasses(names=("low", "high"), palette=((10, 20, 30), (200, 210, 220)))
WORK = MapWork(
    members=(),
    plugins=(),
    device="cpu",
    appearance=Appearance(),
    classes=CLASSES,
    settings=MapSettings(tile_px=32, overlap_px=8, batch_size=3),
    model_sha256="0" * 64,
)


class StubPredictor:
    """A model of single pixels: class `high` has the brightness of a pixel as its probability."""

    num_classes = 2
    patch_px = 16
    numerics = ("fp32", "cpu")

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: object = None) -> NDArray[np.float32]:
        """Return probabilities (N, 2, H, W)."""
        high_NHW = tiles_NHW3[..., 0].astype(np.float32) / 255
        return np.stack([1 - high_NHW, high_NHW], axis=1)


class StubJob:
    """A job that runs when it is asked for the second time."""

    def __init__(self, work: Work, on_run: Callable[[], object]) -> None:
        # As submitit hands it to a node.
        self._work: Work = pickle.loads(pickle.dumps(work))
        self._on_run, self._polls, self.stopped = on_run, 0, False

    def poll(self) -> Ended | None:
        """Return the end of the work."""
        self._polls += 1
        if self.stopped:
            return Ended(None, "cancelled")
        if self._polls < 2:
            return None
        self._on_run()
        return Ended(pickle.loads(pickle.dumps(self._work.carry_out(Stop()))), "")

    def stop(self) -> None:
        """End the job."""
        self.stopped = True


class StubQueue:
    """A queue of two jobs, in this process."""

    slots = 2

    def __init__(self, on_run: Callable[[], object] = lambda: None) -> None:
        self._on_run = on_run
        self.scenes: list[str] = []
        self.jobs: list[StubJob] = []

    def submit(self, work: Work) -> StubJob:
        """Put work into the queue."""
        self.scenes.append(cast("queued.QueuedScene", work).scene.name)
        self.jobs.append(StubJob(work, self._on_run))
        assert sum(job._polls < 2 and not job.stopped for job in self.jobs) <= self.slots
        return self.jobs[-1]


@pytest.fixture(name="maps")
def maps_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Path, Path]:
    """Return three scenes and the places of their maps; the model is a stub."""
    monkeypatch.setattr(queued, "load_members", lambda *_, **__: StubPredictor())
    monkeypatch.setattr(queued, "_TICK_S", 0.0)
    monkeypatch.setattr(queued, "_ELSEWHERE_S", 0.0)
    monkeypatch.setattr(locks, "_PAUSE_S", 0.0)
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("abc"):
        image_HW3 = np.random.default_rng(number).integers(1, 256, (30, 40, 3)).astype(np.uint8)
        place = (2.0, 0.0, 5e5, 0.0, -2.0, 5e6)
        write_geotiff(tmp_path / f"{name}.tif", image_HW3, crs="EPSG:32633", transform=place)
    return {Path(f"{name}.tif"): Path("maps", f"{name}.tif") for name in "abc"}


def predict(maps: dict[Path, Path], queue: StubQueue, work: MapWork = WORK, **options: Any) -> list[MapRecord]:
    done: list[tuple[int, int | None]] = []
    records = queued.predict_in_queue(
        work,
        maps,
        queue,
        log_dir=Path("maps/slurm"),
        on_progress=lambda _, number, total: done.append((number, total)),
        **options,
    )
    assert not queue.jobs or done[-1] == (len(maps), len(maps))
    return records


def test_each_scene_is_a_job_and_finished_maps_get_none(maps: dict[Path, Path]) -> None:
    first = StubQueue()
    records = predict(maps, first)
    assert [record.scene for record in records] == list(maps)
    assert [record.files for record in records] == [(out,) for out in maps.values()]
    assert first.scenes == ["a.tif", "b.tif", "c.tif"]
    # The call ended before it removed what it had stored: nothing is done again.
    again = StubQueue()
    assert [record.num_tiles for record in predict(maps, again)] == [record.num_tiles for record in records]
    assert again.scenes == []
    # Other options are other maps, which are refused where files are in the way.
    with pytest.raises(RunFailed, match=r"3 of 3 scenes have no map: a\.tif: maps/a\.tif exists"):
        predict(maps, StubQueue(), replace(WORK, model_sha256="1" * 64))


def test_a_scene_that_fails_is_named_and_the_others_are_finished(maps: dict[Path, Path]) -> None:
    good = Path("b.tif").read_bytes()
    Path("b.tif").write_bytes(good[:200])
    with pytest.raises(
        RunFailed, match=r"^1 of 3 scenes have no map: b\.tif: .* 2 maps are finished, and the same "
    ) as e:
        predict(maps, StubQueue())
    assert "Logs of the jobs are in maps/slurm." in str(e.value)
    assert e.value.exit_code == 1
    Path("b.tif").write_bytes(good)
    queue = StubQueue()
    assert len(predict(maps, queue)) == 3
    assert queue.scenes == ["b.tif"]


def test_a_scene_that_cannot_be_read_is_left_out_on_request(maps: dict[Path, Path]) -> None:
    Path("b.tif").write_bytes(b"II*\0")
    work = replace(WORK, settings=replace(WORK.settings, skip_errors=True))
    assert [bool(record.files) for record in predict(maps, StubQueue(), work)] == [True, False, True]


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_map_that_a_different_process_makes_is_waited_for(maps: dict[Path, Path], is_finished: bool) -> None:
    """As after the death of a call whose jobs go on."""
    Path("maps").mkdir()
    other = lock_map(maps[Path("b.tif")])
    other.__enter__()

    def end_other() -> None:
        if queue.scenes == ["a.tif", "c.tif"] and is_in_use(maps[Path("b.tif")]):
            other.__exit__(None, None, None)
            if is_finished:
                queued.QueuedScene(work=WORK, scene=Path("b.tif"), out=maps[Path("b.tif")]).carry_out(Stop())

    queue = StubQueue(end_other)
    assert len(predict(maps, queue)) == 3
    assert queue.scenes == ["a.tif", "c.tif", *([] if is_finished else ["b.tif"])]


def test_a_job_that_finds_its_map_being_made_leaves_it(maps: dict[Path, Path]) -> None:
    """The lock may be taken between the look at it and the start of the job."""
    Path("maps").mkdir()
    locks: Iterator[Any] = iter([lock_map(maps[Path("a.tif")])])
    held: list[Any] = []

    def take() -> None:
        if (lock := next(locks, None)) is not None:
            lock.__enter__()
            held.append(lock)
        elif held and queue.scenes == ["a.tif", "b.tif", "c.tif"]:
            held.pop().__exit__(None, None, None)

    queue = StubQueue(take)
    assert len(predict(maps, queue)) == 3
    assert queue.scenes == ["a.tif", "b.tif", "c.tif", "a.tif"]


def test_a_stop_cancels_the_jobs(maps: dict[Path, Path]) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    queue = StubQueue(stop)
    with pytest.raises(KeyboardInterrupt):
        predict(maps, queue)
    assert [job.stopped for job in queue.jobs] == [True, True]
    # The next call has all the work, and ends it.
    rest = StubQueue()
    predict(maps, rest)
    assert rest.scenes == ["a.tif", "b.tif", "c.tif"]
    for out in maps.values():
        remove_store(out)
    assert sorted(path.name for path in Path("maps").iterdir()) == ["a.tif", "b.tif", "c.tif"]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [(KeyboardInterrupt(), "a.tif: its job was cancelled"), (DataError("It is broken."), "a.tif: It is broken;")],
)
def test_the_reason_of_a_job_is_named(
    maps: dict[Path, Path], failure: BaseException, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(queued, "predict_one", fail)
    with pytest.raises(RunFailed, match=r"3 of 3 scenes have no map: .* 0 maps are finished") as caught:
        predict(maps, StubQueue())
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("device", "num_gpus", "dealt"),
    [
        ("auto", 3, ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1"]),
        ("cuda", 2, ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]),
        ("cuda:1", 2, ["cuda:1"] * 5),
        ("auto", 1, ["auto"] * 5),
        ("auto", 0, ["auto"] * 5),
        ("cpu", 4, ["cpu"] * 5),
    ],
)
def test_gpus_are_dealt_out_in_turn(device: str, num_gpus: int, dealt: list[str]) -> None:
    assert [deal_device(device, number, num_gpus) for number in range(5)] == dealt
