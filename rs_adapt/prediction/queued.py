"""Maps of many scenes, each a job in the queue of a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import rasterio

from rs_adapt.datasets.worker_pool import default_jobs
from rs_adapt.errors import RsAdaptError, RunFailed
from rs_adapt.inference.ensemble import load_members
from rs_adapt.launchers.slurm import Ended, Work
from rs_adapt.launchers.stop import Stop
from rs_adapt.plugins import use_plugins
from rs_adapt.prediction.adapting import adaptation_remarks
from rs_adapt.prediction.many import MapWork, predict_one
from rs_adapt.prediction.predict import MapRecord, files_of, job_of, lay_out, record_of
from rs_adapt.prediction.strips import MapInUse, is_finished, is_in_use, strips_folder, unreadable_in
from rs_adapt.prediction.writing import CACHE_MIB
from rs_adapt.progress import OnProgress
from rs_adapt.signals import STOP_SIGNALS, handle_signals
from rs_adapt.threads import threads_per_process

_TICK_S = 0.2
# Interval of checks on maps that other processes make.
_ELSEWHERE_S = 1.0
# Time that jobs have to end after they were cancelled; Slurm kills them after 30 s, unless it is set otherwise.
_ENDING_S = 45.0
# Failed scenes that the message names.
_NAMED = 5


class Job(Protocol):
    """A job in the queue."""

    def poll(self) -> Ended | None:
        """Return how it ended, None while it waits or runs."""

    def stop(self) -> None:
        """Cancel it."""


class Queue(Protocol):
    """A queue of up to `slots` jobs."""

    slots: int

    def submit(self, work: Work) -> Job:
        """Put work into the queue."""


@dataclass(frozen=True)
class Fault:
    """The reason for which a job has made no map; None where a different process makes it."""

    message: str | None


@dataclass(frozen=True, kw_only=True)
class QueuedScene:
    """The work of a job: a scene and its map.

    Two jobs of one map are harmless: the second finds the lock, or the files.
    """

    work: MapWork
    scene: Path
    out: Path
    folder: str = field(default_factory=os.getcwd)

    def carry_out(self, stop: Stop) -> MapRecord | Fault:
        """Predict the scene, or the strips of it that are left."""

        def interrupt(_number: int, _frame: object) -> None:
            raise KeyboardInterrupt

        # Relative paths are those of the command; a node that lacks the folder may do without it.
        with suppress(OSError):
            os.chdir(self.folder)
        try:
            with handle_signals(STOP_SIGNALS, interrupt):
                return self._predict()
        except MapInUse:
            return Fault(None)
        except KeyboardInterrupt:
            return Fault("its job was cancelled")
        except RsAdaptError as error:
            return Fault(str(error))

    def _predict(self) -> MapRecord:
        import torch

        use_plugins(self.work.plugins)
        # A job has its cores to itself. Restored for a caller who carries it out in its own process.
        threads = torch.get_num_threads()
        torch.set_num_threads(threads_per_process(default_jobs(), 1))
        try:
            predictor = load_members(self.work.members, device=self.work.device)
            return predict_one(predictor, self.work, self.scene, self.out)
        finally:
            torch.set_num_threads(threads)


def predict_in_queue(
    work: MapWork, maps: Mapping[Path, Path], queue: Queue, *, log_dir: Path, on_progress: OnProgress
) -> list[MapRecord]:
    """Predict scenes as jobs, and return the records of their maps in the order of the scenes.

    Maps that an interrupted call has finished get no job. Those that other processes make, such as jobs of a call that
    was killed, are waited for. A scene that fails does not stop the others.

    Args:
        work: What the maps share.
        maps: The map of each scene.
        queue: The queue.
        log_dir: Its logs, for messages.
        on_progress: Called with the scenes that are done.

    Raises:
        RunFailed: Scenes have no map at the end; those that have are recorded as finished.
    """
    records: dict[Path, MapRecord] = {}
    faults: dict[Path, str] = {}
    for scene, out in maps.items():
        if (record := _finished_record(work, scene, out)) is not None:
            records[scene] = record
    waiting = [scene for scene in maps if scene not in records]
    elsewhere: list[Path] = []
    jobs: dict[Path, Job] = {}
    checked_s = time.monotonic()
    with _cancelled_at_stop(jobs):
        while waiting or jobs or elsewhere:
            for scene, job in list(jobs.items()):
                if (ended := job.poll()) is None:
                    continue
                del jobs[scene]
                if isinstance(ended.result, MapRecord):
                    records[scene] = ended.result
                elif isinstance(ended.result, Fault) and ended.result.message is None:
                    elsewhere.append(scene)
                else:
                    fault = ended.result.message if isinstance(ended.result, Fault) else None
                    faults[scene] = fault or ended.fault or "its job ended without a result"
                on_progress("predicting scenes", len(records) + len(faults), len(maps))
            while waiting and len(jobs) < queue.slots:
                scene = waiting.pop(0)
                if is_in_use(maps[scene]):
                    elsewhere.append(scene)
                else:
                    jobs[scene] = queue.submit(QueuedScene(work=work, scene=scene, out=maps[scene]))
            if elsewhere and time.monotonic() - checked_s >= _ELSEWHERE_S:
                checked_s = time.monotonic()
                for scene in [scene for scene in elsewhere if not is_in_use(maps[scene])]:
                    elsewhere.remove(scene)
                    if (record := _finished_record(work, scene, maps[scene])) is not None:
                        records[scene] = record
                        on_progress("predicting scenes", len(records) + len(faults), len(maps))
                    else:
                        # What the other process left unfinished is continued here.
                        waiting.append(scene)
            if jobs or elsewhere:
                time.sleep(_TICK_S)
    if faults:
        raise _failed(faults, len(maps), log_dir)
    return [replace(records[scene], scene=scene) for scene in maps]


@contextmanager
def _cancelled_at_stop(jobs: Mapping[Path, Job]) -> Iterator[None]:
    """Cancel the jobs when the block is interrupted, and wait until they have saved; a second Ctrl-C does not wait."""
    try:
        yield
    except BaseException:
        running = list(jobs.values())
        for job in running:
            job.stop()
        until_s = time.monotonic() + _ENDING_S
        while any(job.poll() is None for job in running) and time.monotonic() < until_s:
            time.sleep(_TICK_S)
        raise


def _finished_record(work: MapWork, scene_file: Path, out: Path) -> MapRecord | None:
    """Return the record of a map that a call with the same options has finished, else None."""
    started_s = time.perf_counter()
    files, folder = files_of(out, work.settings), strips_folder(out)
    if not folder.is_dir() or not all(file.exists() for file in files):
        return None
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MIB << 20), work.appearance.open(scene_file) as scene:
        view, grid = lay_out(scene, work.appearance, work.settings, len(work.classes.names))
        job = job_of(scene_file, work.appearance, work.settings, grid, work.model_sha256)
    unreadable = tuple(unreadable_in(folder))
    if not is_finished(folder, job) or (unreadable and not work.settings.skip_errors):
        return None
    seconds = time.perf_counter() - started_s
    further = adaptation_remarks(folder, work.classes.names)
    return record_of(
        scene_file, files, view, grid, seconds=seconds, model_s=0.0, unreadable=unreadable, further=further
    )


def _failed(faults: Mapping[Path, str], num_scenes: int, log_dir: Path) -> RunFailed:
    named = "; ".join(f"{scene}: {fault.rstrip('.')}" for scene, fault in list(faults.items())[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    done = num_scenes - len(faults)
    return RunFailed(
        f"{len(faults)} of {num_scenes} scenes have no map: {named}{more}. {done} map{'s are' if done != 1 else ' is'} "
        f"finished, and the same command continues with the rest. Logs of the jobs are in {log_dir}."
    )
