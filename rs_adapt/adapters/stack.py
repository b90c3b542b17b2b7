"""Several methods in one ViT, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.adapters.contract.nested import build_within, count_within
from rs_adapt.adapters.contract.wrapping import fold_shared_layers
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.registry import MODELS


@MODELS.register_module()
class Stack(Adapter):
    """A stack of adapters: each acts at its own hooks, in the given order.

    Layers are wrapped and outputs of blocks changed by the first adapter first; tokens of all are
    concatenated; at most one may pass queries to the head. Trained: the parameters of all adapters.
    """

    def __init__(
        self,
        *,
        adapters: Mapping[str, ConfigNode],
        embed_dim: int,
        depth: int,
        patch_px: int,
        mlp_dim: int,
        gated_mlp: bool = False,
    ) -> None:
        """Build the adapters.

        Args:
            adapters: At least two adapters' configs by name; facts of the backbone are passed on to those that take
                them.
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            patch_px: Patch size of the ViT, pixels.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            gated_mlp: The feed-forward part has a gate next to `fc1`.

        Raises:
            ConfigError: There are fewer than two adapters, or one is not known.
        """
        super().__init__()
        facts = {
            "embed_dim": embed_dim,
            "depth": depth,
            "patch_px": patch_px,
            "mlp_dim": mlp_dim,
            "gated_mlp": gated_mlp,
        }
        if len(adapters) < 2:
            raise ConfigError(f"Stack: adapters are [{', '.join(adapters)}]; give two or more.")
        built: dict[str, Adapter] = {name: build_within("Stack", adapter, facts) for name, adapter in adapters.items()}
        self.adapters = nn.ModuleDict(built)
        self.identity_at_init = all(adapter.identity_at_init for adapter in self._all())
        self._name_parameters()
        self.needs_images = any(adapter.needs_images for adapter in self._all())
        self.needs_base_tokens = any(adapter.needs_base_tokens for adapter in self._all())
        self.adds_tokens = any(adapter.adds_tokens for adapter in self._all())

    def _all(self) -> list[Adapter]:
        return list(self.adapters.values())  # type: ignore[arg-type]

    def _acting(self, layer: int) -> list[Adapter]:
        return [adapter for adapter in self._all() if layer not in adapter.resting]

    def wrap(self, vit: nn.Module) -> None:
        """Let each adapter wrap its layers."""
        for adapter in self._all():
            adapter.wrap(vit)
        # Those of peft have no parameters before.
        self._name_parameters()

    def _name_parameters(self) -> None:
        """Collect by full name what the adapters say about their parameters by parts of names."""
        full_names = {
            f"adapters.{name}.{full}": (full, adapter)
            for name, adapter in zip(self.adapters, self._all(), strict=True)
            for full in adapter.adapter_params()
        }
        self.zero_grad_at_init = tuple(
            name for name, (full, of) in full_names.items() if any(part in full for part in of.zero_grad_at_init)
        )
        self.no_decay = tuple(
            name for name, (full, of) in full_names.items() if any(part in full for part in of.no_decay)
        )
        self.lr_mults = {
            name: factor
            for name, (full, of) in full_names.items()
            for part, factor in reversed(list(of.lr_mults.items()))
            if part in full
        }

    def start_from_images(self, vit: nn.Module, images: Sequence[Tensor]) -> None:
        """Show the images to each adapter that needs them."""
        for adapter in self._all():
            if adapter.needs_images:
                adapter.start_from_images(vit, images)

    @contextmanager
    def unwrapped(self) -> Iterator[None]:
        """Switch off the wrapped layers of all adapters while the context lasts."""
        with ExitStack() as contexts:
            for adapter in self._all():
                contexts.enter_context(adapter.unwrapped())
            yield

    def prepare(self, base_tokens: Callable[[], Tensor]) -> None:
        """Pass the frozen ViT's tokens, computed once, to each adapter that needs them."""
        tokens_BND = base_tokens()
        for adapter in self._all():
            if adapter.needs_base_tokens:
                adapter.num_prefix = self.num_prefix
                adapter.prepare(lambda: tokens_BND)

    def see(self, x_B3HW: Tensor | None) -> None:
        """Show the images to each adapter."""
        for adapter in self._all():
            adapter.see(x_B3HW)

    def tokens(self, layer: int) -> Tensor | None:
        """Return the tokens of all adapters, concatenated along the token axis."""
        # In two steps: torch.compile does not follow an assignment inside a comprehension.
        tokens_by_adapter = [adapter.tokens(layer) for adapter in self._acting(layer)]
        prompts = [tokens for tokens in tokens_by_adapter if tokens is not None]
        if len(prompts) < 2:
            return prompts[0] if prompts else None
        batch = max(tokens.shape[0] if tokens.ndim == 3 else 1 for tokens in prompts)
        return torch.cat([tokens.expand(batch, -1, -1) for tokens in prompts], dim=1)

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Let each adapter change the output of a block."""
        for adapter in self._acting(layer):
            adapter.num_prefix = self.num_prefix
            x_BND = adapter.after_block(x_BND, layer, grid_hw)
        return x_BND

    def inspect_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Return the views of all adapters as `<adapter> <quantity>/<view>`, each from its adapter's input tokens."""
        views: dict[str, Tensor] = {}
        for name, adapter in zip(self.adapters, self._all(), strict=True):
            if layer in adapter.resting:
                continue
            adapter.num_prefix = self.num_prefix
            views |= {f"{name} {view}": tensor for view, tensor in adapter.inspect_block(x_BND, layer, grid_hw).items()}
            x_BND = adapter.after_block(x_BND, layer, grid_hw)
        return views

    def held_still(self) -> Sequence[tuple[nn.Parameter, Tensor | None]]:
        """Return what rests in the coming step in any of the adapters."""
        return [held for adapter in self._all() for held in adapter.held_still()]

    def before_step(self) -> None:
        """Call `before_step` of every adapter."""
        for adapter in self._all():
            adapter.before_step()

    def after_step(self) -> None:
        """Call `after_step` of every adapter."""
        for adapter in self._all():
            adapter.after_step()

    def queries(self) -> Tensor | None:
        """Return the queries of the only adapter that has any, or None."""
        linked = [queries for adapter in self._all() if (queries := adapter.queries()) is not None]
        if len(linked) > 1:
            raise ConfigError(
                "Stack: two adapters pass queries to the decode head, which accepts queries of one. Remove one of them."
            )
        return linked[0] if linked else None

    def text_side(self) -> Adapter | None:
        """Return the part in the text tower of the only adapter that has one."""
        sides = [side for adapter in self._all() if (side := adapter.text_side()) is not None]
        if len(sides) > 1:
            raise ConfigError("Stack: two adapters sit in the text tower, which takes one. Remove one of them.")
        return sides[0] if sides else None

    def adapter_params(self) -> dict[str, nn.Parameter]:
        """Return the trainable parameters of all adapters, each as its adapter states them."""
        return {
            f"adapters.{name}.{full}": parameter
            for name, adapter in zip(self.adapters, self._all(), strict=True)
            for full, parameter in adapter.adapter_params().items()
        }

    def why_unmergeable(self) -> str | None:
        """Return the reason of the first adapter that cannot be merged, or None if all can."""
        reasons = (
            f"of {type(adapter).__name__}, {reason}"
            for adapter in self._all()
            if (reason := adapter.why_unmergeable()) is not None
        )
        return next(reasons, None)

    def merge(self, vit: nn.Module) -> None:
        """Merge all adapters; layers that several of them change are folded first, see `fold_shared_layers`."""
        if (reason := self.why_unmergeable()) is not None:
            raise ConfigError(f"Stack cannot be merged into the backbone's weights: {reason}.")
        was_training = self.training
        self.eval()
        try:
            fold_shared_layers(vit)
            # The last adapter's wrappers are the outermost.
            for adapter in reversed(self._all()):
                adapter.merge(vit)
        finally:
            self.train(was_training)

    @staticmethod
    def num_params(*, adapters: Mapping[str, ConfigNode], **facts: Any) -> int:
        """Return the number of trainable parameters in closed form: the sum over the adapters."""
        return sum(count_within(adapter, facts) for adapter in adapters.values())

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        earth: Settings = {"type": "rs_adapt.EarthAdapter", "rank": 4, "frequency_layers": (2, 3), "cutoff": 0.6}
        lora: Settings = {"type": "rs_adapt.Lora", "rank": 4}
        flora: Settings = {"type": "rs_adapt.Flora", "rank": 2, "targets": ("attn_q",)}
        prompts: Settings = {"type": "rs_adapt.Vpt", "num_tokens": 2}
        oft: Settings = {"type": "rs_adapt.PeftAdapter", "kind": "oft", "options": {"r": 0, "oft_block_size": 8}}
        bitfit: Settings = {"type": "rs_adapt.BitFit"}
        return (
            {"adapters": {"lora": lora, "earth_adapter": earth}},
            {"adapters": {"flora": flora, "lora": lora, "vpt": prompts}},
            {"adapters": {"oft": oft, "lora": lora, "bitfit": bitfit}},
        )
