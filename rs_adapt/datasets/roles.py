"""The sets of tiles that a run reads, by role. Loads no torch."""

from __future__ import annotations

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
        "source_val": monitor["source_val"] and monitor["source_val"]["dataset"],
        "label_free": monitor["label_free"]["dataset"],
        "test": cfg["test_dataloader"] and cfg["test_dataloader"]["dataset"],
    }
    return {role: settings for role, settings in roles.items() if settings is not None}
