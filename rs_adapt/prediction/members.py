"""Checkpoints that are averaged: one base, the same classes, the same way of seeing scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.prediction.appearance import Appearance

if TYPE_CHECKING:
    from rs_adapt.prediction.layers import Layer
    from rs_adapt.runs.records import Manifest

# The option that sets a field of the appearance for all checkpoints.
_OPTIONS = {"bands": "--bands", "ranges": "--stretch", "by_scene": "--stretch"}


def check_members(
    checkpoints: Sequence[Path], manifests: Sequence[Manifest], appearances: Sequence[Appearance]
) -> None:
    """Refuse checkpoints whose probabilities cannot be averaged, before any of them is loaded.

    Args:
        checkpoints: Folders of the packs, for messages.
        manifests: Their manifests.
        appearances: How each sees scenes, with the options of the call.

    Raises:
        ConfigError: There is none, or one is named twice.
        CheckpointMismatch: Classes, base weights, bands, stretch or nodata value differ.
    """
    if not checkpoints:
        raise ConfigError("There is no checkpoint. Name a run folder or a folder with a pack.")
    first, manifest, appearance = checkpoints[0], manifests[0], appearances[0]
    seen = {first.resolve()}
    for other, other_manifest, other_appearance in list(zip(checkpoints, manifests, appearances, strict=True))[1:]:
        if other.resolve() in seen:
            raise ConfigError(f"--checkpoint names {other} twice. Name each checkpoint once.")
        seen.add(other.resolve())
        pair = f"{first} and {other} cannot be averaged"
        if list(other_manifest.classes) != list(manifest.classes):
            raise CheckpointMismatch(
                f"{pair}: the classes of one are {', '.join(manifest.classes)}, and those of the other "
                f"{', '.join(other_manifest.classes)}. Give checkpoints of one bench."
            )
        if other_manifest.base.sha256 != manifest.base.sha256:
            raise CheckpointMismatch(
                f"{pair}: they stand on different base weights, {manifest.base.name} with SHA-256 "
                f"{manifest.base.sha256[:16]}... and {other_manifest.base.name} with "
                f"{other_manifest.base.sha256[:16]}... Give checkpoints on one base."
            )
        _require_same_appearance(pair, appearance, other_appearance)


def describe_calibration(manifests: Sequence[Manifest], layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return a sentence on what probabilities mean, where a layer shows them and a checkpoint is calibrated."""
    fitted = [manifest.calibration for manifest in manifests if manifest.calibration is not None]
    if not fitted or set(layers) == {"classes"}:
        return ()
    which = "" if len(fitted) == len(manifests) else f" of {len(fitted)} of the {len(manifests)} checkpoints"
    temperatures = ", ".join(f"{calibration.temperature:g}" for calibration in fitted)
    return (
        f"Probabilities{which} are calibrated on {fitted[0].split} (temperature {temperatures}): on a different region "
        "they are usually too high.",
    )


def _require_same_appearance(pair: str, one: Appearance, other: Appearance) -> None:
    others = asdict(other)
    for name, value in asdict(one).items():
        if name in ("region", "gsd_m", "resolver_folder") or others[name] == value:
            continue
        option = _OPTIONS.get(name)
        remedy = f"Give {option}, which then applies to all" if option else "Predict with each of them alone"
        raise CheckpointMismatch(
            f"{pair}: they see scenes differently, {name} is {_words(value)} and {_words(others[name])}. {remedy}."
        )


def _words(value: object) -> str:
    return "not set" if value is None else str(value)
