"""Places where the host waits for the GPU within a training step."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gpu_speed.waits import STATED

_ROOT = Path(__file__).resolve().parents[2]
_MESSAGE = "synchronizing CUDA operation"


def host_syncs(step: Callable[[], object], switch: Callable[[str], object]) -> Counter[str]:
    """Return how often the host waited within a call, by `file:line` of the innermost code outside torch.

    Where that is a library's, the innermost line of this project follows. A wait that torch's check does not know
    (events, some libraries) is not counted.

    Args:
        step: What is called once.
        switch: `torch.cuda.set_sync_debug_mode`.
    """
    places: Counter[str] = Counter()

    def note(message: Any, *args: Any, **kwargs: Any) -> None:
        if _MESSAGE in str(message):
            places[_place()] += 1

    # The context restores `showwarning`, too.
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        switch("warn")
        try:
            step()
        finally:
            switch("default")
    return places


def unstated(places: Mapping[str, int]) -> dict[str, int]:
    """Return the places of `host_syncs` in files that have no stated wait; a step is to have none of them."""
    files = tuple(f"{place.partition(':')[0]}:" for place in STATED)
    return {place: count for place, count in places.items() if not any(file in place for file in files)}


def _place() -> str:
    # The last two frames are this function and the one that notes the warning.
    frames = [frame for frame in traceback.extract_stack()[:-2] if not _is_machinery(frame.filename)]
    inner = _name(frames[-1])
    here = [name for frame in frames if (name := _name(frame)).startswith("rs_adapt/")]
    return inner if not here or here[-1] == inner else f"{inner} (from {here[-1]})"


def _is_machinery(file: str) -> bool:
    return "torch" in Path(file).parts or Path(file).name in ("warnings.py", "_py_warnings.py", "contextlib.py")


def _name(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename).resolve()
    name = path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else "/".join(path.parts[-3:])
    return f"{name}:{frame.lineno}"
