"""Files of Prithvi-EO-2.0, read for images of three bands: Szwarcman et al., arXiv 2412.02732.

Its patch embedding sees six bands of several dates, and its positions count dates. Here it sees red, green and blue of
one date. A band that is absent counts as its mean everywhere, which is zero after normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from rs_adapt.backbones.plain_names import NAMES as PLAIN
from rs_adapt.errors import WeightsError

_KERNEL, _POSITIONS = "patch_embed.proj.weight", "pos_embed"
_BANDS = ("blue", "green", "red", "NIR narrow", "SWIR 1", "SWIR 2")
_RGB = [_BANDS.index(band) for band in ("red", "green", "blue")]
# Of the codes, which were computed in fp32.
_TOLERANCE = 1e-4


def read_as_rgb(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's tensors with a patch embedding of RGB and the positions of the first date.

    Args:
        tensors: The encoder's tensors under the authors' names. Those under this package's names, which are a ViT of
            RGB already, are returned unchanged.

    Raises:
        WeightsError: The patch embedding is not one of six bands of a single date, or the positions form no square
            grids.
    """
    encoder = dict(tensors)
    if _KERNEL not in encoder:
        return encoder
    kernel = encoder[_KERNEL]
    if kernel.ndim != 5 or kernel.shape[1:3] != (len(_BANDS), 1):
        raise WeightsError(
            f"not a Prithvi-EO-2.0: the kernel of its patches is {tuple(kernel.shape)}, not (D, {len(_BANDS)}, 1, "
            f"patch, patch) with the bands {', '.join(_BANDS)}. For a ViT of three bands use mae_b or mae_l."
        )
    encoder[_KERNEL] = kernel[:, _RGB, 0].contiguous()
    if _POSITIONS in encoder:
        encoder[_POSITIONS] = _first_date(encoder[_POSITIONS])
    return encoder


def _first_date(positions: Tensor) -> Tensor:
    """Return CLS's position and those of the first date's square grid.

    The file does not state the number of dates. Its codes are fixed, a part for each axis, so two dates differ by the
    same vector at every place; the smallest grid for which that holds is the grid.
    """
    if positions.ndim == 3 and len(positions) == 1:
        codes_PD = positions[0, 1:]
        for side in range(2, math.isqrt(len(codes_PD)) + 1):
            if len(codes_PD) % side**2:
                continue
            codes_TPD = codes_PD.reshape(-1, side**2, codes_PD.shape[-1])
            shifts_TPD = codes_TPD[1:] - codes_TPD[:1]
            if bool(((shifts_TPD - shifts_TPD[:, :1]).abs() < _TOLERANCE).all()):
                return positions[:, : 1 + side**2].contiguous()
    raise WeightsError(
        f"{_POSITIONS} has shape {tuple(positions.shape)}, which is no CLS token and square grids of patches for each "
        "date. Get the file again."
    )


NAMES = replace(
    PLAIN,
    family="Prithvi-EO-2.0",
    prefixes=("encoder.",),
    prepare=read_as_rgb,
    sizes={(1024, 24): ("ViT-L", "prithvi_2_l")},
)
