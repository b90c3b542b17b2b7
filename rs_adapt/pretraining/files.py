"""The files of weights that pre-training makes: fp16 tensors with their recipe in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from rs_adapt.errors import WeightsError
from rs_adapt.files import atomic_file, check_output_file


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    model: str,
    recipe: Mapping[str, object],
    generator: int,
    overwrite: bool = False,
) -> None:
    """Write tensors as safetensors; the file appears complete or not at all.

    Args:
        path: The file.
        tensors: The tensors, as they are stored.
        model: Name of the backbone that loads them.
        recipe: All settings of the training, as JSON holds them.
        generator: Version of what drew the images.
        overwrite: Whether to replace a file.

    Raises:
        OutputExists: The file exists, and `overwrite` is False.
        WeightsError: The file cannot be written.
    """
    from safetensors.torch import save_file

    check_output_file(path, overwrite=overwrite)
    header = {
        "format": "pt",
        "model": model,
        "recipe": json.dumps(recipe),
        "generator": str(generator),
        "licence": "Apache-2.0",
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            save_file(dict(tensors), temporary, metadata=header)
    except OSError as error:
        raise WeightsError(f"Cannot write {path}: {error.strerror}. Choose a different file with --out.") from error
