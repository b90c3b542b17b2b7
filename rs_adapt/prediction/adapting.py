"""A model that adapts to a scene before it is mapped: tiles to learn from, and weights beside the unfinished map."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError
from rs_adapt.files import atomic_file, write_text
from rs_adapt.inference.drift import BATCH_TILES, AdaptationSettings, Drift
from rs_adapt.prediction.grid import MapGrid, Panel
from rs_adapt.prediction.reading import read_tile_row
from rs_adapt.prediction.stages import StageCounter
from rs_adapt.prediction.strips import ADAPTATION_FILE
from rs_adapt.progress import OnProgress

if TYPE_CHECKING:
    from rs_adapt.inference.ensemble import TilePredictor
    from rs_adapt.prediction.damage import OnUnreadable, Pixels

_WEIGHTS_FILE = "adapted.safetensors"
_ONE_PACK = "--adapt changes the weights of a run or pack. Name a single --checkpoint, and no ONNX model."
# Tiles in memory at most: 50 MB with tiles of 512 px.
_MOST_TILES = 64
# Tiles with less data teach little.
_LEAST_DATA = 0.25


class _Tiles(NamedTuple):
    image_NHW3: NDArray[np.uint8]
    valid_NHW: NDArray[np.bool_]


@contextmanager
def adapted_to(
    predictor: TilePredictor,
    scene: Pixels,
    grid: MapGrid,
    settings: AdaptationSettings | None,
    *,
    folder: Path,
    stage: str,
    on_unreadable: OnUnreadable | None,
    on_progress: OnProgress,
) -> Iterator[None]:
    """Let a model have weights that are adapted to a scene for the length of a block; it has its own again afterwards.

    They are stored in the folder of the map's strips before the first one is predicted, so that an interrupted map
    continues with the same weights, on whatever number of cores.

    Args:
        predictor: A single model that is no ONNX model.
        scene: The scene as it is mapped.
        grid: The tiles of its map.
        settings: How the model adapts; None for not at all.
        folder: The folder of the strips.
        stage: Name of the stage for `on_progress`.
        on_unreadable: As in `predict_panels`.
        on_progress: Called with the stage, and with the steps done and in all.

    Raises:
        ConfigError: The model is none that can adapt.
        DataError: The scene cannot be read.
    """
    if settings is None:
        yield
        return
    from safetensors.torch import save_file

    from rs_adapt.inference.adaptation import adapt_weights, with_weights
    from rs_adapt.inference.predictor import Predictor

    if not isinstance(predictor, Predictor):
        raise ConfigError(_ONE_PACK)
    drift = _read_drift(folder)
    weights = None if drift is None else _read_weights(folder)
    if drift is None or weights is None:
        tiles = _sample_tiles(scene, grid, settings, on_unreadable)
        if tiles is None:
            # Nothing of the scene has data, so no tile is predicted either.
            yield
            return
        report = StageCounter(stage, settings.steps, on_progress)
        weights, drift = adapt_weights(predictor, *tiles, settings, on_step=lambda step: report.add(1))
        with atomic_file(folder / _WEIGHTS_FILE) as temporary:
            save_file({name: value.cpu().contiguous() for name, value in weights.items()}, temporary)
        # Last: with it the weights are complete.
        write_text(folder / ADAPTATION_FILE, json.dumps(asdict(drift)) + "\n")
    if drift.is_harmful:
        yield
        return
    with with_weights(predictor, weights):
        yield


def adaptation_facts(folder: Path, settings: AdaptationSettings | None) -> dict[str, str]:
    """Return what a map's tags say about the adaptation that it was made with; nothing for a map without.

    Args:
        folder: The folder of the map's strips.
        settings: How the model adapts.
    """
    drift = _read_drift(folder)
    if settings is None or drift is None:
        return {}
    steps = f"{settings.steps} steps, learning rate {settings.lr:g}, seed {settings.seed}"
    return {"adaptation": f"taken back, the weights drifted ({steps})" if drift.is_harmful else steps}


def adaptation_remarks(folder: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on the adaptation that a map was made with; none for a map without.

    Args:
        folder: The folder of the map's strips.
        classes: K names.
    """
    drift = _read_drift(folder)
    if drift is None:
        return ()
    facts = (
        f"on tiles of the scene {100 * drift.agreement:.0f} % of the pixels have the same class with the given and the "
        f"adapted weights, {100 * drift.share_shift:.0f} % of the area moved between classes, and the mean "
        f"probability went from {drift.confidence_before:.2f} to {drift.confidence_after:.2f}"
    )
    if not drift.is_harmful:
        return (f"--adapt: the map is made with adapted weights; {facts}. Whether it is better no label says.",)
    why = "the steps diverged" if not drift.is_finite else facts
    gone = (
        f"; almost nothing is left of {', '.join(classes[number] for number in drift.starved)}" if drift.starved else ""
    )
    return (f"--adapt: the adapted weights drifted, so the map is made with the given ones: {why}{gone}.",)


def _read_drift(folder: Path) -> Drift | None:
    try:
        facts: dict[str, Any] = json.loads((folder / ADAPTATION_FILE).read_text(encoding="utf-8"))
        values = {field.name: facts[field.name] for field in fields(Drift)}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Drift(**{**values, "starved": tuple(values["starved"])})


def _read_weights(folder: Path) -> dict[str, Any] | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(folder / _WEIGHTS_FILE)
    except (OSError, SafetensorError):
        return None


def _sample_tiles(
    scene: Pixels, grid: MapGrid, settings: AdaptationSettings, on_unreadable: OnUnreadable | None
) -> _Tiles | None:
    """Return tiles of a map drawn at random, or None where none has data.

    Tiles with little data are taken only where there are no others.
    """
    wanted = min(_MOST_TILES, settings.steps * BATCH_TILES)
    panels = grid.panels()
    places = [(row, column) for row in range(grid.rows) for column in range(panels[0].first, panels[-1].last)]
    order = np.random.default_rng(settings.seed).permutation(len(places))
    full: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]] = []
    sparse: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]] = []
    for looked_at, number in enumerate(order):
        # Scenes may be empty for the most part.
        if len(full) == wanted or (looked_at >= 4 * wanted and (full or sparse)):
            break
        row, column = places[number]
        panel = Panel(index=0, x0=0, x1=grid.width_px, first=column, last=column + 1)
        tiles = read_tile_row(scene, grid, panel, row, on_unreadable)
        share = tiles.valid_HW.mean()
        if share:
            (full if share >= _LEAST_DATA else sparse).append((tiles.tile(0).copy(), tiles.valid_HW.copy()))
    chosen = full or sparse[:wanted]
    if not chosen:
        return None
    return _Tiles(np.stack([image for image, _ in chosen]), np.stack([valid for _, valid in chosen]))
