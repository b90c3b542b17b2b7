"""What is linted: a resolved configuration, where its keys come from, what was changed in it, and the run around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.audit.lint.changes import ChangedKey
from rs_adapt.audit.lint.tile_scan import TileScan
from rs_adapt.config.facts import Node
from rs_adapt.config.segmentor import segmentor_config

# Where the data sets of a configuration stand, by role; `source_val` is reported beside the score.
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
    """A run folder; what it does not hold is None.

    Attributes:
        folder: The run.
        record: `cell.json`.
        result: `result.json`.
        manifest: `manifest.json`.
        edited: Keys in which `config.py` is not what the run's cell and options give.
        incomparable: Why that could not be found out; empty where it could.
        logged: The configuration that `train.log` holds; None without one.
    """

    folder: Path
    record: Node
    result: Node | None
    manifest: Node | None
    edited: tuple[ChangedKey, ...]
    incomparable: str
    logged: Node | None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the rules look at.

    Attributes:
        title: For people.
        cfg: The resolved configuration as plain values.
        changed: Keys that options or `--set` changed against the axis files.
        origin: File and line of a dotted key.
        run: The run around it.
        scan: The tiles on disk; None where they were not scanned.
        why_not_scanned: The reason, where they were not scanned.
    """

    title: str
    cfg: Node
    changed: tuple[ChangedKey, ...]
    origin: Callable[[str], tuple[str, int | None]]
    run: RunFiles | None = None
    scan: TileScan | None = None
    why_not_scanned: str = ""

    @property
    def setting(self) -> str:
        """`da`, `dg` or `ss`."""
        return str(self.cfg["cell"]["setting"])

    @property
    def root(self) -> Path:
        """Folder below which the bench's folders lie."""
        return Path(self.cfg["prepared_dir"] or self.cfg["data_root"])

    @property
    def segmentor(self) -> Node:
        """`model`, without the strategy around it."""
        segmentor: Node = segmentor_config(self.cfg)
        return segmentor

    def dataset(self, role: str) -> Node | None:
        """Return the data set of a role, None where the configuration has none."""
        if role in TRAINING:
            found: Node | None = self.cfg["train_dataloader"]["dataset"][role]
            return found
        # Where the target has no labels, mmengine validates on tiles of the source.
        if role == "val" and self.cfg["val_cfg"]["region"] != "target":
            return None
        loader = self.cfg[ROLES[role].partition(".")[0]]
        return loader and loader["dataset"]  # type: ignore[no-any-return]

    def datasets(self) -> Iterator[tuple[str, Node]]:
        """Yield role and data set of all that the configuration reads."""
        for role in ROLES:
            if (found := self.dataset(role)) is not None:
                yield role, found

    def region_folders(self, region: str, kind: str) -> dict[str, Path]:
        """Return split -> folder of a region ("source" or "target"); `kind` is "img_dir" or "ann_dir"."""
        facts = self.cfg["bench"][region]
        return {split: self.root / facts[split][kind] for split in ("train", "val", "test") if facts.get(split)}

    def shown(self, folder: str | Path | None) -> str:
        """Return a folder of tiles as the bench spells it, where it lies below the data root."""
        if folder is None:
            return "none"
        path = Path(folder)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
