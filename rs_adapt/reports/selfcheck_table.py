"""The table of `rs-adapt verify RUN`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from rs_adapt.render.terminal import styled

if TYPE_CHECKING:
    from rs_adapt.audit.selfcheck.outcome import SelfCheck

_STYLES = {"checked": "green", "contradicts": "red", "cannot be checked": "yellow"}


def selfcheck_table(check: SelfCheck) -> Table:
    """Return one row for each check: name, outcome, and what was compared or found."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("check", "outcome"):
        table.add_column(name, no_wrap=True)
    table.add_column("", overflow="fold")
    for row in check.checks:
        table.add_row(row.name, styled(row.outcome.value, _STYLES[row.outcome.value]), row.detail)
    return table
