"""Files of DOFA, whose patch embedding is generated from wavelengths: Xiong et al., arXiv 2403.15356.

A small transformer turns the wavelength of each band into the kernel of that band, and all together into the bias. For
images of three bands with fixed wavelengths both are constants, which are computed once, when the file is read.
Names, shapes and constants are those of torchgeo's copy of the model (`torchgeo/models/dofa.py`, MIT).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.plain_names import NAMES as PLAIN
from rs_adapt.errors import WeightsError

# Of red, green and blue, micrometres.
RGB_UM = (0.665, 0.56, 0.49)
_EMBED, _GENERATOR = "patch_embed.", "patch_embed.weight_generator."
_HEADS, _SCALE, _NM = 4, 0.01, 1000
# Results are rounded to this, so that all processors read the same kernel from a file, and packs find their base.
_QUANTUM = 2.0**-22


def read_as_rgb(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with a patch embedding of RGB instead of its generator.

    Args:
        tensors: Tensors under the authors' names. Those under this package's names, which are a ViT of RGB already, are
            returned unchanged.

    Raises:
        WeightsError: There is a patch embedding but no whole generator.
    """
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(_EMBED)}
    if len(rest) == len(tensors):
        return rest
    try:
        kernel_D3pp, bias_D = generate_kernel(tensors, RGB_UM)
    except Exception as error:
        # Tensors of wrong shapes raise any of half a dozen exception types.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            "not a DOFA: its patch embedding is not generated from wavelengths by a transformer "
            f"({_GENERATOR}*: {reason}). For a ViT of three bands use mae_b or mae_l."
        ) from error
    return rest | {f"{_EMBED}proj.weight": kernel_D3pp, f"{_EMBED}proj.bias": bias_D}


def generate_kernel(tensors: Mapping[str, Tensor], wavelengths_um: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return the kernel (D, bands, patch, patch) and the bias (D,) that DOFA has for bands of these wavelengths.

    Args:
        tensors: A file's tensors, `patch_embed.*` among them.
        wavelengths_um: Wavelength of each band, micrometres.

    Raises:
        KeyError: A tensor is missing; other errors of torch where shapes do not fit each other.
    """
    tokens_TC, bias_1C = (tensors[f"{_GENERATOR}{name}"].double() for name in ("weight_tokens", "bias_token"))
    if tokens_TC.ndim != 2 or not len(tokens_TC) or bias_1C.shape != (1, tokens_TC.shape[1]):
        raise ValueError(f"tokens of shapes {tuple(tokens_TC.shape)} and {tuple(bias_1C.shape)}")
    waves_WC = _wave_codes(wavelengths_um, tokens_TC.shape[1])
    residual_WC = _linear(tensors, f"{_EMBED}fclayer.w1", waves_WC).relu()
    waves_WC = waves_WC + _linear(tensors, f"{_EMBED}fclayer.w2", residual_WC).relu()
    y_NC = _encoder(tensors)(torch.cat([tokens_TC, waves_WC, bias_1C]))
    seen_WC = y_NC[len(tokens_TC) : -1] + waves_WC
    kernels_WK = _linear(tensors, f"{_GENERATOR}fc_weight", seen_WC)
    bias_D = _linear(tensors, f"{_GENERATOR}fc_bias", y_NC[-1])
    patch_px = math.isqrt(kernels_WK.shape[-1] // len(bias_D))
    kernel_WppD = kernels_WK.reshape(-1, patch_px, patch_px, len(bias_D))
    return _rounded(kernel_WppD.permute(3, 0, 1, 2)), _rounded(bias_D)


def _linear(tensors: Mapping[str, Tensor], layer: str, x: Tensor) -> Tensor:
    weight, bias = (tensors[f"{layer}.{kind}"].double() for kind in ("weight", "bias"))
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"{layer} has a bias of shape {tuple(bias.shape)} and a weight of {tuple(weight.shape)}")
    return F.linear(x, weight, bias)


def _wave_codes(wavelengths_um: tuple[float, ...], width: int) -> Tensor:
    """Return sine-cosine codes (W, C) of wavelengths in nanometres."""
    kind: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
    rates = 10000.0 ** -(torch.arange(width // 2, **kind) / (width // 2))
    angles = torch.tensor(wavelengths_um, **kind)[:, None] * _NM * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _encoder(tensors: Mapping[str, Tensor]) -> nn.Module:
    prefix = f"{_GENERATOR}transformer_encoder."
    state = {name.removeprefix(prefix): tensor.double() for name, tensor in tensors.items() if name.startswith(prefix)}
    hidden, width = state["layers.0.linear1.weight"].shape
    if not hidden:
        raise ValueError(f"{prefix}layers.0.linear1.weight is empty")
    # Counted, since a damaged name may have any number in it; a gap is a missing tensor.
    depth = len({name.split(".")[1] for name in state})
    # On "meta" no start values are drawn, which would change the random state of a run.
    layer = nn.TransformerEncoderLayer(width, _HEADS, hidden, dropout=0.0, activation="gelu", device="meta")
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
    encoder.load_state_dict(state, assign=True)
    return encoder.eval().requires_grad_(False)


def _rounded(values: Tensor) -> Tensor:
    return ((values * _SCALE / _QUANTUM).round() * _QUANTUM).float().contiguous()


NAMES = replace(
    PLAIN,
    family="DOFA",
    prepare=read_as_rgb,
    sizes={(768, 12): ("ViT-B", "dofa_b"), (1024, 24): ("ViT-L", "dofa_l")},
)
