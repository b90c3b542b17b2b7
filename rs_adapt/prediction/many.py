"""Maps of many scenes, one after the other or in processes of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.datasets.worker_pool import default_jobs, may_start_processes, run_in_processes
from rs_adapt.errors import ConfigError
from rs_adapt.inference.ensemble import Member, TilePredictor, load_members
from rs_adapt.plugins import use_plugins
from rs_adapt.prediction.predict import MapRecord, OnStart, predict_scene
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.skipping import skip_scene
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.threads import threads_per_process

if TYPE_CHECKING:
    from rs_adapt.prediction.appearance import Appearance
    from rs_adapt.prediction.writing import MapClasses

_KILLED = "Finished maps and strips are saved: the same command continues; fewer --jobs than {jobs} take less memory."
# The model of a process that predicts.
_predictors: list[TilePredictor] = []


@dataclass(frozen=True, kw_only=True)
class MapWork:
    """All that maps of a call share.

    Attributes:
        members: The checkpoints.
        plugins: Files and folders with methods from outside.
        device: "auto", "cpu", "cuda" or "cuda:N".
        appearance: How scenes become RGB.
        classes: Names and colours of the classes.
        settings: Tiles, blending and layers.
        model_sha256: Of the tensors of all packs, and of the files of ONNX models.
        origin: Addresses of those that come from the Hub.
    """

    members: tuple[Member, ...]
    plugins: tuple[Path, ...]
    device: str
    appearance: Appearance
    classes: MapClasses
    settings: MapSettings
    model_sha256: str
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A scene for a process."""

    work: MapWork
    scene: Path
    out: Path
    jobs: int


def predict_scenes(
    work: MapWork, maps: Mapping[Path, Path], *, jobs: int, on_progress: OnProgress, on_start: OnStart
) -> list[MapRecord]:
    """Predict scenes, and return the records of their maps in the order of the scenes.

    A scene that cannot be read has a record without files, if the settings leave it out.

    With several processes each holds a model of its own, on a GPU of its own where there are several, and an equal
    share of the cores.

    Args:
        work: What the maps share.
        maps: The map of each scene.
        jobs: Processes; with 1, or for one scene, all is done in this one.
        on_progress: As in `predict_scene`; with several processes it counts scenes.
        on_start: As in `predict_scene`; not called with several processes.

    Raises:
        RunFailed: A process was killed.
        ConfigError: Processes cannot be started from here.
    """
    jobs = min(jobs, len(maps))
    if jobs <= 1:
        predictor = load_members(work.members, device=work.device)
        return [
            predict_one(predictor, work, scene, out, on_progress=on_progress, on_start=on_start)
            for scene, out in maps.items()
        ]
    if not may_start_processes():
        raise ConfigError(
            f"jobs is {jobs}, but processes cannot be started from a script: they would run it again. Leave jobs out, "
            "or use the command `rs-adapt predict --jobs`."
        )
    # Large ones first, so that no process works alone at the end.
    tasks = [
        _Task(work=work, scene=scene, out=out, jobs=jobs)
        for scene, out in sorted(maps.items(), key=lambda pair: -pair[0].stat().st_size)
    ]
    records: dict[Path, MapRecord] = {}
    for record in run_in_processes(_predict, tasks, jobs=jobs, remedy=_KILLED, ends_at_stop=True):
        records[record.scene] = record
        on_progress("predicting scenes", len(records), len(tasks))
    return [records[scene] for scene in maps]


def predict_one(
    predictor: TilePredictor,
    work: MapWork,
    scene: Path,
    out: Path,
    *,
    on_progress: OnProgress = no_progress,
    on_start: OnStart = lambda stage, done, total, mpx: None,
) -> MapRecord:
    """Predict a scene of the call; the record of one that is left out has no files."""
    records: dict[Path, MapRecord] = {}
    with skip_scene(scene, records, skip_errors=work.settings.skip_errors):
        records[scene] = predict_scene(
            predictor,
            scene,
            out,
            appearance=work.appearance,
            classes=work.classes,
            settings=work.settings,
            model_sha256=work.model_sha256,
            origin=work.origin,
            on_progress=on_progress,
            on_start=on_start,
        )
    return records[scene]


def _predict(task: _Task) -> MapRecord:
    # Processes of a pool are numbered from 1.
    number = multiprocessing.current_process()._identity[0] - 1
    return predict_one(_load(task.work, task.jobs, number), task.work, task.scene, task.out)


def _load(work: MapWork, jobs: int, number: int) -> TilePredictor:
    """Load the model in a process that predicts, once."""
    if not _predictors:
        import torch

        use_plugins(work.plugins)
        torch.set_num_threads(threads_per_process(default_jobs(), jobs))
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        device = deal_device(work.device, number, count)
        _predictors.append(load_members(work.members, device=device))
    return _predictors[0]


def deal_device(device: str, number: int, num_gpus: int) -> str:
    """Return the device of a process: GPUs in turn, where there are several and none is named.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N".
        number: Of the process, from 0.
        num_gpus: GPUs that the processes see.
    """
    return f"cuda:{number % num_gpus}" if device in ("auto", "cuda") and num_gpus > 1 else device
