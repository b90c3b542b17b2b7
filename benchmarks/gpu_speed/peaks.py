"""Peaks of known GPUs, and the share of a peak that a step reaches."""

from __future__ import annotations

# Dense TFLOP/s of bf16 with fp32 sums, from NVIDIA's data sheets and, for consumer cards, architecture papers; the
# figures with sparsity there are twice these. The first entry that a device's name holds counts. TF32 has half of it on
# all of them.
BF16_TFLOPS = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200": 989,
    "GH200": 989,
    "A100": 312,
    "L40S": 362,
    "RTX 4090": 165,
    "RTX 3090": 71,
    "RTX A6000": 155,
}


def peak_tflops(device_name: str, precision: str, bf16_tflops: float | None) -> float | None:
    """Return the peak of a device in TFLOP/s, None where it is not known.

    Args:
        device_name: Name of the device, as CUDA has it.
        precision: `bf16`, or `tf32` with half of its peak; of `fp32` without TF32 no peak is stated.
        bf16_tflops: The peak for bf16 instead of the table's; None for the table's.
    """
    if bf16_tflops is None:
        bf16_tflops = next((peak for name, peak in BF16_TFLOPS.items() if name in device_name), None)
    share = {"bf16": 1.0, "tf32": 0.5}.get(precision)
    return None if bf16_tflops is None or share is None else bf16_tflops * share


def mfu_pct(tflop: float, step_ms: float, peak: float | None) -> float | None:
    """Return the share of the peak in %: counted TFLOP of a step by its time; None without a peak."""
    return None if peak is None else 100 * tflop / (step_ms / 1e3) / peak
