"""State dicts in which a tensor that several layers share stands once."""

from __future__ import annotations

import itertools
from typing import Any

from torch import nn


def keep_shared_tensors_once(module: nn.Module) -> None:
    """Let a module save each of its tensors under its first name only, and load such a state dict."""
    untyped: Any = module
    untyped.register_state_dict_post_hook(_drop_repeated)
    untyped.register_load_state_dict_pre_hook(_fill_in_repeated)


def to_meta(module: nn.Module) -> None:
    """Move a module to the meta device; tensors that were shared still are, and count once."""
    moved: dict[int, Any] = {}
    # Kept alive until the end, so that no identity is given twice.
    before = [*module.parameters(), *module.buffers()]
    for tensor in before:
        on_meta = tensor.detach().to("meta")
        parameter = isinstance(tensor, nn.Parameter)
        moved[id(tensor)] = nn.Parameter(on_meta, requires_grad=tensor.requires_grad) if parameter else on_meta
    for part in module.modules():
        tables: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
        for tensors in tables:
            for name, tensor in tensors.items():
                tensors[name] = moved.get(id(tensor), tensor)


def _repeated(module: nn.Module) -> dict[str, str]:
    """Return the first name of a tensor by each of its further names."""
    first: dict[int, str] = {}
    named = itertools.chain(
        module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)
    )
    pairs = [(name, first.setdefault(id(tensor), name)) for name, tensor in named]
    return {name: of for name, of in pairs if name != of}


def _drop_repeated(module: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    for name in _repeated(module):
        state.pop(f"{prefix}{name}", None)


def _fill_in_repeated(module: nn.Module, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    for name, of in _repeated(module).items():
        if f"{prefix}{of}" in state:
            state.setdefault(f"{prefix}{name}", state[f"{prefix}{of}"])
