"""Methods of the library peft, under the contract of the project's own.

peft replaces layers of a model by its own, which contain the frozen layer and the new tensors. Here it is given only
the layers to change; its new layers then belong to the adapter, without the frozen layers, which stay in the ViT.
"""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import ANY, COUNT, COUNT_OR_0, NOT_NEGATIVE, POSITIVE, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import MODELS


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kind:
    """Facts about a method of peft that the bridge needs."""

    # The name in peft.
    name: str
    # Parts of the names of the tensors whose gradient is zero in the first step.
    zero_grad: tuple[str, ...] = ()
    # Whether the features start as the frozen ones.
    identity: bool = True
    # Whether its code compiles into one graph; where not, torch.compile still works, in pieces.
    one_graph: bool = True
    # Whether building its layers needs values, so that they cannot be built on the meta device.
    needs_values: bool = False
    # Options that the bridge itself needs.
    own: Settings = dataclasses.field(default_factory=dict)


_KINDS = {
    # With its schedule of ranks: `PeftAdaLora`.
    "adalora": _Kind(name="ADALORA", zero_grad=("lora_A", "lora_B")),
    "boft": _Kind(name="BOFT", needs_values=True),
    "dora": _Kind(name="LORA", zero_grad=("lora_A",), one_graph=False, own={"use_dora": True}),
    # Its random start moves the features at once; options init_weights=True starts from zero.
    "fourierft": _Kind(name="FOURIERFT", identity=False),
    "hra": _Kind(name="HRA"),
    "ia3": _Kind(name="IA3", own={"feedforward_modules": []}),
    "lora": _Kind(name="LORA", zero_grad=("lora_A",)),
    "oft": _Kind(name="OFT"),
    # The random projections follow from a seed: they need not be saved.
    "vera": _Kind(name="VERA", zero_grad=("vera_lambda_d",), own={"save_projection": False}),
}
# The value of FourierFT's `scaling` that the library documents, and the width that it is for.
_FOURIERFT_SCALING, _FOURIERFT_DIM = 150.0, 768
# Ranges of peft's options; others must be finite numbers, and peft itself may refuse more.
_RANGES = {
    **dict.fromkeys(("r", "init_r", "target_r", "n_frequency", "boft_n_butterfly_factor", "deltaT"), COUNT),
    **dict.fromkeys(
        ("oft_block_size", "boft_block_size", "boft_block_num", "projection_prng_key", "random_loc_seed"), COUNT_OR_0
    ),
    **dict.fromkeys(("lora_alpha", "scaling", "eps"), POSITIVE),
    **dict.fromkeys(
        ("lora_dropout", "vera_dropout", "boft_dropout", "module_dropout", "beta1", "beta2"), SHARE_BELOW_1
    ),
    "orth_reg_weight": NOT_NEGATIVE,
}
# Options that the bridge sets itself, so that a configuration cannot.
_TAKEN = {
    "use_dora",
    "save_projection",
    "peft_type",
    "task_type",
    "target_modules",
    "inference_mode",
    "base_model_name_or_path",
    "auto_mapping",
}


class PeftChange(LayerChange):
    """One of peft's layers in place of the layer that it changes."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run peft's layer, which runs the frozen one."""
        y: Tensor = self.layer(x)
        return y


