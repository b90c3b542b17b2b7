"""Pictures of features: principal components as colours, and scalar maps on a colour scale.

Shapes: D embed, h/w token grid, P = h * w patches.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from rs_adapt.render.figures import figure_png

# A token grid is enlarged to about this many pixels without smoothing, so that each square is a patch.
_PICTURE_PX = 320
# Percentiles of the scores at the ends of the scale: a few extreme tokens would otherwise grey out all others.
_ENDS_PCT = (1, 99)


def pca_colours(
    streams: Sequence[np.ndarray[Any, Any]], grid_hw: tuple[int, int]
) -> tuple[list[np.ndarray[Any, Any]], float]:
    """Colour tokens by the first three principal components of all streams together.

    Args:
        streams: Tokens (P, D) of one image, one array per stream. Colours are comparable between streams.
        grid_hw: Rows and columns of the token grid.

    Returns:
        One picture (h, w, 3) uint8 per stream, with the first component in red, and the share of the variance that
        the three components explain, 0 to 1.
    """
    tokens = np.concatenate(streams).astype(np.float64)
    centred = tokens - tokens.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, : -1 - min(3, len(variances)) : -1]
    # The sign of an eigenvector is arbitrary: the largest entry is made positive, so that colours do not depend on
    # the solver.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    scores = centred @ axes
    low, high = np.percentile(scores, _ENDS_PCT, axis=0)
    spread = high - low
    scaled = np.where(spread > 0, (scores - low) / np.where(spread > 0, spread, 1), 0.5)
    colours = (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    total = variances.sum()
    share = float(variances[-3:].sum() / total) if total > 0 else 1.0
    return [part.reshape(*grid_hw, 3) for part in np.split(colours, len(streams))], share


def heat_colours(map_hw: np.ndarray[Any, Any], low: float, high: float) -> np.ndarray[Any, Any]:
    """Return the colours (h, w, 3) uint8 of a map (h, w) from `low` (dark blue) to `high` (yellow).

    A constant map gets the middle colour.
    """
    from matplotlib import colormaps

    scaled = (map_hw - low) / (high - low) if high > low else np.full(map_hw.shape, 0.5)
    return np.asarray((colormaps["viridis"](scaled)[..., :3] * 255).round().astype(np.uint8))


def enlarge_to_png(pixels: np.ndarray[Any, Any]) -> bytes:
    """Return a picture (h, w, 3) uint8 as PNG, enlarged without smoothing to about 320 pixels on its longer side."""
    height, width = pixels.shape[:2]
    factor = max(1, round(_PICTURE_PX / max(height, width)))
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width * factor, height * factor), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def update_norm_png(series: Mapping[str, Sequence[float]]) -> bytes:
    """Return a PNG of bars over the blocks, those of each further series thinner and in front.

    Args:
        series: Name -> relative change of the tokens by block.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.6, 2.9), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    for position, (name, values) in enumerate(series.items()):
        axes.bar(range(len(values)), values, width=0.8 / 2**position, color=f"C{position}", label=name)
    axes.set_xlabel("block")
    axes.set_ylabel("relative change of the tokens")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=7, frameon=False)
    return figure_png(figure)
