"""Figures of matplotlib with texts that anybody may have written: shown as they are, never as formulas."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rs_adapt.files import write_bytes
from rs_adapt.render.plain_text import printable

# Names of classes and runs may hold `$` and `_`: as formulas they would be refused, or take LaTeX to be drawn.
_PLAIN: Any = {"text.parse_math": False, "text.usetex": False}


def figure_png(figure: Any) -> bytes:
    """Return a figure as PNG; all of its texts are drawn as they are, without characters that control a terminal."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    buffer = io.BytesIO()
    # For texts that are made while it is drawn, such as those of ticks.
    with rc_context(_PLAIN):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
            text.set_usetex(False)
            if (plain := printable(text.get_text())) != text.get_text():
                text.set_text(plain)
        _draw_png(figure, buffer)
    return buffer.getvalue()


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as PNG, complete or not at all; see `figure_png`."""
    write_bytes(path, figure_png(figure))


def _draw_png(figure: Any, buffer: io.BytesIO) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    # `savefig` would lay the figure out and draw it twice, to the same pixels.
    canvas.print_png(buffer)