@MODELS.register_module()
class PeftAdapter(WrappingAdapter):
    """A method of peft (https://github.com/huggingface/peft, Apache-2.0) on linear layers of the ViT.

    The start is the library's own: the features of the frozen ViT, except with FourierFT. Mergeable.

    FourierFT's change of a weight is `scaling` times an inverse Fourier transform, which divides by the number of the
    weight's elements. With `scaling` 150 it has a standard deviation of 0.0058 at a width of 768, and of 0.091 at 192,
    where the weights themselves have 0.07. The option `scaling=None` stands for `150 (embed_dim / 768)^2`, the size of
    change that 150 has at 768.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("magnitude", "lambda", "boft_s", "ia3_l", "bias")

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        kind: str,
        targets: Sequence[str] = ("attn_q", "attn_v"),
        options: ConfigNode | None = None,
    ) -> None:
        """Check the options; the layers are made when the adapter meets its ViT.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            kind: `boft`, `dora`, `fourierft`, `hra`, `ia3`, `lora`, `oft` or `vera`.
            targets: Handles of the layers: attn_q, attn_k, attn_v, attn_out, fc1, fc2.
            options: Options of peft's configuration of the method; FourierFT's `scaling` may be None.

        Raises:
            ConfigError: Peft is not installed, or an argument is not known or refused by peft.
        """
        super().__init__()
        kinds = [name for name in _KINDS if name != "adalora"] if type(self) is PeftAdapter else ["adalora"]
        if kind not in kinds:
            raise ConfigError(f"{type(self).__name__}: there is no kind {kind!r}. Known: {', '.join(kinds)}.")
        self.depth, self.kind = depth, kind
        self.targets = check_targets(f"peft:{kind}", tuple(targets), LINEARS)
        self.options = _resolve_scaling(kind, options or {}, embed_dim=embed_dim)
        facts = _KINDS[kind]
        self.zero_grad_at_init, self.compiles_as_one_graph = facts.zero_grad, facts.one_graph
        self.identity_at_init = facts.identity or bool(self.options.get("init_weights"))
        self.config = _config(kind, self.options)
        self.layers = nn.ModuleDict()

    def wrap(self, vit: nn.Module) -> None:
        """Let peft build all its layers at once, as some methods share tensors, and put them into the ViT."""
        blocks: Any = vit.blocks
        bases = {f"{layer}_{t}": getattr(blocks[layer], t) for layer in range(self.depth) for t in self.targets}
        for base in bases.values():
            require_plain(f"peft:{self.kind}", base)
        for name, layer in _build_with_peft(self.kind, self.config, bases).items():
            self.layers[name] = PeftChange(layer)
        super().wrap(vit)

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield peft's layers, block by block."""
        for name, change in self.layers.items():
            number, _, handle = name.partition("_")
            yield int(number), handle, change  # type: ignore[misc]

    def adapter_params(self) -> dict[str, nn.Parameter]:
        """Return the parameters that train; peft stores a few constants as parameters too."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Let peft write its change into the frozen layer."""
        layer: Any = change.layer
        layer.merge(safe_merge=True)

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
            resolved = _resolve_scaling(kind, options or {}, embed_dim=embed_dim)
            layers = _build_with_peft(kind, _config(kind, resolved), bases)
        return sum(p.numel() for layer in layers.values() for p in layer.parameters() if p.requires_grad)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return (
            {"kind": "lora", "options": {"r": 4}},
            {"kind": "dora", "options": {"r": 4}, "targets": ("attn_q", "fc1")},
            {"kind": "oft", "options": {"r": 0, "oft_block_size": 8}},
            {"kind": "boft", "options": {"boft_block_size": 8}},
            {"kind": "vera", "options": {"r": 16}},
            {"kind": "fourierft", "options": {"n_frequency": 50, "scaling": 1.0}},
            {"kind": "fourierft", "options": {"n_frequency": 50, "scaling": 1.0, "init_weights": True}},
            {"kind": "hra", "options": {"r": 4}},
            {"kind": "ia3"},
        )


def _resolve_scaling(kind: str, options: ConfigNode, *, embed_dim: int) -> ConfigNode:
    """Return the options with FourierFT's `scaling` for the width where it is None."""
    if kind != "fourierft" or options.get("scaling", 0) is not None:
        return dict(options)
    return {**options, "scaling": _FOURIERFT_SCALING * (embed_dim / _FOURIERFT_DIM) ** 2}


def _peft() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import peft
    except ImportError as error:
        raise ConfigError(
            "Methods named peft:... need the library peft, which is not installed. Install it with "
            "pip install 'rs-adapt[peft]'."
        ) from error
    return peft


def _config(kind: str, options: ConfigNode) -> Any:
    peft = _peft()
    facts = _KINDS[kind]
    cls = peft.PEFT_TYPE_TO_CONFIG_MAPPING[getattr(peft.PeftType, facts.name)]
    allowed = sorted(field.name for field in dataclasses.fields(cls) if field.init and field.name not in _TAKEN)
    if unknown := sorted(options.keys() - set(allowed)):
        raise ConfigError(
            f"peft:{kind} has no option {', '.join(unknown)} (model.backbone.adapter.options). "
            f"Known: {', '.join(allowed)}."
        )
    for name, value in options.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            allowed_range = COUNT_OR_0 if (kind, name) == ("oft", "r") else _RANGES.get(name, ANY)
            check_ranges(f"peft:{kind}", **{name: (value, allowed_range)})
    try:
        with warnings.catch_warnings():
            # peft warns that projections are not saved.
            warnings.simplefilter("ignore")
            return cls(**{**options, **facts.own, "target_modules": [".*"]})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"peft:{kind} rejects the options {dict(options)}: {error}") from error


def _build_with_peft(kind: str, config: Any, bases: Mapping[str, nn.Linear]) -> dict[str, nn.Module]:
    """Build peft's layer for each layer, without the layer itself among its submodules."""
    peft = _peft()
    on_meta = next(iter(bases.values())).weight.is_meta
    linears: Mapping[str, nn.Linear] = bases
    device: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if on_meta and _KINDS[kind].needs_values:
        device = torch.device("cpu")
        linears = {name: nn.Linear(base.in_features, base.out_features, device="cpu") for name, base in bases.items()}
    model = nn.ModuleDict(linears)
    config.target_modules = set(bases)
    try:
        with warnings.catch_warnings(), device:
            warnings.simplefilter("ignore")
            peft.get_peft_model(model, config)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"peft:{kind} cannot change these layers: {error}") from error
    built: dict[str, nn.Module] = {}
    for name, base in bases.items():
        layer = model[name]
        # As a plain attribute, so that peft's code finds the layer but only the ViT has it as a submodule.
        del layer._modules["base_layer"]
        layer.__dict__["base_layer"] = base
        built[name] = layer.to("meta") if on_meta else layer
    return built
