"""The subject of lint: a resolved configuration with the origin of its keys, its changes, and its run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.audit.lint.changes import ChangedKey
from rs_adapt.audit.lint.tile_scan import TileScan
from rs_adapt.config.facts import ConfigNode
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tasks import SEGMENTATION, SUPER_RESOLUTION, task_of
from rs_adapt.datasets.roles import reads_source, reads_source_val
from rs_adapt.runs.records import Manifest, Result, RunStart

# The key of each data set in a configuration, by role; the score on `source_val` is reported beside the result.
ROLES = {
    "labelled": "train_dataloader.dataset.labelled",
    "unlabelled": "train_dataloader.dataset.unlabelled",
    "val": "val_dataloader.dataset",
    "test": "test_dataloader.dataset",
    "source_val": "source_val_dataloader.dataset",
}
TRAINING = ("labelled", "unlabelled")


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The files of a run folder; those that are missing are None.

    Attributes:
        folder: The run folder.
        start: Content of `cell.json`.
        result: Content of `result.json`.
        manifest: Content of `manifest.json`.
        edited: Keys in which `config.py` differs from what the run's cell and options compose to.
        incomparable: Why the cell could not be composed again; empty if it could.
        logged: The configuration in `train.log`.
    """

    folder: Path
    start: RunStart
    result: Result | None
    manifest: Manifest | None
    edited: tuple[ChangedKey, ...]
    incomparable: str
    logged: ConfigNode | None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A configuration, with everything else that the rules look at.

    Attributes:
        title: The cell, or the path, for people.
        cfg: The resolved configuration as plain dicts.
        changed: Keys that options or `--set` changed from the values in the axis files.
        origin: Returns file and line of a dotted key.
        run: The run folder, if the configuration lies in one.
        scan: The tiles on disk; None where they were not scanned.
        why_not_scanned: The reason, where they were not scanned.
        images: Of other tasks than segmentation, the digests of images by role and name; None where none were read.
    """

    title: str
    cfg: ConfigNode
    changed: tuple[ChangedKey, ...]
    origin: Callable[[str], tuple[str, int | None]]
    run: RunFiles | None = None
    scan: TileScan | None = None
    why_not_scanned: str = ""
    images: Mapping[str, Mapping[str, str]] | None = None

    @property
    def is_segmentation(self) -> bool:
        """Whether the configuration predicts maps of pixels, whose tiles lie in folders of their own."""
        return task_of(self.cfg["bench"]).name == SEGMENTATION

    @property
    def is_super_resolution(self) -> bool:
        """Whether the configuration learns fine images from coarse ones, which lie in one folder a bench."""
        return task_of(self.cfg["bench"]).name == SUPER_RESOLUTION

    @property
    def setting(self) -> str:
        """The setting, such as `da` or `dg`."""
        return str(self.cfg["cell"]["setting"])

    @property
    def root(self) -> Path:
        """The folder that the bench's folders are relative to."""
        return Path(self.cfg["prepared_dir"] or self.cfg["data_root"])

    @property
    def segmentor(self) -> ConfigNode:
        """The settings of the segmentor, without the strategy around it."""
        segmentor: ConfigNode = segmentor_config(self.cfg)
        return segmentor

    def dataset(self, role: str) -> ConfigNode | None:
        """Return the settings of a role's data set; None if the configuration has none."""
        if self.is_super_resolution:
            loaders = {"labelled": "train_dataloader", "val": "val_dataloader", "test": "test_dataloader"}
            return self.cfg[loaders[role]]["dataset"] if role in loaders else None
        if role in TRAINING:
            training: ConfigNode | None = self.cfg["train_dataloader"]["dataset"][role]
            return training
        # Where the target has no labels, mmengine validates on tiles of the source.
        if role == "val" and self.cfg["val_cfg"]["region"] != "target":
            return None
        if role == "source_val" and not reads_source(self.cfg) and not reads_source_val(self.cfg):
            return None
        loader = self.cfg[ROLES[role].partition(".")[0]]
        return loader and loader["dataset"]  # type: ignore[no-any-return]

    def datasets(self) -> Iterator[tuple[str, ConfigNode]]:
        """Yield each role whose data set the configuration reads, with the settings of the data set."""
        for role in ROLES:
            if (dataset := self.dataset(role)) is not None:
                yield role, dataset

    def region_folders(self, region: str, kind: str) -> dict[str, Path]:
        """Return split -> folder of a region ("source" or "target"); `kind` is "img_dir" or "ann_dir"."""
        facts = self.cfg["bench"][region]
        return {split: self.root / facts[split][kind] for split in ("train", "val", "test") if facts.get(split)}

    def shown(self, folder: str | Path | None) -> str:
        """Return a folder of tiles relative to the data root, if it lies below it."""
        if folder is None:
            return "none"
        path = Path(folder)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
