"""Bounds on the sizes in a configuration, checked before anything is built, cut or started: see `rs_adapt.limits`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_adapt import limits
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODEL = ("model", "head")
# Lists of two sides in px.
_SIDES = ("crop_size", "stride", "size", "scale")


def check_sizes(tree: Mapping[str, Any]) -> None:
    """Refuse sizes that no machine can hold.

    Args:
        tree: The merged axis files, or a resolved configuration.

    Raises:
        ConfigError: Names the key, its value, and the largest one that is allowed.
    """
    for path, value in _numbers(tree, ()):
        limit = _limit(path)
        if limit is not None and abs(value) > limit:
            key = ".".join(path)
            raise ConfigError(f"{key} is {value}; it must be {limit} or smaller.")
    prepare = tree.get("bench", {}).get("prepare") or {}
    if prepare.get("kind") == "synthetic":
        _check_synthetic(prepare, tree["bench"]["tile_px"])


def _numbers(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int | float]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _numbers(value, (*path, str(name)))
    elif isinstance(node, list | tuple):
        for value in node:
            # The entries of a list have the meaning of the list.
            yield from _numbers(value, path)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node


def _limit(path: tuple[str, ...]) -> int | None:
    last = path[-1]
    if last == "batch_size" or path[-2:-1] == ("batch_size",):
        return limits.BATCH
    if last == "num_workers":
        return limits.WORKERS
    if last.endswith("_px") or last in _SIDES:
        return limits.SIDE_PX
    if last in limits.MODEL_SIZES and path[0] in (*_MODEL, "backbone"):
        return limits.MODEL_SIZES[last]
    # `total_iters` is a length of training, not a size.
    return limits.MODEL_NUMBER if path[0] in _MODEL and not last.endswith("_iters") else None


def _check_synthetic(prepare: Mapping[str, Any], tile_px: int) -> None:
    scenes, size_px, stride_px = sum(prepare["scenes"].values()), prepare["size_px"], prepare["stride_px"]
    if 2 * scenes * size_px**2 > limits.SYNTHETIC_PX:
        raise ConfigError(
            f"bench.prepare asks for {scenes} scenes a region of {size_px} x {size_px} px, {limits.SYNTHETIC_PX} px in "
            "all are allowed. Lower bench.prepare.scenes.train (val, test) or bench.prepare.size_px."
        )
    if stride_px < 1 or 2 * scenes * (max(size_px - tile_px, 0) // stride_px + 2) ** 2 > limits.SYNTHETIC_TILES:
        raise ConfigError(
            f"bench.prepare.stride_px is {stride_px}, which gives no tiles or too many of them "
            f"({limits.SYNTHETIC_TILES} are allowed). Give a step of about bench.tile_px ({tile_px})."
        )
