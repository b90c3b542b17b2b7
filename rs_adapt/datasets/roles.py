"""The sets of tiles that a run reads, by role. Loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def data_roles(cfg: ResolvedConfig) -> dict[str, Any]:
    """Return the settings of each set that a run reads.

    Args:
        cfg: The resolved configuration.

    Returns:
        By role: `labelled`, `unlabelled`, `val`, `source_val`, `label_free`, `test`; roles that the cell lacks are
        left out.
    """
    stream = cfg.train_dataloader.dataset
    roles = {
        "labelled": stream.labelled,
        "unlabelled": stream.unlabelled,
        "val": cfg.val_dataloader.dataset if cfg.val_cfg.region == "target" else None,
        "source_val": cfg.monitor.source_val and cfg.monitor.source_val.dataset,
        "label_free": cfg.monitor.label_free.dataset,
        "test": cfg.test_dataloader and cfg.test_dataloader.dataset,
    }
    return {role: settings for role, settings in roles.items() if settings is not None}
