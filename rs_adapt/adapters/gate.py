"""A gate over the modules of a method or a stack: from time to time it chooses which of them act and train.

Shapes: A methods of the host (1, or those of a stack), L blocks of the ViT; a module is one method in one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn

from rs_adapt.adapters._gate_choice import Compare, choose, number_of
from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.adapters.contract.nested import build_within, count_within
from rs_adapt.adapters.stack import Stack
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, Range, check_ranges
from rs_adapt.registry import MODELS


@MODELS.register_module()
class Gate(Adapter):
    """A scheduled gate over modules (CrossEarth-Gate, CVPR 2026, https://arxiv.org/abs/2511.20302) for any host.

    A module is one method of the host in one block. In the first `measure` of every `every` iterations all modules act,
    none is updated (the head is), and their squared gradients are summed. Then the k modules with the highest scores
    are active until the next measurement: they alone act, and they alone are updated. A module's score is the mean of
    the squared gradient over its parameters and the measured iterations, divided by the sum of such means over the
    blocks of the method (`compare="method"`) or over the methods in the block (`"block"`); ties go to the earlier
    method, then to the earlier block. Gradients are those of the run's loss, which in adaptation includes
    pseudo-labels. Outside of training the active modules act; before the first choice, all modules do. `k=None` is the
    host without a gate: all modules act and train at all times.

    An inactive module adds nothing to the forward pass, and its weights and optimizer moments stay unchanged bit for
    bit: no update, no weight decay, no decay of moments. When it is chosen again, it continues from them with its own
    count of optimizer steps (a tensor that holds all blocks has one count, which runs on). Tensors that several blocks
    share, and changes outside the blocks, always act, and always train except during measurements. Which modules are
    active, their scores and the number of steps are in the training state and in the pack.

    Trained: what the host trains, part of it at a time. Mergeable if the host is; inactive modules are dropped.

    Known from the paper and notes about it: k is 18 of 72 modules, and `every` is 50 (adaptation) or 100
    (generalization). Not known, and chosen here: the number of measured iterations (the paper counts samples), one
    gradient per batch instead of one per sample, no update while measuring, the treatment of moments, and what scores
    are normalised by (notes disagree: over the blocks of a method, or over the methods of a block).
    """

    active: Tensor
    squares: Tensor
    steps_done: Tensor

    def __init__(
        self,
        *,
        host: ConfigNode,
        embed_dim: int,
        depth: int,
        patch_px: int,
        mlp_dim: int,
        gated_mlp: bool = False,
        k: int | str | None = "25%",
        every: int = 50,
        measure: int = 3,
        compare: Compare = "method",
    ) -> None:
        """Build the host.

        Args:
            host: Config of an adapter, such as a `Stack`; facts of the backbone are passed on.
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            patch_px: Patch size of the ViT, pixels.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            gated_mlp: The feed-forward part has a gate next to `fc1`.
            k: Modules that stay active, from 1 to A L, or a percentage of them such as "25%"; None for no gate.
            every: Iterations from one measurement to the next, at least 2.
            measure: Iterations of a measurement, at least 1 and fewer than `every`.
            compare: "method" or "block".

        Raises:
            ConfigError: An argument is out of its range, or the host has no modules that can rest one by one.
        """
        super().__init__()
        facts = {
            "embed_dim": embed_dim,
            "depth": depth,
            "patch_px": patch_px,
            "mlp_dim": mlp_dim,
            "gated_mlp": gated_mlp,
        }
        self.host: Adapter = build_within("Gate", host, facts)
        methods = list(self.methods())
        check_ranges("Gate", every=(every, Range(least=2, whole=True)), measure=(measure, COUNT))
        if measure >= every:
            raise ConfigError(f"Gate: measure is {measure} and every is {every}; measure must be below every.")
        if compare not in get_args(Compare):
            raise ConfigError(f"Gate: compare is {compare!r}. Allowed: {', '.join(get_args(Compare))}.")
        if compare == "block" and len(methods) == 1:
            raise ConfigError("Gate: compare='block' compares methods, and the host is only one. Use compare='method'.")
        for method in methods:
            _require_gateable(method)
        self.depth, self.every, self.measure, self.compare = depth, every, measure, compare
        self.k = None if k is None else number_of(k, len(methods) * depth)
        self._take_facts()
        self.compiles_as_one_graph = all(method.compiles_as_one_graph for method in methods)
        self.register_buffer("active", torch.ones(len(methods), depth, dtype=torch.bool))
        self.register_buffer("squares", torch.zeros(len(methods), depth))
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))
        # The same on the side of Python, so that no forward pass waits for a device.
        self._active, self._steps = [[True] * depth for _ in methods], 0
        self._modules_AL: list[list[list[nn.Parameter]]] = []
        self._stacked_A: list[list[nn.Parameter]] = []

    def _take_facts(self) -> None:
        """Say of itself what the host says: a gate changes neither starts, nor rates, nor decay."""
        host = self.host
        self.identity_at_init, self.zero_grad_at_init = host.identity_at_init, host.zero_grad_at_init
        self.no_decay, self.lr_mults = host.no_decay, dict(host.lr_mults)
        self.needs_base_tokens, self.needs_images = host.needs_base_tokens, host.needs_images
        self.adds_tokens = host.adds_tokens

    def methods(self) -> Iterator[Adapter]:
        """Yield the methods of the host."""
        yield from self.host.adapters.values() if isinstance(self.host, Stack) else (self.host,)  # type: ignore[misc]

    def _measuring(self) -> bool:
        return self.k is not None and self._steps % self.every < self.measure

    def wrap(self, vit: nn.Module) -> None:
        """Let the host wrap its layers, and find the tensors of each module.

        Raises:
            ConfigError: A method has a block without a tensor of its own.
        """
        self.host.wrap(vit)
        # A stack knows the names of the library's tensors only now.
        self._take_facts()
        for method in self.methods():
            stacked: list[nn.Parameter] = []
            by_block: list[list[nn.Parameter]] = [[] for _ in range(self.depth)]
            for name, parameter in method.adapter_params().items():
                block = method.block_of(name)
                if name in method.stacked_by_block:
                    stacked.append(parameter)
                elif block is not None:
                    by_block[block].append(parameter)
            if not stacked and (empty := [block for block, own in enumerate(by_block) if not own]):
                name = type(method).__name__
                why = "shares its tensors between the blocks, so blocks cannot be scored"
                if len(empty) < self.depth:
                    why = f"has no tensor in block {empty[0]}, so that block has no score; a setting may leave it out"
                raise ConfigError(
                    f"Gate: {name} {why}. Gate methods with tensors in every block, such as lora, adaptformer or "
                    "earth_adapter."
                )
            self._modules_AL.append(by_block)
            self._stacked_A.append(stacked)
        self._let_act()

    def _let_act(self) -> None:
        """Let act what acts now: all modules in a training pass that measures, and the active ones otherwise."""
        all_on = self.training and self._measuring()
        for method, active in zip(self.methods(), self._active, strict=True):
            method.rest_in([] if all_on else [block for block, on in enumerate(active) if not on])

    def train(self, mode: bool = True) -> Self:
        """Set the mode, which decides what acts while the gate measures."""
        super().train(mode)
        self._let_act()
        return self

    def _load_from_state_dict(self, *args: Any) -> None:
        """Load the choice and the number of steps, and let act what acts by them."""
        super()._load_from_state_dict(*args)
        if not self.active.is_meta:
            self._active, self._steps = self.active.tolist(), int(self.steps_done)
            self._let_act()

    @torch.no_grad()
    def before_step(self) -> None:
        """Add up squared gradients while the gate measures; they are equal in all processes, and so is the choice."""
        if self._measuring():
            for number, (modules, stacked) in enumerate(zip(self._modules_AL, self._stacked_A, strict=True)):
                for block, parameters in enumerate(modules):
                    grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
                    grads += [p.grad[block] if p.grad is not None else torch.zeros_like(p[block]) for p in stacked]
                    total = torch.stack([grad.float().square().sum() for grad in grads]).sum()
                    self.squares[number, block] += total / sum(grad.numel() for grad in grads)

    def held_still(self) -> Sequence[tuple[nn.Parameter, Tensor | None]]:
        """Return all parameters while the gate measures, and then those of modules that are not active."""
        if self._measuring():
            return [(parameter, None) for parameter in self.adapter_params().values()]
        held: list[tuple[nn.Parameter, Tensor | None]] = []
        for number, active in enumerate(self._active):
            for block, on in enumerate(active):
                held += [] if on else [(parameter, None) for parameter in self._modules_AL[number][block]]
            if not all(active):
                rows = ~self.active[number] if any(active) else None
                held += [(parameter, rows) for parameter in self._stacked_A[number]]
        return held

    @torch.no_grad()
    def after_step(self) -> None:
        """Count the step, choose modules after a measurement, and forget the scores before the next."""
        self._steps += 1
        self.steps_done += 1
        place = self._steps % self.every
        if self.k is not None and place == self.measure:
            self.active.copy_(choose(self.squares, self.k, compare=self.compare))
            self._active = self.active.tolist()
        elif place == 0:
            self.squares.zero_()
        self._let_act()

    def unwrapped(self) -> AbstractContextManager[None]:
        """Switch off the host's layers while the context lasts."""
        return self.host.unwrapped()

    def start_from_images(self, vit: nn.Module, images: Sequence[Tensor]) -> None:
        """Show the images to the host."""
        self.host.start_from_images(vit, images)

    def prepare(self, base_tokens: Callable[[], Tensor]) -> None:
        """Let the host prepare."""
        self.host.num_prefix = self.num_prefix
        self.host.prepare(base_tokens)

    def see(self, x_B3HW: Tensor | None) -> None:
        """Show the images to the host."""
        self.host.see(x_B3HW)

    def tokens(self, layer: int) -> Tensor | None:
        """Return the host's tokens; None where it rests."""
        return None if layer in self.host.resting else self.host.tokens(layer)

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Let the host change the output of a block, unless it rests there."""
        self.host.num_prefix = self.num_prefix
        return x_BND if layer in self.host.resting else self.host.after_block(x_BND, layer, grid_hw)

    def inspect_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Return the host's views; none where it rests."""
        self.host.num_prefix = self.num_prefix
        return {} if layer in self.host.resting else self.host.inspect_block(x_BND, layer, grid_hw)

    def adapter_params(self) -> dict[str, nn.Parameter]:
        """Return the host's parameters."""
        return {f"host.{name}": parameter for name, parameter in self.host.adapter_params().items()}

    def why_unmergeable(self) -> str | None:
        """Return the host's reason, or None."""
        return self.host.why_unmergeable()

    def merge(self, vit: nn.Module) -> None:
        """Merge the active modules of the host."""
        was_training = self.training
        self.eval()
        self.host.merge(vit)
        self.train(was_training)

    @staticmethod
    def num_params(*, host: ConfigNode, **facts: Any) -> int:
        """Return the number of trainable parameters in closed form: the host's, whether active or not."""
        return count_within(host, facts)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        earth: Settings = {"type": "rs_adapt.EarthAdapter", "rank": 4, "frequency_layers": (2, 3), "cutoff": 0.6}
        lora: Settings = {"type": "rs_adapt.Lora", "rank": 4}
        bitfit: Settings = {"type": "rs_adapt.BitFit"}
        return (
            {"host": {"type": "rs_adapt.Stack", "adapters": {"lora": lora, "earth_adapter": earth}}, "k": 3},
            {"host": {"type": "rs_adapt.Stack", "adapters": {"lora": lora, "bitfit": bitfit}}, "compare": "block"},
            {"host": {"type": "rs_adapt.Vpt", "num_tokens": 2}, "k": None},
        )


def _require_gateable(method: Adapter) -> None:
    """Refuse methods that act in other ways than block by block.

    Raises:
        ConfigError: The method has a schedule of its own, or passes queries of all blocks to the head.
    """
    name = type(method).__name__
    if type(method).after_step is not Adapter.after_step:
        raise ConfigError(f"Gate: {name} decides by a schedule of its own which parts train. Leave it out of the gate.")
    if method.queries() is not None:
        raise ConfigError(
            f"Gate: {name} passes queries made of all blocks to the head, which a gate cannot take apart. Set its "
            "query_dim to None."
        )
