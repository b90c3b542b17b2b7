"""Checks of a run's data by task: each task has a function that opens every data set and returns their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rs_adapt.config.paths import home
from rs_adapt.config.tasks import CAPTIONS, CLASSIFICATION, SEGMENTATION, task_of
from rs_adapt.engine.build import CheckedData, check_data
from rs_adapt.errors import ConfigError
from rs_adapt.processes import rank_and_world_size
from rs_adapt.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_adapt.config.resolved import ResolvedConfig


def check_dataset(dataset: Any, on_progress: OnProgress = no_progress) -> None:
    """Open every image of a set of any task once.

    Args:
        dataset: A `TileDataset`, a `SceneDataset`, or a set of captions.
        on_progress: Called while images are read.

    Raises:
        DataNotFound, DataError: See `check_tiles` and `check_images`.
    """
    from rs_adapt.captions.dataset import CaptionDataset, ChoiceDataset, check_images
    from rs_adapt.datasets.checks import check_tiles

    if isinstance(dataset, CaptionDataset | ChoiceDataset):
        check_images(dataset, on_progress)
    else:
        check_tiles(dataset, home() / "checks", on_progress)


class DataCheck(Protocol):
    """A function that opens and checks every data set of a run; see `rs_adapt.engine.build.check_data`."""

    def __call__(
        self, cfg: ResolvedConfig, on_progress: OnProgress = no_progress, *, is_resumed: bool = False
    ) -> CheckedData:
        """Return the digests, and sentences that one has to know before trusting the scores."""


def check_scenes(
    cfg: ResolvedConfig, on_progress: OnProgress = no_progress, *, is_resumed: bool = False
) -> CheckedData:
    """Open every image of a classification run once, and return the digests by role.

    Raises:
        DataNotFound, DataError: See `SceneDataset` and `check_tiles`.
    """
    from rs_adapt.datasets.checks import check_tiles
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.roles import data_roles
    from rs_adapt.registry import DATASETS

    digests = {}
    for role, settings in data_roles(cfg).items():
        check_tiles(DATASETS.build(settings), home() / "checks", on_progress)
        digests[role] = digest_tiles(settings)
    return CheckedData(digests=digests, notes=())


def check_captions(
    cfg: ResolvedConfig, on_progress: OnProgress = no_progress, *, is_resumed: bool = False
) -> CheckedData:
    """Read every caption, negative and item of a captions run, open every image once, and return the digests by role.

    Raises:
        DataNotFound, DataError: See `CaptionDataset`, `ChoiceDataset` and `check_images`.
        ConfigError: Several processes would train together, each of which contrasted its own part of a batch; or a
            batch is larger than the list of captions.
    """
    if rank_and_world_size()[1] > 1:
        raise ConfigError(
            f"{rank_and_world_size()[1]} processes are to train on captions together, and each would contrast its own "
            "part of the batch alone. Allowed: one process."
        )
    from rs_adapt.captions.dataset import CaptionDataset, ChoiceDataset, check_images, describe_cut
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.roles import data_roles
    from rs_adapt.registry import DATASETS

    digests, notes = {}, []
    for role, settings in data_roles(cfg).items():
        dataset = DATASETS.build(settings)
        check_images(dataset, on_progress)
        digests[role] = digest_tiles(settings)
        if isinstance(dataset, ChoiceDataset) and dataset.left_out:
            notes.append(f"{dataset.name}: {dataset.left_out} entries are no items and are not scored.")
        if isinstance(dataset, ChoiceDataset) and (cut := describe_cut(dataset)):
            notes.append(cut)
        batch_size = cfg.train_dataloader.batch_size
        if isinstance(dataset, CaptionDataset) and len(dataset) < batch_size:
            raise ConfigError(
                f"{dataset.name} has {len(dataset)} captions, and a batch {batch_size}: it would hold captions twice "
                f"and contrast them with themselves. Allowed: a batch of up to {len(dataset)} (--batch-size)."
            )
    return CheckedData(digests=digests, notes=tuple(notes))


DATA_CHECKS: Mapping[str, DataCheck] = {
    SEGMENTATION: check_data,
    CLASSIFICATION: check_scenes,
    CAPTIONS: check_captions,
}


def data_check_of(cfg: ResolvedConfig) -> DataCheck:
    """Return the check of the task of a configuration."""
    return DATA_CHECKS[task_of(cfg.bench).name]
