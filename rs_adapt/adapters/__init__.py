"""PEFT methods: every public module below this folder is imported, which registers its classes."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from rs_adapt.adapters.contract.adapter import Adapter, attach

__all__ = ["Adapter", "attach"]

for _info in pkgutil.walk_packages(__path__, f"{__name__}."):
    if _info.name.startswith(f"{__name__}.contract") or _info.name.rpartition(".")[2].startswith("_"):
        continue
    _module = importlib.import_module(_info.name)
    for _name, _value in vars(_module).items():
        if isinstance(_value, type) and issubclass(_value, Adapter) and _value.__module__ == _module.__name__:
            globals()[_name] = _value
            __all__ += [_name]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
