"""The maps of two models that `judge` compares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.api.prediction import predict

if TYPE_CHECKING:
    import os

    from rs_adapt.judging.scenes import SceneMaps
    from rs_adapt.prediction.inputs import NamedScene


def predict_pair(
    folders: tuple[Path, Path],
    named: Sequence[str | os.PathLike[str]],
    scenes: Sequence[NamedScene],
    target: Path,
    **options: Any,
) -> tuple[SceneMaps, ...]:
    """Write the maps of both models into folders of `target` and return their places.

    Args:
        folders: Of RUN and of AGAINST.
        named: The scenes as they were named.
        scenes: The same, found.
        target: Folder of the judgement.
        options: Arguments of `predict`, the same for both.
    """
    from rs_adapt.judging.scenes import SceneMaps
    from rs_adapt.judging.write import MAP_FOLDERS
    from rs_adapt.prediction.inputs import output_files

    of_run, of_against, of_difference = (output_files(scenes, target / name) for name in MAP_FOLDERS)
    for folder, maps in zip(folders, (of_run, of_against), strict=True):
        predict(
            folder,
            named,
            next(iter(maps.values())).parent,
            layers=("classes", "probabilities"),
            # The folder is the user's choice, which `check_folder` has checked.
            overwrite=True,
            **options,
        )
    return tuple(
        SceneMaps(scene=scene, run=of_run[scene], against=of_against[scene], difference=of_difference[scene])
        for scene in of_run
    )
