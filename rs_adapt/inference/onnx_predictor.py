"""An ONNX model of `rs-adapt export` that predicts tiles; torch holds arrays of pixels, and no model.

Shapes: N tiles, K classes, H/W pixels.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rs_adapt.config.execution import Tta
from rs_adapt.errors import CheckpointMismatch, RsAdaptError, RunFailed
from rs_adapt.inference.onnx_session import INPUT, OUTPUT, PACKAGE, first_line, open_onnx, run_onnx
from rs_adapt.inference.predictor import rescale
from rs_adapt.inference.views import predict_views

if TYPE_CHECKING:
    from rs_adapt.runs.records import OnnxFacts

_FLOAT = "tensor(float)"


class OnnxPredictor:
    """Runs an ONNX model on tiles; a `TilePredictor`.

    Args:
        session: From `open_onnx`.
        num_classes: Number of classes K.
        patch_px: Patch of the backbone.
        temperature: Number that logits are divided by.
    """

    def __init__(self, session: Any, *, num_classes: int, patch_px: int, temperature: float = 1.0) -> None:
        self.session = session
        self.num_classes = num_classes
        self.patch_px = patch_px
        self.temperature = temperature
        images = session.get_inputs()[0].shape[0]
        # A program that changes models may have fixed the number of tiles.
        self._batch_size = images if isinstance(images, int) else None

    @classmethod
    def load(cls, file: Path, facts: OnnxFacts, *, device: str = "auto") -> OnnxPredictor:
        """Load a model with the temperature of its pack.

        Args:
            file: The model.
            facts: From `read_onnx_facts`.
            device: "auto", "cpu", "cuda" or "cuda:N".

        Raises:
            CheckpointMismatch: The file cannot be loaded, or its graph is not that of its facts.
            DeviceUnavailable: There is no such GPU, or onnxruntime is not built for one.
        """
        try:
            session = open_onnx(file, device=device)
        except RsAdaptError:
            raise
        # onnxruntime's errors share no class.
        except Exception as error:
            raise CheckpointMismatch(
                f"onnxruntime cannot load {file}: {first_line(error)}. Copy it again, or export it again with rs-adapt "
                "export RUN --format onnx."
            ) from error
        _check_graph(session, file, facts)
        calibration = facts.manifest.calibration
        return cls(
            session,
            num_classes=len(facts.manifest.classes),
            patch_px=facts.patch_px,
            temperature=1.0 if calibration is None else calibration.temperature,
        )

    @property
    def numerics(self) -> tuple[str, ...]:
        """Precision, runtime, provider and temperature, on which `predict_tiles` depends beside the weights."""
        facts = ("fp32", f"{PACKAGE} {version(PACKAGE)}", str(self.session.get_providers()[0]))
        return facts if self.temperature == 1 else (*facts, f"temperature {self.temperature!r}")

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: Tta | None = None) -> NDArray[np.float32]:
        """Return the class probabilities of tiles, float32 (N, K, H, W).

        Args:
            tiles_NHW3: RGB, uint8, of sides that the model takes.
            tta: Views whose probabilities are averaged, see `predict_views`; None for the tiles alone.

        Raises:
            RunFailed: In onnxruntime, for example for lack of memory.
        """
        inputs_N3HW = torch.from_numpy(np.divide(tiles_NHW3.transpose(0, 3, 1, 2), 255, dtype=np.float32))
        values_NKHW = predict_views(inputs_N3HW, self._probabilities, tta=tta, patch_px=self.patch_px)
        values: NDArray[np.float32] = values_NKHW.numpy()
        return values

    def _probabilities(self, inputs_N3HW: Tensor) -> Tensor:
        images_N3HW = np.ascontiguousarray(inputs_N3HW.numpy())
        try:
            values_NKHW = torch.from_numpy(self._run(images_N3HW))
        # onnxruntime's errors share no class.
        except Exception as error:
            number, _, height, width = images_N3HW.shape
            raise RunFailed(
                f"onnxruntime failed on {number} tiles of {height} x {width} px: {first_line(error)}. If memory is "
                "short, use a smaller --batch-size."
            ) from error
        return values_NKHW if self.temperature == 1 else rescale(values_NKHW, self.temperature)

    def _run(self, images_N3HW: NDArray[np.float32]) -> NDArray[np.float32]:
        size = self._batch_size
        if size is None or size == len(images_N3HW):
            return run_onnx(self.session, images_N3HW)
        parts = []
        for first in range(0, len(images_N3HW), size):
            part = images_N3HW[first : first + size]
            filled = np.concatenate([part, *[part[-1:]] * (size - len(part))])
            parts.append(run_onnx(self.session, filled)[: len(part)])
        return np.concatenate(parts)


def _check_graph(session: Any, file: Path, facts: OnnxFacts) -> None:
    """Refuse a graph whose inputs or outputs are not those of an export with these facts."""
    sides = (None, None) if facts.dynamic else (facts.tile_px, facts.tile_px)
    for kind, values, name, shape in (
        ("input", session.get_inputs(), INPUT, (None, 3, *sides)),
        ("output", session.get_outputs(), OUTPUT, (None, len(facts.manifest.classes), *sides)),
    ):
        given = [(value.name, value.type, *value.shape) for value in values]
        fits = len(given) == 1 and given[0][:2] == (name, _FLOAT) and _is_shape(given[0][2:], shape)
        if not fits:
            raise CheckpointMismatch(
                f"{file}: its {kind} is {' and '.join(map(_words, given)) or 'missing'}, and by its metadata it is "
                f"{_words((name, _FLOAT, *shape))}. Export it again with rs-adapt export RUN --format onnx."
            )


def _is_shape(given: tuple[object, ...], shape: tuple[int | None, ...]) -> bool:
    """Return whether the sides of a graph's value are those of a shape; texts stand for any number."""
    return len(given) == len(shape) and all(
        expected is None or not isinstance(side, int) or side == expected
        for side, expected in zip(given, shape, strict=True)
    )


def _words(value: tuple[object, ...]) -> str:
    name, kind, *sides = value
    return f"{name} ({kind}, {' x '.join('any' if not isinstance(side, int) else str(side) for side in sides)})"
