"""Files of tensors from elsewhere, read without running any code in them.

PyTorch's, among them checkpoints of mmengine and TorchScript archives, and safetensors'.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from rs_adapt import limits
from rs_adapt.backbones import torchscript
from rs_adapt.errors import WeightsError
from rs_adapt.zips import check_unpacked_size

_WRAPPERS = ("state_dict", "model")


class _Nothing:
    """A stand-in for objects in a checkpoint that are not tensors: accepts any state and ignores it."""

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# mmengine saves its curves of losses in every checkpoint: numpy arrays, and a class that refers to its own methods
# (hence getattr). None of these is called; the reader puts `_Nothing` wherever the file names one of them.
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_MMENGINE_NAMES = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",
    *(f"{module}.{name}" for module in _NUMPY for name in ("_reconstruct", "scalar")),
    "numpy.ndarray",
    "numpy.dtype",
)
# MAE's code saves the arguments of its training beside the weights.
_LEFT_OUT = (*_MMENGINE_NAMES, "argparse.Namespace")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read the tensors of one file by name, from `state_dict` or `model` where the file has such an entry.

    Args:
        file: A file of safetensors or of PyTorch, or a TorchScript archive; recognised by content.

    Raises:
        WeightsError: If the file is damaged, contains Python objects (none of them is run) or no state dict.
    """
    if _is_safetensors(file):
        return _unwrap(_read_safetensors(file), file)
    # Tensors are stored as they are: such a file is as large as what is in it.
    check_unpacked_size(file, error=WeightsError, ratio=limits.TENSOR_RATIO)
    archive = torchscript.is_archive(file)
    return _unwrap(torchscript.read_tensors(file) if archive else _read_pickle(file), file)


def _is_safetensors(file: Path) -> bool:
    # 8 bytes length of the header, then the header: a JSON object.
    try:
        with file.open("rb") as stream:
            return stream.read(9)[8:] == b"{"
    except OSError as error:
        raise WeightsError(f"Cannot read {file}: {error.strerror}") from error


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise WeightsError(_damage_message(file, str(error))) from error


def _read_pickle(file: Path) -> object:
    try:
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals([(_Nothing, name) for name in _LEFT_OUT]),
        ):
            # torch warns about old pickle protocols before it refuses the file; our own error suffices.
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text advises to load the file without the guard, so only the refused name is taken from it.
        if refused := re.search(r"GLOBAL (\S+)|unrecognized function (\S+)", str(error)):
            raise WeightsError(
                f"{file} contains Python objects other than tensors ({refused[1] or refused[2]}); it was refused and "
                "nothing in it was run. Use the published file, or save only the state dict."
            ) from error
        raise WeightsError(_damage_message(file, "not a PyTorch file")) from error
    except Exception as error:
        # torch.load raises any of a dozen exception types for a damaged file.
        raise WeightsError(_damage_message(file, str(error) or type(error).__name__)) from error


def _damage_message(file: Path, reason: str) -> str:
    reason = (reason.strip() or "unreadable").splitlines()[0][:200]
    return (
        f"{file} ({file.stat().st_size} bytes) cannot be read as PyTorch or safetensors weights: "
        f"truncated or a different kind of file ({reason}). Download or copy it again."
    )


def _unwrap(content: object, file: Path) -> dict[str, Tensor]:
    # Once for each wrapper and no more: a damaged file may have a dict that contains itself.
    for _ in _WRAPPERS:
        if isinstance(content, Mapping):
            content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if isinstance(content, Mapping) and content and all(map(_is_plain, content.values())):
        _check_memory(list(content.values()), file)
        return {str(name): value for name, value in content.items()}
    raise WeightsError(
        f"{file} is not a state dict: expected tensors by name, at the top level or under 'state_dict' or 'model'."
    )


def _check_memory(tensors: Sequence[Tensor], file: Path) -> None:
    """Refuse tensors that are far larger than their file: with a step of 0 a single number stands for gigabytes."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    allowed = limits.TENSOR_SPARE_BYTES + limits.TENSOR_RATIO * file.stat().st_size
    if size > allowed:
        raise WeightsError(
            f"{file} ({file.stat().st_size} bytes) describes tensors of {size / 2**20:.0f} MiB: it is damaged, or made "
            "to fill the memory. Download or copy it again."
        )


def _is_plain(value: object) -> bool:
    """Return whether a value is a tensor of real numbers in memory: dense, not quantized, with storage."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized:
        return False
    return value.device.type == "cpu" and not value.is_complex()
