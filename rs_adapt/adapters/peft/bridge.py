"""Methods of the library peft, under the contract of the project's own.

peft replaces layers of a model by its own, which contain the frozen layer and the new tensors. Here it is given only
the layers to change; its new layers then belong to the adapter, without the frozen layers, which stay in the ViT.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.wrapping import (
    LINEARS,
    LayerChange,
    WrappingAdapter,
    check_targets,
    linear_dims,
    require_plain,
)
from rs_adapt.adapters.peft.eva import eva_directions, eva_options
from rs_adapt.adapters.peft.kinds import KINDS
from rs_adapt.adapters.peft.options import load_peft, make_config, refusals, require_matches
from rs_adapt.adapters.peft.shared_tensors import keep_shared_tensors_once, to_meta
from rs_adapt.adapters.peft.start import LowRankStart, low_rank_start
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import POSITIVE, check_ranges
from rs_adapt.registry import MODELS

# Starts of LoRA that take their part out of the weight.
_MOVED_STARTS = ("pissa", "olora")
# The value of FourierFT's `scaling` that the library documents, and the width that it is for.
_FOURIERFT_SCALING, _FOURIERFT_DIM = 150.0, 768


class PeftChange(LayerChange):
    """One of peft's layers in place of the layer that it changes, and what its start took out of the weight."""

    def __init__(self, layer: nn.Module, start: LowRankStart | None) -> None:
        super().__init__()
        self.layer, self.start = layer, start

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run peft's layer, which runs the frozen one."""
        y: Tensor = self.layer(x)
        start: LowRankStart | None = self.start
        return y if start is None else y - start(x)


