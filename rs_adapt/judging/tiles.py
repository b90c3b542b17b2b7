"""Two trained models on the unlabelled tiles of the target, and the true class shares of the source."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.roles import reads_source
from rs_adapt.engine.build import prepare_data
from rs_adapt.engine.loaders import end_processes
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.inference.predictor import Predictor
from rs_adapt.judging.pairs import PairPrediction, RasterPlace
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import load_libraries
from rs_adapt.tiles.index import INDEX_NAME, read_index

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


class TargetTiles:
    """The tiles of the target without labels that a run's label-free statistics are computed on, all of them.

    In adaptation these are the training images of the target, else the images that are scored. No label is opened.
    Each model is shown them at the size at which it is scored.

    Args:
        cfg: The configuration of the run, from `recompose`.
        against: That of the run that it is compared with; None where there is none.
        most: Number of tiles, spread evenly over the sorted names; None for all.
        on_progress: Called while tiles are made.

    Raises:
        DataNotFound: There are no tiles.
    """

    def __init__(
        self,
        cfg: ResolvedConfig,
        *,
        against: ResolvedConfig | None = None,
        most: int | None = None,
        on_progress: OnProgress = no_progress,
    ) -> None:
        from mmengine.runner import Runner

        load_libraries(cfg.default_scope)
        prepare_data(cfg, on_progress, roles=("target",))
        settings = copy.deepcopy(cfg.monitor.label_free.to_dict())
        settings["dataset"]["spread"] = most
        self._loader: Any = Runner.build_dataloader(settings, seed=cfg.randomness.seed)
        self._other_loader: Any = None
        if against is not None and (steps := _steps(against)) != _steps(cfg):
            others = settings | {"dataset": settings["dataset"] | {"pipeline": steps}}
            self._other_loader = Runner.build_dataloader(others, seed=cfg.randomness.seed)
        self._img_dir = Path(settings["dataset"]["img_dir"])
        self._places = _tile_places(self._img_dir.parent)
        # Such as `south train`.
        self.name = " ".join(str(settings["dataset"]["name"]).split("/")[-2:])

    @property
    def systems(self) -> set[str]:
        """Coordinate systems of the tiles; "" where tiles have no place."""
        return {place.crs for place in self._places.values()} or {""}

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._loader.dataset)

    def pairs(self, run: Predictor, against: Predictor, *, on_progress: OnProgress = no_progress) -> TilePairs:
        """Return the predictions of two models for all tiles.

        Args:
            run: RUN.
            against: AGAINST, with the same classes.
            on_progress: Called with the stage, and with the tiles done and in all.
        """
        return TilePairs(self, run, against, on_progress)

    def predict(self, run: Predictor, against: Predictor) -> Iterator[PairPrediction]:
        """Predict each tile with both models.

        Raises:
            DataError: A tile cannot be read.
        """
        loaders = [self._loader] if self._other_loader is None else [self._loader, self._other_loader]
        try:
            for batches in zip(*loaders, strict=True):
                samples = run.predict_batch(batches[0])
                others = samples if against is run else against.predict_batch(batches[-1])
                for sample, other in zip(samples, others, strict=True):
                    yield self._pair(sample, other, run, against)
        finally:
            for loader in loaders:
                end_processes(loader)

    def _pair(self, sample: Any, other: Any, run: Predictor, against: Predictor) -> PairPrediction:
        run_KHW = _probabilities(sample, run)
        against_KHW = run_KHW if other is sample else _probabilities(other, against)
        valid_HW = np.ones(run_KHW.shape[1:], dtype=bool)
        if "valid" in sample:
            mask_HW = sample.valid.data[0].cpu().numpy()
            # As in training: a mask of a different size, or an empty one, is not used.
            valid_HW = mask_HW if mask_HW.shape == valid_HW.shape and mask_HW.any() else valid_HW
        path = Path(sample.img_path)
        return PairPrediction(
            image=path.relative_to(self._img_dir).as_posix(),
            run_KHW=run_KHW,
            against_KHW=against_KHW,
            valid_HW=valid_HW,
            read_pixels=partial(_read_rgb, path),
            place=self._places.get(path.stem),
        )


def _steps(cfg: ResolvedConfig) -> list[Any]:
    steps: list[Any] = copy.deepcopy(cfg.monitor.label_free.to_dict())["dataset"]["pipeline"]
    return steps


class TilePairs:
    """The predictions of two models for the tiles of the target; see `TargetTiles.pairs`."""

    def __init__(self, tiles: TargetTiles, run: Predictor, against: Predictor, on_progress: OnProgress) -> None:
        self._tiles, self._run, self._against, self._on_progress = tiles, run, against, on_progress
        self.name = f"{len(tiles)} tiles of {tiles.name}"

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._tiles)

    def __iter__(self) -> Iterator[PairPrediction]:
        """Predict and yield each tile."""
        for done, pair in enumerate(self._tiles.predict(self._run, self._against), start=1):
            yield pair
            self._on_progress("predicting tiles", done, len(self))


def source_shares(cfg: ResolvedConfig, *, on_progress: OnProgress = no_progress) -> tuple[float, ...] | None:
    """Return the share of each class among the labelled pixels of the source's training tiles.

    Args:
        cfg: The configuration of a run.
        on_progress: Called while tiles are made.

    Returns:
        The shares, which sum to 1; None where the tiles are not on this machine, or the run has read none.
    """
    from rs_adapt.datasets.class_sampling import class_counts
    from rs_adapt.registry import DATASETS

    if not reads_source(cfg):
        return None
    load_libraries(cfg.default_scope)
    with suppress(DataNotFound, DataError):
        prepare_data(cfg, on_progress, roles=("source",))
        dataset = DATASETS.build(cfg.train_dataloader.dataset.labelled)
        counts_K = class_counts(dataset).sum(axis=0)
        if total := int(counts_K.sum()):
            return tuple(float(share) for share in counts_K / total)
    return None


def check_same_task(run: ResolvedConfig, against: ResolvedConfig, *, folders: Sequence[Path]) -> None:
    """Refuse two models that do not answer the same question.

    Raises:
        ConfigError: They have different classes, or were trained for different benches.
    """
    if list(run.bench.classes) != list(against.bench.classes):
        raise ConfigError(
            f"{folders[0]} has the classes {', '.join(run.bench.classes)}, and {folders[1]} has "
            f"{', '.join(against.bench.classes)}. Name two runs with the same classes in the same order."
        )
    if run.bench.name != against.bench.name:
        raise ConfigError(
            f"{folders[0]} is of bench {run.bench.name}, and {folders[1]} of {against.bench.name}. Name two runs of "
            "one bench and direction."
        )


def _tile_places(folder: Path) -> dict[str, RasterPlace]:
    """Return the place of each tile by its name, from the index that is written where scenes are cut."""
    if not (folder / INDEX_NAME).is_file():
        return {}
    return {Path(tile.name).stem: RasterPlace.of(tile.crs, tile.transform) for tile in read_index(folder) if tile.crs}


def _probabilities(sample: Any, predictor: Predictor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = predictor.sample_probabilities(sample).cpu().numpy()
    return values


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    with open_picture(path) as image:
        return np.asarray(image.convert("RGB"))
