"""Earth-Adapter under a compiler: its operators are there before the first forward pass is compiled."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from rs_adapt.adapters import EarthAdapter


def test_each_grid_is_compiled_once() -> None:
    adapter = EarthAdapter(embed_dim=32, depth=1, rank=4, frequency_layers=(0,), cutoff=0.6)

    def run(x_BND: Tensor, grid_hw: tuple[int, int]) -> Tensor:
        return adapter.after_block(x_BND, 0, grid_hw)

    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(run, backend=counter, fullgraph=True, dynamic=False)
    counts = []
    for grid in ((4, 4), (4, 4), (4, 7), (4, 4), (4, 7)):
        x_BND = torch.randn(1, 1 + grid[0] * grid[1], 32)
        torch.testing.assert_close(compiled(x_BND, grid), run(x_BND, grid), rtol=0, atol=1e-6)
        counts.append(counter.frame_count)
    assert counts == [1, 1, 2, 2, 2]
