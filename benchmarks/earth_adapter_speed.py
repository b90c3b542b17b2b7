"""Earth-Adapter, ours beside the plain FFT form: time of forward + backward and bytes kept for the backward pass.

    python benchmarks/earth_adapter_speed.py [--threads 1] [--repeats 9] [--batch 2] [--device cpu] [--precision fp32]

Both forms run in turn in one process on the same weights and tokens (D = 1024, a 32 x 32 grid, CLS); times are medians.
"Kept" is the size of the tensors that autograd saves between forward and backward, weights and input apart, each
storage counted once. With `--device cuda` the peak that the allocator saw is shown too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from rs_adapt.adapters._earth_adapter_plain import Bottleneck, earth_adapter_plain
from rs_adapt.adapters.earth_adapter import EarthAdapter

EMBED_DIM, GRID_HW, CUTOFF = 1024, (32, 32), 0.3
SPATIAL, FREQUENCY = 0, 1


def plain_layer(adapter: EarthAdapter, layer: int) -> Callable[[Tensor], Tensor]:
    """Return the plain form of a layer with separate weights of the same values."""
    mixture, r, e = adapter.layers[layer], adapter.rank, adapter.layers[layer].num_experts
    down, bias, up = (p.detach() for p in (mixture.down_weight, mixture.down_bias, mixture.up_weight))

    def own(part: Tensor) -> Tensor:
        return part.clone().requires_grad_()

    experts = tuple(
        Bottleneck(
            down_RD=own(down[i * r : (i + 1) * r]),
            down_bias_R=own(bias[i * r : (i + 1) * r]),
            up_DR=own(up[:, i * r : (i + 1) * r]),
            up_bias_D=own(up[:, e * r + i]),
        )
        for i in range(e)
    )
    router = (own(down[3 * r :]), own(bias[3 * r :])) if e == 3 else None
    scale = own(adapter.scale.detach()[layer])
    half_height, half_width = (int(side * CUTOFF // 2) for side in GRID_HW)
    half_hw = half_height, half_width
    return lambda x: earth_adapter_plain(x, GRID_HW, experts=experts, router=router, scale=scale, half_hw=half_hw)


def kept_bytes(forward: Callable[[Tensor], Tensor], x: Tensor, weights: set[int]) -> int:
    """Return the bytes that autograd saves in one forward pass, weights and input apart."""
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = forward(x)  # alive until after the count, so that no address is used twice
        count = sum(size for pointer, size in saved.items() if pointer not in weights)
    del y
    return count


def step_s(forward: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    x.grad = None
    start = time.perf_counter()
    forward(x).backward(gradient)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(forward: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> int:
    """Return the allocator's peak above what is held before the step (CUDA only)."""
    x.grad = None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    forward(x).backward(gradient)
    return torch.cuda.max_memory_allocated() - before


def compare(adapter: EarthAdapter, layer: int, args: argparse.Namespace) -> str:
    """Return one row of the table."""
    device = torch.device(args.device)
    shape = (args.batch, 1 + GRID_HW[0] * GRID_HW[1], EMBED_DIM)
    x = torch.randn(shape, device=device, requires_grad=True)
    gradient = torch.randn(shape, device=device)

    def ours(tokens: Tensor) -> Tensor:
        return adapter.after_block(tokens, layer, GRID_HW)

    plain = plain_layer(adapter, layer)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16")
    with autocast:
        tolerance = 1e-5 if args.precision == "fp32" else 0.05
        torch.testing.assert_close(ours(x), plain(x), atol=tolerance, rtol=0)
        weights = {p.untyped_storage().data_ptr() for p in [*adapter.parameters(), x]}
        kept = [kept_bytes(form, x, weights) / 2**20 for form in (plain, ours)]
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(args.repeats + 2):
            for form, record in zip((plain, ours), times, strict=True):
                record.append(step_s(form, x, gradient))
        peaks = [peak_bytes(form, x, gradient) / 2**20 for form in (plain, ours)] if x.is_cuda else []
    plain_ms, ours_ms = (1e3 * statistics.median(record[2:]) for record in times)
    kind = "frequency" if layer == FREQUENCY else "spatial"
    row = f"{adapter.rank:>4}  {kind:<9}  {plain_ms:9.2f}  {ours_ms:8.2f}  {plain_ms / ours_ms:5.2f}x"
    row += f"  {kept[0]:10.1f}  {kept[1]:9.1f}  {kept[0] / kept[1]:5.1f}x"
    return row + (f"  {peaks[0]:10.1f}  {peaks[1]:9.1f}" if peaks else "")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.device}, {args.threads} threads, batch {args.batch}, {args.precision}")
    print("rank  layer      plain, ms  ours, ms  ratio  plain, MiB  ours, MiB  ratio")
    for rank in (16, 32, 64):
        torch.manual_seed(0)
        adapter = EarthAdapter(embed_dim=EMBED_DIM, depth=2, rank=rank, frequency_layers=[FREQUENCY], cutoff=CUTOFF)
        adapter.to(args.device)
        for layer in (SPATIAL, FREQUENCY):
            print(compare(adapter, layer, args))


if __name__ == "__main__":
    main()
