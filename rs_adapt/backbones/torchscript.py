"""Tensors of a TorchScript archive, read without running anything in it.

Such an archive is a zip file: code, a pickle of the module tree (`data.pkl`), and the bytes of each tensor. Loading it
with torch compiles its code, and `torch.load(weights_only=True)` refuses it. Here the pickle is read by an unpickler
that calls only its own functions: modules become plain objects with attributes, tensors are views of the bytes, and
any other name is refused before anything is called.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rs_adapt import limits
from rs_adapt.errors import WeightsError

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# Functions that torch.jit writes for typed lists and dicts.
_TYPED = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")


def is_archive(file: Path) -> bool:
    """Return whether a file is a TorchScript archive; `torch.save` writes zip files too, but without constants."""
    try:
        if not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        # Damaged: the reader of other files reports it.
        return False


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read the parameters and buffers of the module in an archive, by the names of its state dict.

    Raises:
        WeightsError: The archive is damaged, or its pickle names something other than modules and tensors.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as pickled:
                module = _Unpickler(pickled, archive, name.removesuffix("data.pkl")).load()
        tensors: dict[str, Tensor] = {}
        _collect(module, "", tensors)
        return tensors
    except _Refused as error:
        raise WeightsError(
            f"{file} contains Python objects other than modules and tensors ({error}); it was refused and nothing in "
            "it was run. Use the published file, or a safetensors file of the same model."
        ) from error
    except Exception as error:
        # A damaged archive raises any of a dozen exception types.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise WeightsError(
            f"{file} ({file.stat().st_size} bytes) cannot be read as a TorchScript archive: truncated or a different "
            f"kind of file ({reason}). Download or copy it again."
        ) from error


class _Refused(pickle.UnpicklingError):
    """The pickle names something other than a module, tensor or plain container."""


class _Module:
    """A stand-in for any scripted module, with its attributes and without its code."""

    def __init__(self) -> None:
        self.attributes: dict[str, object] = {}

    def __setstate__(self, state: object) -> None:
        self.attributes = dict(state) if isinstance(state, dict) else {}


class _Unpickler(pickle.Unpickler):
    """An unpickler that accepts modules, tensors and lists only."""

    def __init__(self, pickled: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(pickled)
        self._archive, self._root = archive, root
        self._bytes: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name.

        Raises:
            _Refused: The name is not allowed.
        """
        # Functions are created each time, because a pickle can set attributes on them.
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: _tensor(*parts)
        if module == "torch.jit._pickle" and name in _TYPED:
            return lambda value, *_: value
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        """Return the values of a storage, one-dimensional."""
        kind, dtype, key, _device, _numel = pid
        if kind != "storage" or dtype not in _STORAGES.values():
            raise _Refused(f"persistent id {kind!r}")
        if key not in self._bytes:
            # A copy: torch needs writable memory.
            content = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._bytes[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        return self._bytes[key]


def _tensor(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any) -> Tensor:
    last_index = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    empty = any(length == 0 for length in size)
    if min([offset, *size, *stride]) < 0 or (not empty and last_index >= len(storage)):
        raise ValueError("a tensor extends past the end of its storage")
    if math.prod(size) * storage.element_size() > storage.nbytes + limits.TENSOR_SPARE_BYTES:
        raise ValueError("a tensor repeats its storage to far more than its size")
    return storage.as_strided(tuple(size), tuple(stride), offset).contiguous()


def _collect(module: object, prefix: str, tensors: dict[str, Tensor]) -> None:
    if isinstance(module, _Module):
        for name, value in module.attributes.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}{name}"] = value
            else:
                _collect(value, f"{prefix}{name}.", tensors)
