"""The sets of tiles that a run reads, by role. Loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode
    from rs_adapt.config.resolved import ResolvedConfig


def data_roles(cfg: ResolvedConfig | ConfigNode) -> dict[str, Any]:
    """Return the settings of each set that a run reads.

    Args:
        cfg: The resolved configuration, or its plain content.

    Returns:
        By role: `labelled`, `unlabelled`, `val`, `source_val`, `label_free`, `test`; roles that the cell lacks are
        left out.
    """
    stream, monitor = cfg["train_dataloader"]["dataset"], cfg["monitor"]
    has_target_val = cfg["val_cfg"]["region"] == "target"
    roles = {
        "labelled": stream["labelled"],
        "unlabelled": stream["unlabelled"],
        "val": cfg["val_dataloader"]["dataset"] if has_target_val else None,
        "source_val": monitor["source_val"]["dataset"] if reads_source_val(cfg) else None,
        "label_free": monitor["label_free"]["dataset"] if monitor.get("label_free") else None,
        "test": cfg["test_dataloader"] and cfg["test_dataloader"]["dataset"],
    }
    return {role: settings for role, settings in roles.items() if settings is not None}


def reads_source(cfg: ResolvedConfig | ConfigNode) -> bool:
    """Return whether a run needs tiles of the source; a source-free one does not."""
    return cfg["train_dataloader"]["dataset"]["labelled"] is not None


def roles_to_prepare(cfg: ResolvedConfig | ConfigNode) -> tuple[str, ...]:
    """Return the regions whose tiles a run needs, as `rs_adapt.datasets.prepare.ensure_prepared` takes them."""
    return ("source", "target") if reads_source(cfg) else ("target",)


def reads_source_val(cfg: ResolvedConfig | ConfigNode) -> bool:
    """Return whether a run looks at the source's validation tiles; a source-free one only where they are there."""
    monitor = cfg["monitor"].get("source_val")
    if monitor is None or reads_source(cfg):
        return monitor is not None
    folders = (monitor["dataset"]["img_dir"], monitor["dataset"]["ann_dir"])
    return all(Path(folder).is_dir() for folder in folders)
