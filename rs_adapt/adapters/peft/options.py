"""Options of peft's configurations: which a method has, which values peft declares, and peft's own refusals."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import typing
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args, get_origin

from rs_adapt.adapters.peft.kinds import KINDS
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import ANY, COUNT, COUNT_OR_0, NOT_NEGATIVE, POSITIVE, SHARE_BELOW_1, check_ranges

OPTIONS_KEY = "model.backbone.adapter.options"
# Ranges of peft's options, and of the entries of tables; others must be finite numbers, and peft may refuse more.
_RANGES = {
    **dict.fromkeys(
        ("r", "rank_pattern", "init_r", "target_r", "n_frequency", "boft_n_butterfly_factor", "deltaT"), COUNT
    ),
    **dict.fromkeys(
        (
            *("oft_block_size", "boft_block_size", "boft_block_num"),
            *("projection_prng_key", "random_loc_seed", "random_seed"),
        ),
        COUNT_OR_0,
    ),
    **dict.fromkeys(("lora_alpha", "alpha", "alpha_pattern", "scaling", "eps"), POSITIVE),
    **dict.fromkeys(
        ("lora_dropout", "vera_dropout", "boft_dropout", "module_dropout", "beta1", "beta2"), SHARE_BELOW_1
    ),
    "orth_reg_weight": NOT_NEGATIVE,
}
# How peft refuses options.
_REFUSALS = (TypeError, ValueError, AttributeError, KeyError, ImportError, ZeroDivisionError, RuntimeError, re.error)
# Warnings of peft that an option has another value than the one given, or none, or that the start is not its usual one.
_DEVIATES = re.compile(r"(?<!which )will be ignored|[Aa]djusted `|can NOT be performed")
# Options about a whole model, of which peft sees only the layers to change.
_OF_THE_BRIDGE = {
    **dict.fromkeys(
        ("target_modules", "exclude_modules", "target_parameters", "layers_to_transform", "layers_pattern"),
        "which layers change is set by model.backbone.adapter.targets",
    ),
    **dict.fromkeys(
        ("modules_to_save", "trainable_token_indices", "ensure_weight_tying", "bias", "layer_replication"),
        "peft sees only the layers that change, and all else of the backbone stays frozen",
    ),
    **dict.fromkeys(
        ("alora_invocation_tokens", "arrow_config", "use_qalora", "qalora_group_size"),
        "it is for models of text, or for quantized ones",
    ),
    **dict.fromkeys(
        ("corda_config", "lora_ga_config", "monteclora_config"),
        "it needs a pass over data, or a further term of the loss, which peft leaves to the program around its layers",
    ),
    "kasa_config": "it removes the smallest singular components of the frozen weights, which stay as they are here",
    **dict.fromkeys(
        ("megatron_config", "megatron_core", "loftq_config", "runtime_config", "runtime_offload_base_weight"),
        "it is for models that are split over machines, or quantized",
    ),
    **dict.fromkeys(
        (
            *("peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
            *("inference_mode", "save_projection", "progressbar", "fan_in_fan_out", "generator_seed"),
        ),
        "the bridge sets it",
    ),
}
# Values that cannot work here, and are not recommended; peft itself refuses the second with the layers.
_WITHOUT = {"init_lora_weights": ("loftq", "corda")}


def load_peft() -> Any:
    """Return the library.

    Raises:
        ConfigError: It is not installed; the text says how to install it.
    """
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


@contextmanager
def refusals(kind: str, options: Mapping[str, Any], what: str) -> Iterator[None]:
    """Turn an error of peft about options into one that names them, with the values that peft declares.

    Args:
        kind: Kind of method.
        options: The options that were given.
        what: What peft was doing: `rejects the options`, `cannot change these layers`.

    Raises:
        ConfigError: Peft raised an error.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            # peft also warns of what the bridge does on purpose, such as projections that are not saved.
            warnings.simplefilter("always")
            yield
        if found := next((str(one.message) for one in caught if _DEVIATES.search(str(one.message))), None):
            raise ValueError(found)
    except _REFUSALS as error:
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        text = (str(error).strip() or type(error).__name__).rstrip(".")
        raise ConfigError(f"peft:{kind} {what}{given and f' (options: {given})'}: {text}.") from error


def make_config(kind: str, options: ConfigNode) -> Any:
    """Return peft's configuration of a method.

    Args:
        kind: A key of `KINDS`.
        options: Options of peft's configuration class; nested tables for its sub-configurations.

    Raises:
        ConfigError: An option is unknown, belongs to the bridge, or has a value that peft does not declare or refuses.
    """
    peft, facts = load_peft(), KINDS[kind]
    cls = peft.PEFT_TYPE_TO_CONFIG_MAPPING[getattr(peft.PeftType, facts.name)]
    taken = {*_OF_THE_BRIDGE, *facts.own, *facts.without}
    for name in options:
        if name in taken:
            reason = _OF_THE_BRIDGE.get(name, "it is of LoRA alone" if name in facts.without else "it is the method")
            raise ConfigError(f"peft:{kind}: the option {name} ({OPTIONS_KEY}) cannot be set: {reason}. Leave it out.")
    _check(kind, cls, options, place="", hidden=taken)
    with refusals(kind, options, "rejects the options"):
        config = cls(**{**options, **facts.own, "target_modules": [".*"]})
        _check_together(kind, config)
        return config


