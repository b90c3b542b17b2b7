"""Places of a training step where the host would wait for a GPU, found on a CPU.

A GPU works behind the host. An operator whose result has a size that depends on values, and every number that Python
reads off a tensor, makes the host wait until the GPU has caught up. On a CPU the same operators are seen by torch's
modes. They do not see copies of tensors that are made on the host (`torch.tensor(..., device="cuda")`), for which
`torch.cuda.set_sync_debug_mode` is needed (`syncs.py`), and they count numbers read off tensors that lie on the host on
every machine, such as draws of its generator.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_ROOT = Path(__file__).resolve().parents[2]
_SIZED_BY_VALUES = frozenset(
    ["_local_scalar_dense", "nonzero", "_unique2", "unique_dim", "unique_consecutive", "bincount", "masked_select"]
)
_INDEXING = frozenset(["index", "index_put", "index_put_", "_index_put_impl_"])
# Methods that copy to the host without an operator where the tensor is there already.
_COPIES = {Tensor.cpu: "cpu", Tensor.tolist: "tolist"}

# Where the host may wait in a step of the project: nowhere else. The reasons are in docs/guides/training-speed.md.
STATED = (
    "rs_adapt/engine/optim.py:update_params",
    "rs_adapt/engine/runner.py:_copy_to_host",
    "rs_adapt/heads/mask2former_loss.py:_assign",
    "rs_adapt/heads/mask2former_loss.py:_present_classes",
    "rs_adapt/strategies/class_mix.py:class_mix",
)


def waits_on_cpu(step: Callable[[], object]) -> Counter[tuple[str, str]]:
    """Return how often each place would wait in a call: by `file:function` of this project, and by operator.

    Args:
        step: What is called once. Waits within torch's optimizers are left out: they read their own counts of steps,
            which lie on the host.
    """
    places: Counter[tuple[str, str]] = Counter()
    with _Methods(places), _Operators(places):
        step()
    return places


class _Operators(TorchDispatchMode):
    def __init__(self, places: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self._places = places

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _SIZED_BY_VALUES or (name in _INDEXING and _has_mask(args[1])) or _repeats(func):
            _note(self._places, name)
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, places: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self._places = places

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if func in _COPIES:
            _note(self._places, _COPIES[func])
        if func is functional.one_hot:
            # It looks at the values on a CPU alone.
            before = self._places.copy()
            result = func(*args, **(kwargs or {}))
            self._places.clear()
            self._places.update(before)
            return result
        return func(*args, **(kwargs or {}))


def _has_mask(indices: Any) -> bool:
    return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in indices)


def _repeats(func: Any) -> bool:
    return bool(func is torch.ops.aten.repeat_interleave.Tensor)


def _note(places: Counter[tuple[str, str]], name: str) -> None:
    frames = traceback.extract_stack()
    if any("/torch/optim/" in frame.filename for frame in frames):
        return
    # Comprehensions are functions up to Python 3.11.
    frames = [frame for frame in frames if not frame.name.startswith("<")]
    frames = [frame for frame in frames if "/torch/" not in frame.filename and frame.filename != __file__]
    own = [frame for frame in frames if "/rs_adapt/" in frame.filename]
    frame = own[-1] if own else frames[-1]
    path = Path(frame.filename).resolve()
    file = path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else path.name
    places[f"{file}:{frame.name}", name] += 1
