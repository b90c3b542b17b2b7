"""The description of a file of base weights, and its conversion to safetensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from rs_adapt.backbones.clip import NAMES as CLIP
from rs_adapt.backbones.conversion import DamagedWeights, Names, VitSize, measure
from rs_adapt.backbones.convnext import NAMES as CONVNEXT
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.backbones.dinov3 import NAMES as DINOV3
from rs_adapt.backbones.dofa import NAMES as DOFA
from rs_adapt.backbones.mit import NAMES as MIT
from rs_adapt.backbones.mobilevit import NAMES as MOBILEVIT
from rs_adapt.backbones.plain_names import NAMES as PLAIN
from rs_adapt.backbones.prithvi import NAMES as PRITHVI
from rs_adapt.backbones.resizing import resize
from rs_adapt.backbones.sam import NAMES as SAM
from rs_adapt.backbones.weights import file_sha256, load_with_layout, tensors_sha256
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.files import atomic_file, check_output_file

# DINOv2 first: its error is raised for a file that fits no family. Files of Scale-MAE are those of a plain ViT.
FAMILIES = (DINOV2, DINOV3, CLIP, SAM, PLAIN, PRITHVI, DOFA, MIT, CONVNEXT, MOBILEVIT)


@dataclass(frozen=True, kw_only=True)
class Description:
    """The model that a file of base weights contains.

    Attributes:
        family: The family, such as "DINOv2".
        layout: The layout of its tensor names, "original" or "transformers".
        size: Width, depth and patch size; None for a pyramid, whose stages differ.
        model: Name of the size, such as "ViT-L".
        lacks: What the file lacks of a published model of its width, such as "1 of the 24 blocks of ViT-L"; empty if
            nothing.
        grid: Side of the grid of learned positions; None where there are none.
        base_sha256: SHA-256 of the tensors, by which packs identify their base.
    """

    family: str
    layout: str
    size: VitSize | None
    model: str
    lacks: str
    grid: int | None
    base_sha256: str


def describe(path: Path) -> Description:
    """Read a file of base weights and describe it.

    Raises:
        WeightsError: It cannot be read as a model of any family.
    """
    names, layout, state = _read_any_family(path)
    size = None if names.in_stages else measure(state, names)
    return Description(
        family=names.family,
        layout=layout,
        size=size,
        model="pyramid" if size is None else size.model(names),
        lacks="" if size is None else _lacks(size, names),
        grid=_grid(path, state, names),
        base_sha256=tensors_sha256(state),
    )


def _read_any_family(path: Path) -> tuple[Names, str, dict[str, Tensor]]:
    """Read a file as the first family whose names it has.

    Raises:
        WeightsError: There is none; the error is that of a family whose file it is, damaged, else of the first family.
    """
    errors: list[WeightsError] = []
    for names in FAMILIES:
        try:
            return names, *load_with_layout(path, names)
        except WeightsError as error:
            errors.append(error)
    raise next((error for error in errors if isinstance(error, DamagedWeights)), errors[0])


def _lacks(size: VitSize, names: Names) -> str:
    for (width, depth), (model, _) in names.sizes.items():
        if width == size.embed_dim and size.depth < depth and (width, size.depth) not in names.sizes:
            return f"{depth - size.depth} of the {depth} blocks of {model}"
    return ""


def _grid(path: Path, state: dict[str, Tensor], names: Names) -> int | None:
    if names.positions is None:
        return None
    shape = state[names.positions].shape
    if names.positions_ndim == 4:
        return shape[1]
    side = math.isqrt(shape[-2] - 1)
    if side * side != shape[-2] - 1:
        raise WeightsError(
            f"{path}: {shape[-2] - 1} position embeddings do not form a square grid. Get the file of a different model."
        )
    return side


def convert(
    path: Path, out: Path, *, patch_px: int | None = None, image_px: int | None = None, overwrite: bool = False
) -> Description:
    """Write the weights of a file as safetensors under the names of transformers' modules, resized on request.

    Without a size, the values are the same and so is the hash by which adapter packs identify their base. The final
    norm and the mask token, which a frozen backbone does not use, are left out.

    Args:
        path: File or folder that `load_state` reads.
        out: File to write; it appears complete or not at all.
        patch_px: Side of a patch to resize the kernel to, pixels.
        image_px: Image size whose token grid the positions are resized to, pixels.
        overwrite: Replace `out`.

    Returns:
        The description of the written file.

    Raises:
        ConfigError: The file is of a pyramid, which is used as it is, or the image size is not a multiple of the patch
            size.
        OutputExists: `out` exists, and `overwrite` is False.
        WeightsError: The file cannot be read or lacks blocks of a published model of its width, or `out` cannot be
            written.
    """
    from safetensors.torch import save_file

    check_output_file(out, overwrite=overwrite)
    names, _, state = _read_any_family(path)
    if names.in_stages:
        raise ConfigError(
            f"{path} holds weights of {names.family}, which has no patches and positions to resize: name the file "
            "itself with --weights."
        )
    size = measure(state, names)
    if lacks := _lacks(size, names):
        raise WeightsError(f"{path} lacks {lacks}: the file is incomplete. Get it again.")
    patch = patch_px or size.patch_px
    if image_px is not None and image_px % patch:
        near = [size for size in (image_px // patch * patch, (image_px // patch + 1) * patch) if size]
        raise ConfigError(
            f"--image-px is {image_px}, which is not a multiple of the patch of {patch} pixels. "
            f"Nearest valid: {' or '.join(map(str, near))}."
        )
    resized = resize(state, names, patch_px=patch_px, image_px=image_px)
    header = {"format": "pt", "source": path.name}
    if path.is_file():
        header["source_sha256"] = file_sha256(path)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in resized.items()}, temporary, metadata=header)
    except OSError as error:
        raise WeightsError(f"Cannot write {out}: {error.strerror}. Choose a different file with --out.") from error
    return describe(out)
