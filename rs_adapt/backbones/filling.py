"""Values for the tensors of a ViT: random but reproducible ones, or those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rs_adapt.backbones.weights import tensors_sha256
from rs_adapt.errors import WeightsError

_INIT_SEED = 0
_EMBEDDING_STD = 0.02


@torch.no_grad()
def fill_random(params: Mapping[str, nn.Parameter], embeddings: tuple[str, ...]) -> str:
    """Fill tensors with random values, the same in every process, without touching the global random state.

    Args:
        params: The tensors to fill, by name.
        embeddings: Ends of the names of tokens and positions, which start small.

    Returns:
        The SHA-256 of the tensors.
    """
    # Standard deviation 1 / sqrt(fan in) rather than DINOv2's 0.02 (made for training from scratch at width 1024): the
    # blocks of a narrow frozen ViT would have almost no effect. numpy draws the same bits on every processor, torch
    # does not.
    generator = np.random.default_rng(_INIT_SEED)
    for name, param in params.items():
        if name.endswith(embeddings):
            std = _EMBEDDING_STD
        elif param.ndim >= 2:
            std = param[0].numel() ** -0.5
        else:
            param.fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        values = generator.standard_normal(tuple(param.shape), dtype=np.float32)
        param.copy_(torch.from_numpy(values * np.float32(std)))
    return tensors_sha256(params)


@torch.no_grad()
def fill_from_state(
    params: Mapping[str, nn.Parameter],
    *,
    source: Mapping[str, Tensor],
    fitted: Mapping[str, Tensor],
    path: Path,
    ours: str,
) -> str:
    """Fill tensors from a file's.

    Args:
        params: The tensors to fill, by name.
        source: The file's tensors under our names.
        fitted: The same tensors at the ViT's patch size and position grid.
        path: The file, for messages.
        ours: Name of the backbone, for messages.

    Returns:
        The SHA-256 of the file's tensors; empty for parameters on the meta device, which have no values.

    Raises:
        WeightsError: If tensors are missing, superfluous or of the wrong shape.
    """
    shapes = {name: tuple(param.shape) for name, param in params.items()}
    wrong = [name for name in shapes.keys() | fitted.keys() if shapes.get(name) != _shape(fitted.get(name))]
    if wrong:
        name = sorted(wrong)[0]
        raise WeightsError(
            f"{path}: {len(wrong)} tensors do not fit, e.g. {name}: "
            f"the file has {_shape(fitted.get(name)) or 'none'}, {ours} needs {shapes.get(name, 'none')}."
        )
    for name, param in params.items():
        param.copy_(fitted[name])
    if all(param.is_meta for param in params.values()):
        return ""
    return tensors_sha256({name: source[name] for name in params})


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)
