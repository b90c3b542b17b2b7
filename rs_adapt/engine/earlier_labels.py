"""What an earlier run has learnt of the target of a new one, which its setting leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def refuse_learnt_labels(name: str, *, setting: str, bench_name: str, bench: Any, cfg: ResolvedConfig) -> None:
    """Refuse an earlier run that has learnt the labels of the target of a new one in `da` or `dg`.

    It may be of the setting `ss`, of the other direction, or of another bench on the same data.

    Args:
        name: What the user named, such as `--from RUN`, for the message.
        setting: Setting of the earlier run.
        bench_name: Its bench.
        bench: Table `bench` of its configuration.
        cfg: The new run.

    Raises:
        ConfigError: It has.
    """
    learnt = bench.get("target" if setting == "ss" else "source")
    if cfg.cell.setting != "ss" and _same_region(learnt, bench, cfg.bench.get("target"), cfg.bench):
        raise ConfigError(
            f"{name}: that run ({bench_name}) has learnt the labels of {learnt.region}, which is the target "
            f"of the new one ({cfg.cell.bench}) and has none in the setting {cfg.cell.setting}. Name a run with the "
            f"labels of {cfg.bench.source.region}."
        )


def refuse_seen_images(name: str, *, setting: str, bench_name: str, bench: Any, cfg: ResolvedConfig) -> None:
    """Refuse an earlier run in `da` that has learnt from images of the target of a new one in `dg`.

    Args:
        name: See `refuse_learnt_labels`.
        setting: See `refuse_learnt_labels`.
        bench_name: See `refuse_learnt_labels`.
        bench: See `refuse_learnt_labels`.
        cfg: The new run.

    Raises:
        ConfigError: It has.
    """
    seen = bench.get("target")
    if (setting, cfg.cell.setting) == ("da", "dg") and _same_region(seen, bench, cfg.bench.get("target"), cfg.bench):
        raise ConfigError(
            f"{name}: that run ({bench_name}) has learnt from images of {seen.region}, the target of the new "
            f"one ({cfg.cell.bench}), which the setting dg leaves out. Name a run of the setting dg, or train in da."
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
