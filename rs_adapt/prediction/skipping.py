"""Scenes that cannot be read and are left out of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rs_adapt.errors import DataError
from rs_adapt.prediction.predict import MapRecord


@contextmanager
def skip_scene(scene: Path, skipped: dict[Path, MapRecord], *, skip_errors: bool) -> Iterator[None]:
    """Record that a scene cannot be read, in place of raising the error.

    Args:
        scene: The scene that is read in the block.
        skipped: Gets a record without files, whose remark is the error's message.
        skip_errors: Whether scenes may be left out.

    Raises:
        DataError: The scene cannot be read, and `skip_errors` is False.
    """
    try:
        yield
    except DataError as error:
        if not skip_errors:
            raise
        skipped[scene] = MapRecord(
            scene=scene,
            files=(),
            width_px=0,
            height_px=0,
            num_tiles=0,
            seconds=0.0,
            model_s=0.0,
            remarks=(str(error),),
        )
