"""How the settings of two runs differ beyond the names that they are called by. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.files import CELL_FILE
from rs_adapt.runs.identity import ORIGINS, describe_difference, differing_keys, identify
from rs_adapt.runs.run import Run

# Keys that may differ where two cells have different names on an axis.
_FOLLOW = {
    "bench": ("bench.", "optim."),
    "setting": ("strategy.", "protocol.teacher_view"),
    "method": ("method.", "adapter."),
    "backbone": ("backbone.", "adapter.", "weights"),
    "head": ("head.", "decode_head."),
    "strategy": ("strategy.", "protocol.teacher_view"),
    "protocol": ("protocol.",),
}
_MAX_KEYS = 6
# From the file of the matrices: in its folder, in `confusions/` of the run, or in `eval/<name>/` of it.
_LEVELS = 4


def run_of(place: Path) -> Run | None:
    """Return the run that matrices belong to; None for those of a pack without a run.

    Args:
        place: A run folder, a folder that `rs-adapt eval` wrote in it, or a file in one of these.
    """
    place = place.resolve()
    for folder in (place, *place.parents[:_LEVELS]):
        if (folder / CELL_FILE).is_file():
            try:
                return Run.read(folder)
            except RsAdaptError:
                return None
    return None


def differing_settings(a: Run, b: Run) -> list[str]:
    """Return the settings in which two runs differ, such as `learning rate (0.001, 0.01)`.

    What follows from different names of method, strategy and so on is left out, and so are the data.
    """
    before, after = identify(a), identify(b)
    if not before or not after or a.cell is None or b.cell is None:
        return []
    named = [axis for axis in _FOLLOW if getattr(a.cell, axis) != getattr(b.cell, axis)]
    allowed = ("data.", *(start for axis in named for start in _FOLLOW[axis]))
    keys = [key for key in differing_keys([before, after]) if not key.startswith(allowed)]
    if named:
        # What the wiring makes of different names is no setting.
        keys = [key for key in keys if key.startswith(ORIGINS)]
    texts = describe_difference(before, after, keys[:_MAX_KEYS])
    return [*texts, *([f"and {len(keys) - _MAX_KEYS} more"] if len(keys) > _MAX_KEYS else [])]
