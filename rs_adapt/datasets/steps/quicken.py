"""Which steps of a pipeline are replaced by equal ones that do less work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmcv.transforms import BaseTransform, LoadImageFromFile, RandomResize
from mmseg.datasets.transforms import (
    LoadAnnotations,
    PackSegInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    Resize,
)

from rs_adapt.datasets.steps.equal_steps import (
    CropByLabels,
    DistortInBytes,
    FlipAtOnce,
    LoadInOrder,
    LoadLabels,
    PackAtOnce,
)
from rs_adapt.datasets.steps.read_crop import ReadCrop

_EQUAL: dict[type[Any], type[BaseTransform]] = {
    LoadImageFromFile: LoadInOrder,
    LoadAnnotations: LoadLabels,
    RandomCrop: CropByLabels,
    RandomFlip: FlipAtOnce,
    PhotoMetricDistortion: DistortInBytes,
    PackSegInputs: PackAtOnce,
}
# Settings with which the steps from file to crop can be one.
_LOAD = {"to_float32": False, "color_type": "color", "imdecode_backend": "pillow", "ignore_empty": False}
_RESIZE = {"keep_ratio": True, "backend": "cv2", "interpolation": "bilinear"}

_Step = Callable[[Any], Any]


def quicken(steps: Sequence[_Step], *, num_tiles: int) -> list[_Step]:
    """Return steps that give the same samples from the same draws, bit for bit, in less time.

    Only steps of mmcv and mmsegmentation themselves are replaced, not classes derived from them. Where the first steps
    load, resize and crop, with steps on labels between them (`labels_only = True`), they become `ReadCrop`.

    Args:
        steps: The steps of a pipeline, from the first on.
        num_tiles: Number of tiles of the set; those of a small one are decoded once (`DecodedTiles`).
    """
    equal = [_equal(step) for step in steps]
    resize = next((place for place, step in enumerate(equal) if type(step) is RandomResize), None)
    if resize is None or resize + 1 == len(equal):
        return equal
    load, between, crop = equal[0], equal[1:resize], equal[resize + 1]
    if not isinstance(crop, CropByLabels):
        return equal
    fitting = (
        _has(load, LoadInOrder, _LOAD)
        and getattr(load, "file_client_args", None) is None
        and _has(equal[resize].resize, Resize, _RESIZE)  # type: ignore[attr-defined]
        and all(isinstance(step, LoadLabels) or getattr(step, "labels_only", False) for step in between)
    )
    if not fitting:
        return equal
    whole = ReadCrop(load=load, label_steps=between, resize=equal[resize], crop=crop, num_tiles=num_tiles)
    return [whole, *equal[resize + 2 :]]


def _equal(step: _Step) -> _Step:
    kind: Any = _EQUAL.get(type(step))
    if kind is None:
        return step
    # With the settings of the step, which its constructor has checked.
    equal: _Step = kind.__new__(kind)
    vars(equal).update(vars(step))
    return equal


def _has(step: _Step, kind: type[BaseTransform], settings: dict[str, object]) -> bool:
    return type(step) is kind and all(getattr(step, name) == value for name, value in settings.items())
