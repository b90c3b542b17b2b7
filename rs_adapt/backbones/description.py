"""What a file of base weights is, and the same weights as a safetensors file."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.backbones.conversion import POSITIONS, VitSize, measure, resize
from rs_adapt.backbones.weights import file_sha256, load_with_layout, tensors_sha256
from rs_adapt.errors import ConfigError, WeightsError


@dataclass(frozen=True, kw_only=True)
class Description:
    """Whose names the tensors have, the ViT's size, the side of its position grid, and the hash that packs name."""

    layout: str
    size: VitSize
    grid: int
    base_sha256: str


def describe(path: Path) -> Description:
    """Read a file of base weights and say what it is.

    Raises:
        WeightsError: it cannot be read as a ViT.
    """
    layout, state = load_with_layout(path)
    grid = math.isqrt(state[POSITIONS].shape[1] - 1)
    return Description(layout=layout, size=measure(state), grid=grid, base_sha256=tensors_sha256(state))


def convert(
    path: Path, out: Path, *, patch_px: int | None = None, image_px: int | None = None, overwrite: bool = False
) -> Description:
    """Write the weights of a file as safetensors under the names of transformers' modules, resized if asked.

    Without a size, the values are the same and so is the hash by which adapter packs know their base. The final norm
    and the mask token, which a frozen backbone does not use, are left out.

    Args:
        path: file or folder that `load_state` reads.
        out: file to write; it appears complete or not at all.
        patch_px: side of a patch to resize the kernel to, pixels.
        image_px: image size whose token grid the positions are resized to, pixels.
        overwrite: replace `out`.

    Returns:
        What was written.

    Raises:
        ConfigError: the image size is no multiple of the patch size.
        WeightsError: the file cannot be read, or `out` exists or cannot be written.
    """
    from safetensors.torch import save_file

    if out.exists() and not overwrite:
        raise WeightsError(f"{out} exists. Name another file with --out, or say --overwrite.")
    _, state = load_with_layout(path)
    patch = patch_px or measure(state).patch_px
    if image_px is not None and image_px % patch:
        near = [size for size in (image_px // patch * patch, (image_px // patch + 1) * patch) if size]
        raise ConfigError(
            f"--image-px is {image_px}, which is no multiple of the patch of {patch} pixels. "
            f"Nearest valid: {' or '.join(map(str, near))}."
        )
    resized = resize(state, patch_px=patch_px, image_px=image_px)
    header = {"format": "pt", "source": path.name}
    if path.is_file():
        header["source_sha256"] = file_sha256(path)
    temporary = out.with_name(f".{out.name}.{time.time_ns()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in resized.items()}, temporary, metadata=header)
        os.replace(temporary, out)
    except OSError as error:
        raise WeightsError(f"cannot write {out}: {error.strerror}. Name another file with --out.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return describe(out)
