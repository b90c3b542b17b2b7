"""DINOv2 as a segmentation backbone: frozen ViT, adapter inside, four feature maps out.

DINOv2: Oquab et al., arXiv 2304.07193. The ViT's parts are those of `transformers`; the loop over blocks is here,
because that is where adapters act.

Shapes: B batch, N tokens (CLS first), D embed, h/w token grid, H/W pixels, M prompt tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from rs_adapt.backbones.arguments import check_arguments
from rs_adapt.backbones.conversion import VitSize, from_original, measure, resize
from rs_adapt.backbones.features import Features, scale_map, tokens_to_map
from rs_adapt.backbones.handles import PATCH_EMBED_PATH, Block
from rs_adapt.backbones.vit_parts import vit_parts
from rs_adapt.backbones.weights import RANDOM, load_state, tensors_sha256
from rs_adapt.errors import ConfigError, DataError, WeightsError
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

_INIT_SEED = 0
_POSITION_STD = 0.02


@MODELS.register_module()
class Dinov2(nn.Module):
    """A DINOv2 ViT of any size that returns the outputs of some blocks as maps of different resolution.

    It has no `init_weights`: mmengine would call it after the weights are loaded.

    Args:
        embed_dim: width D.
        depth: number of blocks.
        num_heads: attention heads; divides embed_dim.
        patch_px: side of a patch, pixels. Weights with another patch size are resized.
        image_px: image size that the position grid is made for ((image_px // patch_px) squared). Other input sizes
            work too: positions are then interpolated in each forward.
        out_layers: blocks (from 0, ascending) whose outputs are taken, before the final norm.
        adapter: an adapter, a config dict of one, or None.
        level_scales: size of each map relative to the token grid, one per out_layer.
        swiglu: SwiGLU feed-forward (ViT-g) instead of two matrices with GELU.
        frozen: the ViT does not train; False trains all of it and allows no adapter.
        weights: path of a file that `load_state` reads, or None or "random": random weights that are the same in every
            process and leave the global random state alone.

    Raises:
        ConfigError: if values contradict each other.
        WeightsError: if the weights are missing, damaged or of another size.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        patch_px: int = 16,
        image_px: int = 512,
        out_layers: Sequence[int],
        adapter: Adapter | Mapping[str, Any] | None = None,
        level_scales: Sequence[float] = (4.0, 2.0, 1.0, 0.5),
        swiglu: bool = False,
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        super().__init__()
        check_arguments(embed_dim, depth, num_heads, patch_px, image_px, out_layers, level_scales)
        if adapter is not None and not frozen:
            raise ConfigError("frozen=False trains the whole ViT and takes no adapter: leave one of the two out")
        self.embed_dim, self.depth, self.patch_px, self.image_px = embed_dim, depth, patch_px, image_px
        self.out_layers, self.level_scales = tuple(out_layers), tuple(level_scales)
        self.swiglu, self.frozen = swiglu, frozen

        device = torch.empty(0).device
        # On "meta" nothing is allocated or drawn, so transformers' own initialisation costs nothing.
        with torch.device("meta"):
            self.embeddings, self.layers = vit_parts(embed_dim, depth, num_heads, patch_px, image_px, swiglu)
        if device.type != "meta":
            self.to_empty(device=device)
            random = weights is None or str(weights) == RANDOM
            self._filled_sha256 = self._fill_random() if random else self._fill_from(Path(str(weights)))

        # Taken before an adapter wraps anything: these tensors, under these names, are the base.
        self._base_params: dict[str, nn.Parameter] = dict(self.named_parameters())
        self._filled_versions = self._versions()
        self.requires_grad_(not frozen)
        self.adapter: Adapter | None = None
        if adapter is not None:
            from rs_adapt.adapters import attach

            module: Adapter = MODELS.build(adapter) if isinstance(adapter, Mapping) else adapter
            attach(module, self)
            self.adapter = module
        self.train()

    @property
    def blocks(self) -> list[Block]:
        """The blocks' handles, for adapters (see `rs_adapt.backbones.handles`)."""
        return [Block(layer, swiglu=self.swiglu) for layer in self.layers]

    @property
    def patch_embed(self) -> nn.Module:
        """The convolution that makes patch tokens of pixels, for adapters."""
        return self.embeddings.get_submodule(PATCH_EMBED_PATH)

    def replace(self, name: str, module: nn.Module) -> None:
        """Put `module` where the handle `name` of the ViT itself (`patch_embed`) points to."""
        assert name == "patch_embed", name
        self.embeddings.set_submodule(PATCH_EMBED_PATH, module, strict=True)

    def forward(self, x_B3HW: Tensor) -> Features:
        """Compute the feature maps.

        Args:
            x_B3HW: normalised images (B, 3, H, W), float; H and W are multiples of patch_px.

        Returns:
            One map (B, D, h*s, w*s) for each out_layer, with h = H / patch_px and s its level scale; `.queries` are
            the adapter's.

        Raises:
            DataError: if H or W is no multiple of patch_px, or too small for the smallest map.
        """
        grid_hw = self._grid(x_B3HW)
        if self.adapter is not None:
            return Features(self._maps(x_B3HW, grid_hw), self.adapter.queries())
        if self.frozen:
            with torch.no_grad():
                return Features(self._maps(x_B3HW, grid_hw))
        return Features(self._maps(x_B3HW, grid_hw))

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Make the ViT give the features of its base while the context lasts."""
        adapter, self.adapter = self.adapter, None
        try:
            with nullcontext() if adapter is None else adapter.unwrapped():
                yield
        finally:
            self.adapter = adapter

    def train(self, mode: bool = True) -> Dinov2:
        """Set the mode of the adapter (or of all, if the ViT trains); a frozen ViT stays in eval mode."""
        super().train(mode)
        if self.frozen:
            adapter = getattr(self, "adapter", None)
            own = set() if adapter is None else set(adapter.modules())
            for part in (self.embeddings, self.layers):
                for module in part.modules():
                    if module not in own:
                        module.training = False
        return self

    def base_sha256(self) -> str:
        """SHA-256 over the tensors that the ViT was filled from (name, shape, fp32 bytes), adapter excluded.

        The tensors are those of the file, before patch kernel and positions are resized: resizing rounds differently
        on different processors, and the same weights must have the same name everywhere. Where weights were written
        after that (`load_state_dict`, training), it is the hash of the current values.

        Raises:
            WeightsError: if the ViT was built on the meta device and has no values.
        """
        if any(param.is_meta for param in self._base_params.values()):
            raise WeightsError("this backbone was built without values (meta device): there is nothing to hash")
        # In-place writes raise a tensor's version; moving to another device does not.
        if self._versions() == self._filled_versions:
            return self._filled_sha256
        return tensors_sha256(self._base_params)

    def base_tensors(self) -> dict[str, Tensor]:
        """The ViT's own tensors, as they are now, under their names without any adapter around them."""
        return {name: param.detach() for name, param in self._base_params.items()}

    def _versions(self) -> tuple[int, ...]:
        return tuple(param._version for param in self._base_params.values())

    @staticmethod
    def convert_reference(
        state: Mapping[str, Tensor], *, patch_px: int | None = None, image_px: int | None = None
    ) -> dict[str, Tensor]:
        """Rename original DINOv2 weights to this module's names and, where a size is given, resize them.

        Args:
            state: tensors under the original names without outer prefix; some blocks only is fine.
            patch_px: patch size to resize the kernel to; None keeps it.
            image_px: image size to resize the position grid for; None keeps it.

        Raises:
            WeightsError: if a name is unknown.
            ConfigError: if image_px is given and no patch size is known.
        """
        return resize(from_original(state), patch_px=patch_px, image_px=image_px)

    def _grid(self, x_B3HW: Tensor) -> tuple[int, int]:
        height, width = x_B3HW.shape[-2:]
        p = self.patch_px
        if height % p or width % p or not height or not width:
            valid = [f"{max(size // p, 1) * p} or {(size // p + 1) * p}" for size in (height, width)]
            raise DataError(
                f"an image of {height} x {width} px does not divide into patches of {p} px: "
                f"nearest valid height {valid[0]}, width {valid[1]}"
            )
        return height // p, width // p

    @torch.no_grad()
    def base_tokens(self, x_B3HW: Tensor) -> Tensor:
        """Tokens (B, N, D), CLS first, after the last block in use, of the ViT without adapter and without gradient."""
        # Not `without_adapter`, which a compiler could not follow: the blocks are run here without the adapter's hooks.
        with nullcontext() if self.adapter is None else self.adapter.unwrapped():
            x_BND: Tensor = self.embeddings(x_B3HW)
            for layer in range(self.out_layers[-1] + 1):
                x_BND = self.layers[layer](x_BND)
        return x_BND

    def _maps(self, x_B3HW: Tensor, grid_hw: tuple[int, int]) -> list[Tensor]:
        if self.adapter is not None and self.adapter.needs_base_tokens:
            self.adapter.prepare(lambda: self.base_tokens(x_B3HW))
        x_BND: Tensor = self.embeddings(x_B3HW)
        maps: list[Tensor] = []
        for layer in range(self.out_layers[-1] + 1):
            x_BND = self._block(x_BND, layer, grid_hw)
            if layer in self.out_layers:
                maps.append(scale_map(tokens_to_map(x_BND, grid_hw), self.level_scales[len(maps)]))
        return maps

    def _block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        if self.adapter is None:
            return self.layers[layer](x_BND)  # type: ignore[no-any-return]
        prompt_MD = self.adapter.tokens(layer)
        if prompt_MD is None:
            x_BND = self.layers[layer](x_BND)
        else:
            prompt_BMD = prompt_MD.to(x_BND.dtype).expand(x_BND.shape[0], -1, -1)
            x_BND = self.layers[layer](torch.cat([x_BND[:, :1], prompt_BMD, x_BND[:, 1:]], dim=1))
            x_BND = torch.cat([x_BND[:, :1], x_BND[:, 1 + prompt_BMD.shape[1] :]], dim=1)
        return self.adapter.after_block(x_BND, layer, grid_hw)

    @torch.no_grad()
    def _fill_random(self) -> str:
        # Standard deviation 1 / sqrt(fan in) rather than DINOv2's 0.02 (made for training from scratch at width 1024):
        # the blocks of a narrow frozen ViT would do next to nothing. numpy draws the same bits on every processor,
        # torch does not.
        generator = np.random.default_rng(_INIT_SEED)
        for name, param in self.named_parameters():
            if name.endswith(("cls_token", "position_embeddings")):
                std = _POSITION_STD
            elif param.ndim >= 2:
                std = param[0].numel() ** -0.5
            else:
                param.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            values = generator.standard_normal(tuple(param.shape), dtype=np.float32)
            param.copy_(torch.from_numpy(values * np.float32(std)))
        return tensors_sha256(dict(self.named_parameters()))

    @torch.no_grad()
    def _fill_from(self, path: Path) -> str:
        state = load_state(path)
        given = measure(state)
        wanted = VitSize(embed_dim=self.embed_dim, depth=self.depth, patch_px=self.patch_px)
        if (given.embed_dim, given.depth) != (wanted.embed_dim, wanted.depth):
            raise WeightsError(
                f"{path}: file is {given.model} ({given.embed_dim} wide, {given.depth} deep), "
                f"{wanted.config} needs {wanted.embed_dim} wide, {wanted.depth} deep"
            )
        source = state
        state = resize(state, patch_px=self.patch_px, image_px=self.image_px)
        params = dict(self.named_parameters())
        shapes = {name: tuple(param.shape) for name, param in params.items()}
        wrong = [name for name in shapes.keys() | state.keys() if shapes.get(name) != _shape(state.get(name))]
        if wrong:
            name = sorted(wrong)[0]
            raise WeightsError(
                f"{path}: {len(wrong)} tensors do not fit, e.g. {name}: "
                f"the file has {_shape(state.get(name)) or 'none'}, {wanted.config} needs {shapes.get(name, 'none')}"
            )
        for name, param in params.items():
            param.copy_(state[name])
        return tensors_sha256({name: source[name] for name in params})


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)
