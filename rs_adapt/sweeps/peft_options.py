"""Options of the library peft that a sweep sets, checked by the library before any cell is trained.

The keys of an open table are known to its library alone (`rs_adapt.config.open_tables`), so composing a cell does not
find a misspelt one. The library is loaded only where a sweep sets such an option.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_ADAPTERS = "rs_adapt.Peft"


def check_peft_options(cfg: ResolvedConfig, texts: Sequence[str]) -> None:
    """Refuse options that peft does not have, or values that it does not take.

    Args:
        cfg: The composed cell.
        texts: The `key=value` texts that the sweep sets.

    Raises:
        ConfigError: See `rs_adapt.adapters.peft.options.make_config`.
    """
    if any(".options." in text.partition("=")[0] for text in texts):
        for kind, options in _find(cfg.model.to_dict()):
            _check(kind, json.dumps(options, sort_keys=True))


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
