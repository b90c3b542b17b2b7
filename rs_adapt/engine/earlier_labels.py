"""What earlier runs have learnt of the target of a new one, which its setting leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmengine import ConfigDict

from rs_adapt.config import axes
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import ConfigError, RsAdaptError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import CellNames, Manifest, RunStart


def earlier_cells(record: Manifest | RunStart) -> tuple[CellNames, ...]:
    """Return the runs that a run has started from or been taught by, and theirs in turn."""
    origins = [origin for origin in (record.initialised_from, record.teacher) if origin is not None]
    return tuple(cell for origin in origins for cell in (origin.cell, *origin.earlier))


def refuse_seen_by(cells: Iterable[CellNames], name: str, *, cfg: ResolvedConfig) -> None:
    """Do what `refuse_seen_target` does for runs of which the names alone are known.

    A bench of your own is known as long as its file is there.

    Args:
        cells: The runs.
        name: What the user named.
        cfg: The new run.

    Raises:
        ConfigError: One of them has learnt what the setting of the new run leaves out.
    """
    for cell in cells:
        try:
            bench = ConfigDict(copy_tree(axes.bench_facts(cell.bench)))
        except RsAdaptError:
            if cell.setting == "ss" != cfg.cell.setting and cell.bench == cfg.cell.bench:
                raise ConfigError(
                    f"{name}: that run has learnt the labels of the target of {cell.bench}, which has none in the "
                    f"setting {cfg.cell.setting}. Name a run of the setting da or dg."
                ) from None
            continue
        refuse_seen_target(name, setting=cell.setting, bench_name=cell.bench, bench=bench, cfg=cfg)


def refuse_seen_target(name: str, *, setting: str, bench_name: str, bench: Any, cfg: ResolvedConfig) -> None:
    """Refuse an earlier run that has learnt from the target of a new one what the new one's setting leaves out.

    In `da` and `dg` these are the labels, of a run in `ss`, of the other direction, or of another bench on the same
    data; in `dg` also the images, of a run in `da`.

    Args:
        name: What the user named, such as `--from RUN`, for the message.
        setting: Setting of the earlier run.
        bench_name: Its bench.
        bench: Table `bench` of its configuration.
        cfg: The new run.

    Raises:
        ConfigError: It has.
    """
    target, new = cfg.bench.get("target"), cfg.cell
    learnt = bench.get("target" if setting == "ss" else "source")
    if new.setting != "ss" and _same_region(learnt, bench, target, cfg.bench):
        raise ConfigError(
            f"{name}: that run ({bench_name}) has learnt the labels of {learnt.region}, which is the target "
            f"of the new one ({new.bench}) and has none in the setting {new.setting}. Name a run with the "
            f"labels of {cfg.bench.source.region}."
        )
    seen = bench.get("target")
    if (setting, new.setting) == ("da", "dg") and _same_region(seen, bench, target, cfg.bench):
        raise ConfigError(
            f"{name}: that run ({bench_name}) has learnt from images of {seen.region}, the target of the new "
            f"one ({new.bench}), which the setting dg leaves out. Name a run of the setting dg, or train in da."
        )


def _same_region(one: Any, of_one: Any, other: Any, of_other: Any) -> bool:
    """Return whether two regions of two benches hold the same tiles: by name, or by their folders below a data root."""
    if not one or not other:
        # Tasks without regions.
        return False
    if of_one.data == of_other.data and one.region == other.region:
        return True
    # Folders of a bench that is prepared lie in a folder of its own.
    if of_one.get("prepare") or of_other.get("prepare"):
        return False
    folders = [{part["img_dir"] for part in region.values() if isinstance(part, dict)} for region in (one, other)]
    return bool(folders[0] & folders[1])
