"""Earth-Adapter: a mixture of spatial, low-frequency and high-frequency bottlenecks after every ViT block.

Shapes: B batch, N tokens (prefix first), D embed, h/w token grid, P = h * w patches, L layers, R rank, C channels,
E experts of a layer (1 or 3), Z = E R + the router's logits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters import _earth_adapter_names
from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import ANY, COUNT, SHARE, check_ranges
from rs_adapt.registry import MODELS

# In the order in which `_Mixture` stacks them.
_EXPERTS = ("spatial", "low", "high")


class _Mixture(nn.Module):
    """Stacked weights of one layer.

    `down_weight`, `down_bias`: R rows an expert, then the three rows of the router (absent with a single expert).
    `up_weight`: R columns an expert, then one column an expert with its bias, which the mixing weight scales too.
    """

    def __init__(self, *, embed_dim: int, rank: int, num_experts: int) -> None:
        super().__init__()
        self.num_experts, self.rank = num_experts, rank
        num_logits = num_experts if num_experts > 1 else 0
        self.down_weight = nn.Parameter(torch.empty(num_experts * rank + num_logits, embed_dim))
        self.down_bias = nn.Parameter(torch.empty(num_experts * rank + num_logits))
        self.up_weight = nn.Parameter(torch.empty(embed_dim, num_experts * (rank + 1)))
        # kaiming-uniform with a = sqrt(5), and torch's default for biases, are both U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
        for param, fan_in in ((self.down_weight, embed_dim), (self.down_bias, embed_dim), (self.up_weight, rank)):
            nn.init.uniform_(param, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Load weights; a single expert takes its part of a stack of three, as released checkpoints have it."""
        rank, stacked = self.rank, 3 * self.rank + 3
        down, bias, up = (f"{prefix}{name}" for name in ("down_weight", "down_bias", "up_weight"))
        if self.num_experts == 1 and all(name in state_dict for name in (down, bias, up)):
            if state_dict[down].shape[0] == stacked and state_dict[up].shape[1] == stacked:
                columns = [*range(rank), 3 * rank]  # the up-projection, then the column of its bias
                state_dict.update(
                    {down: state_dict[down][:rank], bias: state_dict[bias][:rank], up: state_dict[up][:, columns]}
                )
        super()._load_from_state_dict(state_dict, prefix, *args)


def _box_matrix(size: int, half_width: int) -> tuple[Tensor, Tensor]:
    """Return real and imaginary part (size, size), float64, of the projection on frequencies -c .. c-1."""
    step = torch.arange(size, dtype=torch.float64)
    frequency = torch.arange(-half_width, half_width, dtype=torch.float64)
    angle = (step[:, None] - step)[..., None] * frequency * (2 * math.pi / size)
    return angle.cos().sum(-1) / size, angle.sin().sum(-1) / size


