"""A cost comparison as a picture: trainable parameters in the backbone against the time of a training iteration."""

from __future__ import annotations

from rs_adapt.render.document import hyphenate
from rs_adapt.render.html import render_svg_file
from rs_adapt.render.pareto import ParetoPoint, pareto_plot
from rs_adapt.render.svg import Frame
from rs_adapt.runs.records import CostRecord

_FRAME = Frame(width=760, height=440)


def cost_svg(record: CostRecord, title: str) -> str:
    """Return an SVG file with a point for each method and its middle half of the rounds as an error bar.

    Methods that no other method beats in both are filled and joined; the frozen backbone is a square.

    Args:
        record: Content of `cost.json`; the first method is the reference.
        title: Title of the comparison.
    """
    points = [
        ParetoPoint(
            name=hyphenate(row.method),
            x=row.parameters.backbone,
            y=row.train_ms.median,
            y_range=(row.train_ms.q1, row.train_ms.q3),
            on_front=row.non_dominated,
            is_reference=position == 0,
        )
        for position, row in enumerate(record.methods)
    ]
    plot = pareto_plot(
        points,
        x_label="trainable parameters in the backbone (filled: no other method has fewer and is faster)",
        y_label=f"ms / training iteration · {title}",
        alt=title,
        frame=_FRAME,
    )
    return render_svg_file(plot)
