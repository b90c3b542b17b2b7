"""PEFT methods: every public module below this folder is imported, which registers its classes.

A module that cannot be imported does not break the others: `broken` holds its file and the reason, which is raised when
one of its classes is looked up.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.adapters.contract.adapter import Adapter, attach

__all__ = ["Adapter", "attach", "broken"]

broken: dict[str, str] = {}

for _info in pkgutil.walk_packages(__path__, f"{__name__}."):
    if _info.name.startswith(f"{__name__}.contract") or _info.name.rpartition(".")[2].startswith("_"):
        continue
    try:
        _module = importlib.import_module(_info.name)
    except Exception as _error:
        # Whatever a file that somebody is writing raises.
        broken[str(Path(__path__[0], *_info.name.split(".")[2:]).with_suffix(".py"))] = (
            f"{type(_error).__name__}: {_error}"
        )
        continue
    for _name, _value in vars(_module).items():
        if isinstance(_value, type) and issubclass(_value, Adapter) and _value.__module__ == _module.__name__:
            globals()[_name] = _value
            __all__ += [_name]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