@MODELS.register_module()
class PeftAdapter(WrappingAdapter):
    """A method of peft (https://github.com/huggingface/peft, Apache-2.0) on linear layers of the ViT.

    Every option of peft's configuration of a method can be set (`--set method.options.init_lora_weights=pissa`); a
    wrong value is refused, and the error lists those that peft declares. The initialisation is the library's own: the
    features start as those of the frozen ViT, except with FourierFT, Uni-LoRA, VB-LoRA, and C3A without
    `init_weights=True`. All merge, except Lily.

    PiSSA and OLoRA train a part of the weight itself. The weight stays unchanged, and the initial part is subtracted
    from the output instead: `y = W x + s B A x - s B_0 A_0 x`. The initial part is saved with the adapter, so the pack
    is twice as large. EVA initialises A from the images of the first iterations, with the principal directions of each
    layer's inputs. LoRA+ gives B `b_lr_mult` times the learning rate of A.

    FourierFT's change of a weight is `scaling` times an inverse Fourier transform, which divides by the number of
    elements of the weight. With `scaling` 150 the change has a standard deviation of 0.0058 at a width of 768, and of
    0.091 at 192, where the weights themselves have 0.07. `scaling=None` stands for `150 (embed_dim / 768)^2`, which
    keeps the size that the change has with 150 at 768.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("magnitude", "lambda", "boft_s", "ia3_l", "bias", "road_alpha", "vector_")

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        kind: str,
        targets: Sequence[str] = ("attn_q", "attn_v"),
        options: ConfigNode | None = None,
        b_lr_mult: float = 1.0,
    ) -> None:
        """Check the options; the layers are made when the adapter meets its ViT.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            kind: A tuner of peft in lower case, such as `lora` or `oft`, or `dora`.
            targets: Handles of the layers: attn_q, attn_k, attn_v, attn_out, fc1, fc2.
            options: Options of peft's configuration of the method; FourierFT's `scaling` may be None.
            b_lr_mult: Factor of the learning rate of B, of LoRA alone (LoRA+); above 0.

        Raises:
            ConfigError: Peft is not installed, or an argument is not known or refused by peft.
        """
        super().__init__()
        kinds = [name for name in KINDS if name != "adalora"] if type(self) is PeftAdapter else ["adalora"]
        if kind not in kinds:
            raise ConfigError(f"{type(self).__name__}: there is no kind {kind!r}. Known: {', '.join(kinds)}.")
        check_ranges(f"peft:{kind}", b_lr_mult=(b_lr_mult, POSITIVE))
        facts = KINDS[kind]
        if b_lr_mult != 1 and facts.name != "LORA":
            raise ConfigError(f"peft:{kind}: b_lr_mult is {b_lr_mult}, but only LoRA and DoRA have a B. Leave it out.")
        self.depth, self.kind = depth, kind
        self.targets = check_targets(f"peft:{kind}", tuple(targets), LINEARS)
        self.options = _resolve(kind, options or {}, embed_dim=embed_dim)
        self.lr_mults = {"lora_B": b_lr_mult} if b_lr_mult != 1 else {}
        self.unmergeable = facts.unmergeable
        self.compiles_as_one_graph = facts.one_graph
        self.identity_at_init = facts.identity or bool(self.options.get("init_weights"))
        start = self.options.get("init_lora_weights", True)
        # Where the start of B, or of both, is not zero, its gradient reaches A too; MiCA's B is fixed, and A is zero.
        self.zero_grad_at_init = () if start in (*_MOVED_STARTS, "mica", "orthogonal") else facts.zero_grad
        self.needs_images = start == "eva"
        self.config = make_config(kind, self.options)
        self.layers = nn.ModuleDict()
        keep_shared_tensors_once(self)

    def wrap(self, vit: nn.Module) -> None:
        """Let peft build all its layers at once, as some methods share tensors, and put them into the ViT."""
        blocks: Any = vit.blocks
        bases = {f"{layer}_{t}": getattr(blocks[layer], t) for layer in range(self.depth) for t in self.targets}
        for base in bases.values():
            require_plain(f"peft:{self.kind}", base)
        require_matches(self.kind, self.options, [_place(name) for name in bases])
        for name, change in _build_with_peft(self.kind, self.config, bases).items():
            self.layers[name] = change
        super().wrap(vit)

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield peft's layers, block by block."""
        for name, change in self.layers.items():
            number, _, handle = name.partition("_")
            yield int(number), handle, change  # type: ignore[misc]

    def adapter_params(self) -> dict[str, nn.Parameter]:
        """Return the parameters that train; peft stores a few constants as parameters too."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    @torch.no_grad()
    def start_from_images(self, vit: nn.Module, images: Sequence[Tensor]) -> None:
        """Let A of every layer start as the main directions of the layer's inputs (EVA)."""
        layers: dict[str, Any] = {name: cast("PeftChange", change).layer for name, change in self.layers.items()}
        with self.unwrapped(), refusals(self.kind, self.options, "finds no start from the images"):
            bases = {name: layer.base_layer for name, layer in layers.items()}
            for name, down_RI in eva_directions(vit, bases, self.config, images).items():
                layers[name].lora_A["default"].weight.copy_(down_RI)

    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Let peft write its change into a copy of the frozen layer, and copy the result."""
        layer, plain = cast("Any", change.layer), cast("nn.Linear", base)
        layer.__dict__["base_layer"] = copy.deepcopy(base)
        layer.merge(safe_merge=True)
        merged = layer.__dict__["base_layer"]
        layer.__dict__["base_layer"] = base
        start = cast("LowRankStart | None", change.start)
        plain.weight.copy_(merged.weight if start is None else merged.weight - start.weight())
        if merged.bias is not None and plain.bias is None:
            raise ConfigError(
                f"peft:{self.kind} adds a bias to a layer that has none, so it cannot be merged into the backbone's "
                "weights. Export without --merge."
            )
        if plain.bias is not None:
            plain.bias.copy_(merged.bias)

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        kind: str,
        targets: Sequence[str] = ("attn_q", "attn_v"),
        options: ConfigNode | None = None,
    ) -> int:
        """Return the number of trainable parameters: peft has the formulas, so its layers are built and counted."""
        with torch.device("meta"):
            bases = {
                f"{layer}_{t}": nn.Linear(*linear_dims(t, embed_dim=embed_dim, mlp_dim=mlp_dim))
                for layer in range(depth)
                for t in targets
            }
            resolved = _resolve(kind, options or {}, embed_dim=embed_dim)
            layers = nn.ModuleDict(_build_with_peft(kind, make_config(kind, resolved), bases))
        return sum(p.numel() for p in layers.parameters() if p.requires_grad)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return tuple({"kind": kind, **example} for kind, facts in KINDS.items() for example in facts.examples)


def _resolve(kind: str, options: ConfigNode, *, embed_dim: int) -> ConfigNode:
    """Return the options with FourierFT's `scaling` for the width where it is None, and with EVA's fixed ranks."""
    if options.get("init_lora_weights") == "eva":
        return eva_options(kind, options)
    if kind != "fourierft" or options.get("scaling", 0) is not None:
        return dict(options)
    return {**options, "scaling": _FOURIERFT_SCALING * (embed_dim / _FOURIERFT_DIM) ** 2}


def _build_with_peft(kind: str, config: Any, bases: Mapping[str, nn.Linear]) -> dict[str, PeftChange]:
    """Build peft's layer for each layer, without the layer itself among its submodules.

    Some starts change the layer's weight (PiSSA, OLoRA). Peft gets copies of the layers, so that those of the ViT stay.

    Raises:
        ConfigError: Peft refuses the layers, or changes their weight to one that its own tensors do not make up for.
    """
    peft = load_peft()
    on_meta = next(iter(bases.values())).weight.is_meta
    # SHiRA's sparse tensors are well formed; torch warns unless told whether to check that.
    checks: Any = torch.sparse.check_sparse_tensor_invariants
    checks.disable()
    config.target_modules = {name.partition("_")[2] for name in bases}

    def build(device: str | None) -> nn.Module:
        # Named as in a model of blocks: some tuners share tensors between layers of one name.
        model = nn.Module()
        for name, base in bases.items():
            place, _, handle = _place(name).rpartition(".")
            _owner_of(model, place).add_module(handle, _copy_of(base, device))
        with contextlib.nullcontext() if device is None else torch.device(device):
            peft.get_peft_model(model, config)
        return model

    with refusals(kind, {}, "cannot change these layers"):
        try:
            model = build(None)
        except (NotImplementedError, RuntimeError, ValueError):
            if not on_meta:
                raise
            # Made from values, of which a layer on the meta device has none.
            model = build("cpu")
    moves = getattr(config, "init_lora_weights", True) in _MOVED_STARTS
    changes = nn.ModuleDict()
    for name, base in bases.items():
        layer: Any = model.get_submodule(_place(name))
        changed = layer.base_layer.weight
        # As a plain attribute, so that peft's code finds the layer but only the ViT has it as a submodule.
        del layer._modules["base_layer"]
        layer.__dict__["base_layer"] = base
        removed = None if on_meta else base.weight - changed
        start = low_rank_start(kind, layer, removed) if moves or removed is not None else None
        changes[name] = PeftChange(layer, start)
    if kind != "adalora":
        _save_fixed(changes, KINDS[kind].from_weights)
    if on_meta:
        to_meta(changes)
    return dict(changes.items())  # type: ignore[arg-type]


def _place(name: str) -> str:
    """Return the place of a layer, `0_attn_q`, in the model that peft sees: `layers.0.attn_q`."""
    number, _, handle = name.partition("_")
    return f"layers.{number}.{handle}"


def _owner_of(model: nn.Module, place: str) -> nn.Module:
    """Return the module at a dotted place, made where there is none."""
    for part in place.split("."):
        if part not in model._modules:
            model.add_module(part, nn.Module())
        model = model.get_submodule(part)
    return model


def _save_fixed(changes: nn.Module, from_weights: tuple[str, ...]) -> None:
    """Make fixed tensors part of the state: parameters that do not train (MiCA's B), and what follows from weights."""
    for prefix, part in changes.named_modules():
        for name, parameter in list(part._parameters.items()):
            if parameter is not None and not parameter.requires_grad:
                del part._parameters[name]
                part.register_buffer(name, parameter.detach())
        for name in list(part._non_persistent_buffers_set):
            if any(key in f"{prefix}.{name}" for key in from_weights):
                part._non_persistent_buffers_set.discard(name)


def _copy_of(base: nn.Linear, device: str | None) -> nn.Linear:
    """Return a frozen copy of a layer; on another device than the layer's, one with values of its own."""
    inputs, outputs, bias = base.in_features, base.out_features, base.bias is not None
    if device is not None:
        return nn.Linear(inputs, outputs, bias=bias, device=device).requires_grad_(False)
    # Nothing is drawn, so that peft's own draws are those that the seed gives.
    without_draws: Any = nn.utils.skip_init
    twin: nn.Linear = without_draws(
        nn.Linear, inputs, outputs, bias=bias, device=base.weight.device, dtype=base.weight.dtype
    )
    if not base.weight.is_meta:
        twin.load_state_dict(base.state_dict())
    return twin.requires_grad_(False)
