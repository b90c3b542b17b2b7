"""Bytes of live tensors while code runs, real or without values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that counts the bytes of all tensors that operations within it return, until they are freed.

    A storage that several tensors share counts once, wherever its tensors are. What an operation allocates within
    itself is not seen. `torch.distributed._tools.mem_tracker.MemTracker` counts in the same way, but refuses models
    with frozen parameters (torch 2.13) and keeps a snapshot for every module.

    Args:
        block_bytes: Storages are rounded up to multiples of it, as an allocator does; 1 counts exactly.
    """

    def __init__(self, *, block_bytes: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.block_bytes = block_bytes
        self.live_bytes = 0
        self.peak_bytes = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def hold(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors that were made before the context."""
        for tensor in tensors:
            self._add(tensor)

    def restart_peak(self) -> None:
        """Let the peak begin at what is live now."""
        self.peak_bytes = self.live_bytes

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and count what it returns."""
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        return output

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        known = self._storages.get(key)
        if known is not None and known() is storage:
            return
        size = -(-storage.nbytes() // self.block_bytes) * self.block_bytes

        def forget(_reference: object) -> None:
            self.live_bytes -= size
            self._storages.pop(key, None)

        self._storages[key] = weakref.ref(storage, forget)
        self.live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
