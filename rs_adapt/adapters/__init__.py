"""PEFT methods, one file each: every public module beside this file is imported, which registers its classes."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from rs_adapt.adapters._contract import Adapter, attach

__all__ = ["Adapter", "attach"]

for _info in pkgutil.iter_modules(__path__):
    if not _info.name.startswith("_"):
        _module = importlib.import_module(f"{__name__}.{_info.name}")
        for _name, _value in vars(_module).items():
            if isinstance(_value, type) and issubclass(_value, Adapter) and _value.__module__ == _module.__name__:
                globals()[_name] = _value
                __all__ += [_name]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
