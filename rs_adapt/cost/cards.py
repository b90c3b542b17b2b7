"""Which graphics cards a training fits on, by the peak of its tensors. Loads no torch."""

from __future__ import annotations

# Common sizes of graphics cards.
CARDS_GIB = (8, 12, 16, 24, 48, 80)
# Assumptions, not measured: what a process with CUDA holds before its first tensor, and what the allocator reserves
# beside the tensors, because free pieces between them are too small.
CONTEXT_BYTES = 2**29
FRAGMENTATION = 1.1
# Measured: the resident memory of a process on a CPU was 1.4 and 1.5 times the predicted peak (ViT-B in adaptation,
# benchmarks/RESULTS.md), because malloc keeps freed memory.
CPU_FRAGMENTATION = 1.6
GIB = 2**30

ASSUMED = (
    "Predicted from shapes, without a GPU. A card fits the peak of all tensors, a tenth more for gaps between them, "
    "and 0.5 GiB for CUDA itself; these two are assumptions. Workspaces within kernels are not counted, and in bf16 "
    "what CUDA computes in fp32 beside the loss (group norms, softmax of some heads) is counted as bf16."
)


def needed_bytes(peak_bytes: int, *, on_gpu: bool = True) -> int:
    """Return the free memory that a training needs, with the margins above.

    Args:
        peak_bytes: Most bytes of live tensors at once.
        on_gpu: Whether the tensors are on a GPU, whose context needs memory of its own.
    """
    return int(peak_bytes * FRAGMENTATION) + CONTEXT_BYTES if on_gpu else int(peak_bytes * CPU_FRAGMENTATION)


def describe_bytes(size: int) -> str:
    """Return a size in GiB, or in MiB below one."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def fitting_cards(peak_bytes: int) -> tuple[int, ...]:
    """Return the sizes of cards (GiB) that a training fits on, ascending; empty if none is large enough."""
    return tuple(card for card in CARDS_GIB if needed_bytes(peak_bytes) <= card * GIB)


def describe_fit(peak_bytes: int) -> str:
    """Return in words which cards a training fits on."""
    cards = fitting_cards(peak_bytes)
    if not cards:
        return f"does not fit on a card of {CARDS_GIB[-1]} GB"
    return f"fits on cards of {', '.join(map(str, cards))} GB"