def _check_together(kind: str, config: Any) -> None:
    """Refuse what peft finds out in the first forward pass, or not at all.

    Raises:
        ValueError: The values do not go together.
    """
    if kind == "vblora" and config.topk > config.num_vectors:
        raise ValueError(f"topk is {config.topk}, and num_vectors only {config.num_vectors}")
    if kind == "vblora" and config.topk < 2:
        raise ValueError(
            f"topk is {config.topk}: one chosen vector always has the weight 1, so the logits never train; set 2 or "
            "more"
        )
    if kind == "boft" and config.boft_n_butterfly_factor != 1:
        raise ValueError(
            f"boft_n_butterfly_factor is {config.boft_n_butterfly_factor}; without an extension compiled for CUDA, "
            "peft takes 1 in its place"
        )
    if kind == "hra" and config.apply_GS and config.init_weights:
        raise ValueError("apply_GS divides by zero at the symmetric start; set init_weights=False with it")


def require_matches(kind: str, options: Mapping[str, Any], layers: Sequence[str]) -> None:
    """Refuse entries of `rank_pattern` and the like that match none of the layers, which peft would pass over.

    Args:
        kind: Kind of method.
        options: Options that were accepted.
        layers: The dotted names of the layers in the model that peft sees.

    Raises:
        ConfigError: An entry matches no layer.
    """
    for option, table in options.items():
        for key in table if option.endswith("_pattern") and isinstance(table, Mapping) else ():
            with refusals(kind, {f"{option}.{key}": table[key]}, "cannot read a pattern"):
                matches = any(re.match(rf"(.*\.)?({key})$", layer) for layer in layers)
            if not matches:
                handles = ", ".join(dict.fromkeys(layer.rpartition(".")[2] for layer in layers))
                raise ConfigError(
                    f"peft:{kind}: the option {option} ({OPTIONS_KEY}) has an entry {key!r}, which matches no layer. "
                    f"Name one of {handles}."
                )


def _check(kind: str, cls: type, options: Mapping[str, Any], *, place: str, hidden: set[str]) -> None:
    """Refuse names and values that a configuration class of peft does not declare."""
    hints = typing.get_type_hints(cls)
    known = sorted(f.name for f in dataclasses.fields(cls) if f.init and f.name not in hidden)
    for name, value in options.items():
        full = f"{place}{name}"
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(f"peft:{kind} has no option {full} ({OPTIONS_KEY}).{hint} Known: {', '.join(known)}.")
        if full == "init_lora_weights" and value == "loftq":
            raise ConfigError(
                f"peft:{kind} rejects the options (options: {full}={value!r}): loftq quantizes the base, which stays "
                f"as it is here. Allowed are {_describe(hints[name], without=_WITHOUT[full])}."
            )
        nested = [part for part in _members(hints[name]) if dataclasses.is_dataclass(part)]
        if nested and isinstance(value, Mapping):
            _check(kind, nested[0], value, place=f"{full}.", hidden=set())  # type: ignore[arg-type]
        elif not _is_declared(value, hints[name]):
            raise ConfigError(
                f"peft:{kind}: the option {full} ({OPTIONS_KEY}) is {value!r}. Peft allows "
                f"{_describe(hints[name], without=_WITHOUT.get(full, ()))}."
            )
        elif isinstance(value, int | float) and not isinstance(value, bool):
            allowed = COUNT_OR_0 if (kind, full) == ("oft", "r") else _RANGES.get(full, ANY)
            check_ranges(f"peft:{kind}", **{full: (value, allowed)})
        elif isinstance(value, Mapping) and full in _RANGES:
            entries = {f"{full}.{key}": (entry, _RANGES[full]) for key, entry in value.items()}
            check_ranges(f"peft:{kind}", **entries)


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(hint) if get_origin(hint) not in (None, Literal, list, dict, tuple, set) else (hint,)


def _is_declared(value: Any, hint: Any) -> bool:
    return any(_is_member(value, member) for member in _members(hint))


def _is_member(value: Any, member: Any) -> bool:
    origin = get_origin(member)
    if origin is Literal:
        # Some names have a number in them: pissa_niter_[number of iters].
        return any(
            re.fullmatch(re.sub(r"\\\[.*?\\\]", r"\\d+", re.escape(name)), value) is not None
            if isinstance(name, str) and isinstance(value, str)
            else name == value
            for name in get_args(member)
        )
    if member is float:
        return type(value) in (int, float) and math.isfinite(value)
    if member is int:
        return type(value) is int
    plain, inner = origin or member, get_args(member)
    if plain in (dict, list) and isinstance(value, plain) and inner:
        parts = value.values() if isinstance(value, dict) else value
        return all(_is_declared(part, inner[-1]) for part in parts)
    return plain is Any or (isinstance(plain, type) and isinstance(value, plain))


def _describe(hint: Any, *, without: Container[str] = ()) -> str:
    """Return the values of a type in words, the names of a literal in full."""
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", type(None): "None"}
    parts = [
        ", ".join(repr(name) for name in get_args(member) if name not in without)
        if get_origin(member) is Literal
        else words.get(member) or ("a list" if get_origin(member) in (list, tuple, set) else "a table of entries")
        for member in _members(hint)
    ]
    return " or ".join(dict.fromkeys(parts))