@MODELS.register_module()
class EarthAdapter(Adapter):
    """Earth-Adapter, mixture of frequency adaptation (Hu et al., arXiv 2504.06220, https://arxiv.org/abs/2504.06220).

    `x_l <- x_l + s_l E_1(x_l)`, and in frequency layers
    `x_l <- x_l + s_l (w_1 E_1(x_l) + w_2 E_2(low x_l) + w_3 E_3(x_l - low x_l))`, with `w = softmax(W_r x_l + b_r)`,
    `E_i(v) = U_i relu(D_i v + b_i) + c_i`, and `low` keeping the box of rows `centre-a .. centre+a-1` and columns
    `centre-c .. centre+c-1` of the shifted 2-D spectrum, `a = int(h * cutoff // 2)`, `c = int(w * cutoff // 2)`: the
    same wavelengths along both sides. Prefix tokens pass unchanged.

    Trained: per layer one scale and one expert, `2 D R + R + D`; in the F frequency layers two more experts and a
    router, `3 D + 3`. In total `L (1 + e) + F (2 e + 3 D + 3)` with `e = 2 D R + R + D`.

    `low` is linear in space and `D_i` linear in channels, so they commute: one matmul D -> 3 R + 3, a low-pass of 2 R
    channels, one matmul back. The low-pass is two real matmuls per side of the grid, exact for any grid. Under
    autocast, frequency layers compute in float32 up to the matmul back, because high frequencies are small differences
    of numbers that a few channels make large. With three channels 100 or 400 times as large as the others, bfloat16
    would leave errors of 1.7 or 6.5 % in the high expert's update; here the error is 0.3 %, as without such channels.

    Departs from the reference (VisionXLab/Earth-Adapter @ 49a8ff8): the linear steps have a different order (the
    function is the same); only weights that are used exist (the reference has three experts and a router in all
    layers); any width, depth and grid is allowed (the reference fixes 1024, 24 and 32 x 32, so it covers square grids
    only).
    """

    identity_at_init: bool = False
    stacked_by_block: tuple[str, ...] = ("scale",)
    reference_prefix = "refine_feat."
    # Checkpoints have experts and router for every layer, of which only frequency layers use all; norms are not used.
    reference_spare = (*(f"mlp_list{i}.#.{j}.*" for i in (2, 3) for j in (0, 2)), "router.#.*", "layer_norm.#.*")

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        rank: int,
        frequency_layers: Sequence[int],
        cutoff: float,
        scale_init: float = 0.1,
    ) -> None:
        """Build the adapter.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            rank: Width of each expert's bottleneck, at least 1 (the paper uses 16 to 64).
            frequency_layers: Blocks (from 0) that get the low- and high-frequency expert and the router.
            cutoff: Share of each side of the spectrum that counts as low, 0 to 1 (the paper uses 0.2 and 0.3).
            scale_init: Start value of the scale of each layer, any number.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("EarthAdapter", rank=(rank, COUNT), cutoff=(cutoff, SHARE), scale_init=(scale_init, ANY))
        self.embed_dim, self.depth, self.rank, self.cutoff = embed_dim, depth, rank, cutoff
        self.frequency_layers = _check_layers(frequency_layers, depth)
        self.scale = nn.Parameter(torch.full((depth,), float(scale_init)))
        self.layers = nn.ModuleList(
            _Mixture(embed_dim=embed_dim, rank=rank, num_experts=3 if layer in self.frequency_layers else 1)
            for layer in range(depth)
        )
        self._operators: dict[tuple[int, int, torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Add the layer's mixture to the patch tokens.

        Args:
            x_BND: Tokens after block `layer`, prefix first.
            layer: Index of the block, from 0.
            grid_hw: Rows and columns of the token grid.

        Returns:
            Tokens of the same shape and dtype.
        """
        mixture = cast(_Mixture, self.layers[layer])
        if mixture.num_experts > 1:
            inner_BPC, mix_BPE, dtype = self._frequency_experts(x_BND, mixture, self.scale[layer], grid_hw)
        else:
            z_BNZ = functional.linear(x_BND, mixture.down_weight, mixture.down_bias)
            inner_BPC, dtype = z_BNZ[:, self.num_prefix :], z_BNZ.dtype
            mix_BPE = self.scale[layer].expand(*inner_BPC.shape[:2], 1).to(dtype)
        hidden_BPC = mix_BPE.repeat_interleave(self.rank, dim=-1) * functional.relu(inner_BPC)
        # Padding with zero rows for the prefix tokens is cheaper than splitting and rejoining the full-width tokens.
        hidden_BNC = functional.pad(torch.cat([hidden_BPC, mix_BPE], dim=-1), (0, 0, self.num_prefix, 0)).to(dtype)
        if hidden_BNC.dtype != x_BND.dtype:  # Under autocast the residual stream stays in its precision.
            return x_BND + functional.linear(hidden_BNC, mixture.up_weight)
        flat = torch.addmm(x_BND.flatten(0, 1), hidden_BNC.flatten(0, 1), mixture.up_weight.t())
        return flat.view_as(x_BND)

    def _frequency_experts(
        self, x_BND: Tensor, mixture: _Mixture, scale: Tensor, grid_hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, torch.dtype]:
        """Return the inner values (B, P, 3 R) before the ReLU, the scaled mix (B, P, 3), and the dtype to go on in."""
        rank, device = self.rank, x_BND.device.type
        autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if autocast else nullcontext():
            z_BNZ = functional.linear(_at_least_float32(x_BND), _at_least_float32(mixture.down_weight))
            z_BPZ = z_BNZ[:, self.num_prefix :]
            low_BPC = self._low_pass(z_BPZ[..., rank : 3 * rank], grid_hw)
            spatial_BPR, _, all_BPR, logits_BPE = torch.split(z_BPZ, [rank, rank, rank, 3], dim=-1)
            low_BPR, all_low_BPR = low_BPC.chunk(2, dim=-1)
            inner_BPC = torch.cat([spatial_BPR, low_BPR, all_BPR - all_low_BPR], dim=-1)
            inner_BPC = inner_BPC + mixture.down_bias[: 3 * rank].to(z_BNZ.dtype)
            mix_BPE = scale * (logits_BPE + mixture.down_bias[3 * rank :]).softmax(dim=-1)
        return inner_BPC, mix_BPE, torch.get_autocast_dtype(device) if autocast else x_BND.dtype

    def frequency_parts(self, patches_BPD: Tensor, grid_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Split patch tokens (no prefix) into their low and high frequencies, which add up to them."""
        low_BPD = self._low_pass(patches_BPD, grid_hw)
        return low_BPD, patches_BPD - low_BPD

    def inspect_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Return in frequency layers the norms of both parts over the channels, and the router's weights.

        `frequency_norm/low`, `.../high` and `router_weight/spatial`, `.../low`, `.../high`: maps (B, h, w); the weights
        of the three experts add up to 1 in every patch.
        """
        mixture = cast(_Mixture, self.layers[layer])
        if mixture.num_experts == 1:
            return {}
        patches_BPD = x_BND[:, self.num_prefix :]
        router = slice(3 * self.rank, None)
        logits_BPE = functional.linear(patches_BPD, mixture.down_weight[router], mixture.down_bias[router])
        views = {
            f"frequency_norm/{name}": part_BPD.norm(dim=-1)
            for name, part_BPD in zip(_EXPERTS[1:], self.frequency_parts(patches_BPD, grid_hw), strict=True)
        }
        views |= {
            f"router_weight/{name}": mix_BP
            for name, mix_BP in zip(_EXPERTS, logits_BPE.softmax(dim=-1).unbind(-1), strict=True)
        }
        return {name: view_BP.reshape(-1, *grid_hw) for name, view_BP in views.items()}

    def _low_pass(self, z_BPC: Tensor, grid_hw: tuple[int, int]) -> Tensor:
        """Return `Re(A_h z A_w^T)`: the real part of z within the box of low frequencies."""
        h, w = grid_hw
        # Sides of any size, of an exported model, are no constants.
        operators = self._cached_operators if torch.compiler.is_exporting() else self._constant_operators
        rows, columns = operators(h, w, z_BPC.dtype, z_BPC.device)
        # (B, h, w, C) -> (B, h, 2w, C): real and imaginary part, which the second matmul joins without a transpose.
        y = torch.matmul(columns, z_BPC.reshape(z_BPC.shape[0], h, w, -1))
        y = torch.matmul(rows, y.reshape(y.shape[0], 2 * h, -1))
        return y.view(z_BPC.shape)

    # A compiler takes them as constants: one that saw the cache being filled would compile again for a full one.
    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _constant_operators(self, h: int, w: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        return self._cached_operators(h, w, dtype, device)

    def _cached_operators(self, h: int, w: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        key = (h, w, dtype, device)
        if key not in self._operators:
            self._operators[key] = self._build_operators(*key)
        return self._operators[key]

    def _build_operators(self, h: int, w: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return `rows` (h, 2h), real and imaginary columns in turn, and `columns` (2w, w), real rows first."""
        half_height, half_width = (int(side * self.cutoff // 2) for side in (h, w))
        # A tensor made in inference mode could never enter a training step, and the cache outlives the mode.
        with torch.inference_mode(False):
            rows_real, rows_imag = _box_matrix(h, half_height)
            rows = torch.stack([rows_real, -rows_imag], dim=-1).flatten(1)
            columns = torch.cat(_box_matrix(w, half_width))
            return rows.to(device, dtype), columns.to(device, dtype)

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, rank: int, frequency_layers: Sequence[int]) -> int:
        """Return the number of trainable parameters in closed form."""
        expert = 2 * embed_dim * rank + rank + embed_dim
        router = 3 * embed_dim + 3
        return depth * (1 + expert) + len(frequency_layers) * (2 * expert + router)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return (
            {"rank": 4, "frequency_layers": (2, 3), "cutoff": 0.6},
            {"rank": 3, "frequency_layers": (), "cutoff": 0.3},
        )

    @staticmethod
    def convert_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Re-arrange weights of the released code.

        The released checkpoints have three experts and a router for every layer, also where only the first expert is
        used; a spatial-only layer takes its own part of them on loading.

        Args:
            state: `scale`, `mlp_list1|2|3.<l>.{0,2}.{weight,bias}`, `router.<l>.{weight,bias}` and the unused
                `layer_norm.<l>.*`, which are dropped; for all layers or some.

        Returns:
            Entries for `load_state_dict`, for the given layers.

        Raises:
            ConfigError: Names are not known, or a layer is not complete.
        """
        return _earth_adapter_names.from_reference(state)

    @staticmethod
    def to_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Re-arrange a state dict as the released code has it; layers without frequencies get one expert."""
        return _earth_adapter_names.to_reference(state)

    @staticmethod
    def reference_settings(state: Mapping[str, Tensor]) -> Settings:
        """Read constructor arguments off weights of the released code.

        `frequency_layers` is among them where some layers lack the weights for it, or where in some layers these
        weights have left the range of their start values and in others not. The cutoff cannot be read off weights.

        Raises:
            ConfigError: `scale` or the first expert of layer 0 is missing.
        """
        return _earth_adapter_names.read_settings(state)


def _at_least_float32(value: Tensor) -> Tensor:
    return value.float() if value.dtype.itemsize < torch.float32.itemsize else value


def _check_layers(frequency_layers: Sequence[int], depth: int) -> tuple[int, ...]:
    """Return the layers in order; raise where one is out of range or is named twice."""
    layers = tuple(sorted(frequency_layers))
    good = all(isinstance(layer, int) and 0 <= layer < depth for layer in layers)
    if not good or len(set(layers)) < len(layers):
        raise ConfigError(
            f"EarthAdapter: frequency_layers is {frequency_layers!r}; allowed are distinct block indices from 0 to "
            f"{depth - 1}. In a config file, 'first 3' and 'last 3' are resolved with the backbone's depth."
        )
    return layers
