"""Wiring of pixel sizes: regions whose pixels show more or less ground are brought to the finer of the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.facts import BenchFacts, Domain

_NOTHING: Mapping[Domain, float] = {}


@dataclass(frozen=True, kw_only=True)
class PixelSizes:
    """Ground sizes of the pixels of a bench's two regions, metres.

    Attributes:
        source_m: Of the source.
        target_m: Of the target.
    """

    source_m: float
    target_m: float

    @property
    def finer_m(self) -> float:
        """The size of both after matching."""
        return min(self.source_m, self.target_m)

    def factor(self, domain: Domain) -> float:
        """Return by how much images of a region are enlarged, 1 or more."""
        return (self.source_m if domain == "source" else self.target_m) / self.finer_m


def enlargements(bench: Mapping[str, Any], strategy: Mapping[str, Any], *, setting: str) -> dict[Domain, float]:
    """Return by how much the images of each region are enlarged, 1 for not at all.

    With `strategy.match_gsd`, the region with the larger pixels is interpolated to the size of the other's, so that the
    same things have the same size in pixels and nothing is lost; with `bench.resolve`, a model of super-resolution
    enlarges it. In `dg` the source stays as it is, since training
    knows nothing of the target there; a coarser target is enlarged where it is predicted. In `ss` one region is both
    learnt and predicted.

    Args:
        bench: The bench, merged or resolved.
        strategy: The strategy, likewise.
        setting: The setting.
    """
    sizes = matched_sizes(bench, strategy, setting=setting)
    if sizes is None:
        return {"source": 1.0, "target": 1.0}
    return {"source": sizes.factor("source") if setting == "da" else 1.0, "target": sizes.factor("target")}


def pixel_sizes(bench: Mapping[str, Any]) -> PixelSizes | None:
    """Return the pixel sizes that a bench states for both regions; None where one is missing.

    Args:
        bench: The bench, merged or resolved.
    """
    source_m, target_m = (_size_m(bench, domain) for domain in ("source", "target"))
    return None if not source_m or not target_m else PixelSizes(source_m=source_m, target_m=target_m)


def matched_sizes(bench: Mapping[str, Any], strategy: Mapping[str, Any], *, setting: str) -> PixelSizes | None:
    """Return the pixel sizes of both regions where a run matches them and they differ, else None.

    Args:
        bench: The bench, merged or resolved.
        strategy: The strategy, likewise.
        setting: The setting.
    """
    if setting == "ss" or not (strategy.get("match_gsd") or bench.get("resolve")):
        return None
    sizes = pixel_sizes(bench)
    return None if sizes is None or sizes.source_m == sizes.target_m else sizes


def settle_resolve(bench: BenchFacts, *, setting: str) -> None:
    """Make the folder of the model in `bench.resolve` absolute.

    Args:
        bench: The bench; changed in place.
        setting: The setting.

    Raises:
        ConfigError: No image would be enlarged: there is one region, a size is not stated, both are the same, or the
            source is the coarser one and the target is not seen in training.
    """
    given: object = bench.get("resolve")
    if given is None:
        return
    if not isinstance(given, str) or not given:
        raise ConfigError(f"bench.resolve is {given!r}. Allowed: the folder of a run or pack of super-resolution.")
    start = f"bench.resolve is {given}, but"
    remedy = "Leave bench.resolve out."
    if setting == "ss":
        raise ConfigError(f"{start} in the setting ss one region is both learnt and predicted. {remedy}")
    sizes = pixel_sizes(bench)
    if sizes is None:
        stated = [domain for domain in ("source", "target") if _size_m(bench, domain)]
        raise ConfigError(
            f"{start} bench {bench['name']} does not state the ground size of the pixels of both regions (gsd_m; "
            f"stated: {', '.join(stated) or 'none'}). State it in its file, or with --set bench.source.gsd_m=METRES "
            "and bench.target.gsd_m=METRES where the file has these keys."
        )
    if sizes.source_m == sizes.target_m:
        raise ConfigError(f"{start} pixels of both regions are {sizes.source_m:g} m: nothing is enlarged. {remedy}")
    if setting != "da" and sizes.source_m > sizes.target_m:
        raise ConfigError(
            f"{start} in the setting {setting} training knows nothing of the target, whose pixels ({sizes.target_m:g} "
            f"m) are finer than the source's ({sizes.source_m:g} m): nothing is enlarged. {remedy}"
        )
    bench["resolve"] = str(Path(given).expanduser().resolve())


def shown_size_m(bench: Mapping[str, Any], strategy: Mapping[str, Any], *, setting: str) -> float | None:
    """Return the ground size of the pixels that a model is shown, metres, as far as the bench states it.

    The finer one of both regions where a run brings them to it, else that of the bench.

    Args:
        bench: The bench, merged or resolved.
        strategy: The strategy, likewise.
        setting: The setting.
    """
    if (matched := matched_sizes(bench, strategy, setting=setting)) is not None:
        return matched.finer_m
    stated_m: float | None = bench.get("gsd_m")
    return stated_m


def position_size_m(bench: Mapping[str, Any], strategy: Mapping[str, Any], *, setting: str) -> float | None:
    """Return the ground size of a pixel for a backbone that counts positions in it, metres; None where none is stated.

    That of the pixels that the model is shown, else that of the target alone, else of the source.

    Args:
        bench: The bench, merged or resolved.
        strategy: The strategy, likewise.
        setting: The setting.
    """
    return shown_size_m(bench, strategy, setting=setting) or _size_m(bench, "target") or _size_m(bench, "source")


def describe_positions(
    bench: Mapping[str, Any], strategy: Mapping[str, Any], model: Mapping[str, Any], *, setting: str
) -> tuple[str, ...]:
    """Return one sentence where a backbone counts positions in metres and the bench does not state a pixel's size.

    Args:
        bench: The bench of a resolved configuration.
        strategy: Its strategy.
        model: Its model.
        setting: Its setting.
    """
    gsd_m = model.get("segmentor", model)["backbone"].get("gsd_m")
    if gsd_m is None or position_size_m(bench, strategy, setting=setting) is not None:
        return ()
    return (
        f"The backbone counts positions in ground distance, and the bench does not state the size of a pixel (gsd_m): "
        f"{gsd_m:g} m is used. State it in the bench, or with --set model.backbone.gsd_m=SIZE.",
    )


def describe_match(
    bench: Mapping[str, Any],
    strategy: Mapping[str, Any],
    *,
    setting: str,
    measured_m: Mapping[Domain, float] = _NOTHING,
) -> tuple[str, ...]:
    """Return one sentence on what `strategy.match_gsd` or `bench.resolve` does to the images of a run, or none.

    Args:
        bench: The bench of a resolved configuration.
        strategy: Its strategy.
        setting: Its setting.
        measured_m: Sizes in metres that the tiles of your own regions have, where they are known.
    """
    resolve = bench.get("resolve")
    if not (strategy.get("match_gsd") or resolve) or setting == "ss":
        return ()
    sizes = pixel_sizes(bench)
    if sizes is None:
        if len(measured_m) == 2 and len(set(measured_m.values())) == 1:
            return ()
        found = ", ".join(f"gsd_m = {size_m:g} in [{domain}]" for domain, size_m in measured_m.items())
        remedy = f" Their tiles have {found}: write that into the bench's file." if found else ""
        return (
            "Pixel sizes are not matched (strategy.match_gsd): the bench does not state those of both regions (gsd_m), "
            f"so their images are taken as they are.{remedy}",
        )
    means = "strategy.match_gsd" if resolve is None else "bench.resolve"
    return tuple(
        f"Images of the {domain} are enlarged {factor:.2f} times, from pixels of "
        f"{max(sizes.source_m, sizes.target_m):g} m to the other region's {sizes.finer_m:g} m ({means})."
        for domain, factor in enlargements(bench, strategy, setting=setting).items()
        if factor != 1
    )


def _size_m(bench: Mapping[str, Any], domain: Domain) -> float | None:
    """Return the size that a region states, else that of the bench as a whole."""
    whole: float | None = bench.get("gsd_m")
    prepare = bench.get("prepare") or {}
    if prepare.get("kind") == "scenes":
        # In a bench of your own the regions are described there, and the whole is the target.
        own: float | None = prepare[domain].get("gsd_m")
        return whole if own is None and domain == "target" else own
    region: float | None = bench[domain].get("gsd_m")
    return whole if region is None else region
