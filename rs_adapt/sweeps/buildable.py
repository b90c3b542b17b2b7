"""What composing a cell of a sweep does not find, because only a class or a library refuses it, found before any cell.

A rank above the width, or an option that the library peft does not have, would end a cell hours after the sweep's
start. Classes are loaded only where a sweep changes a method or a model, or names a stack or a gate.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from rs_adapt.config.methods import GATE

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_OF_THE_MODEL = ("method.", "model.", "head.")
_ADAPTERS = "rs_adapt.Peft"
# Models that were built, as their configurations print them.
_BUILT: set[str] = set()
# Refuses a composed cell, with the `key=value` texts that its sweep sets.
CheckCell: TypeAlias = "Callable[[ResolvedConfig, Sequence[str]], None]"


def check_peft_options(cfg: ResolvedConfig, texts: Sequence[str]) -> None:
    """Refuse options that peft does not have, or values that it does not take; only peft is loaded for it.

    Args:
        cfg: The composed cell.
        texts: The `key=value` texts that the sweep sets.

    Raises:
        ConfigError: See `rs_adapt.adapters.peft.options.make_config`.
    """
    if any(".options." in text.partition("=")[0] for text in texts):
        for kind, options in _find(cfg.model.to_dict()):
            _check(kind, json.dumps(options, sort_keys=True))


def check_builds(cfg: ResolvedConfig, texts: Sequence[str]) -> None:
    """Refuse a cell whose model cannot be built; builds it without memory.

    Args:
        cfg: The composed cell.
        texts: The `key=value` texts that the sweep sets.

    Raises:
        ConfigError: A class refuses its arguments.
    """
    changes = any(text.partition("=")[0].strip().startswith(_OF_THE_MODEL) for text in texts)
    if not changes and "+" not in cfg.cell.method and not cfg.cell.method.startswith(GATE):
        return
    model = str(cfg.model)
    # Cells that differ in their seed have one model.
    if model not in _BUILT:
        from rs_adapt.engine.parameters import build_on_meta
        from rs_adapt.engine.registered import check_registered

        check_registered(texts)
        build_on_meta(cfg)
        _BUILT.add(model)


def _find(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and options of the adapters of peft in a model, those in stacks and gates included."""
    if isinstance(node, dict):
        if str(node.get("type")).startswith(_ADAPTERS):
            yield node["kind"], node["options"]
        node = list(node.values())
    for entry in node if isinstance(node, list | tuple) else ():
        yield from _find(entry)


# Cells that differ in their seed have the same options.
@functools.cache
def _check(kind: str, options_json: str) -> None:
    from rs_adapt.adapters.peft.options import make_config

    # None stands for a value that follows from the width, which is for the adapter to find.
    make_config(kind, {name: value for name, value in json.loads(options_json).items() if value is not None})
