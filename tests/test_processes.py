"""With a single process everything is the plain thing; with several, places and shares are those of a dealt batch."""

from __future__ import annotations

import pytest
import torch

from rs_adapt import processes
from rs_adapt.errors import ConfigError


def as_one_of(monkeypatch: pytest.MonkeyPatch, rank: int, count: int) -> None:
    monkeypatch.setattr(processes, "rank_and_world_size", lambda: (rank, count))


def test_a_single_process_draws_from_torch_itself() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4, 2)
    torch.manual_seed(3)
    assert torch.equal(processes.rand(4, 2), expected)
    assert processes.generator() is None
    assert processes.gather_in_batch_order([5, 2]) == [5, 2]
    assert processes.on_rank_zero(lambda: 7) == 7
    assert processes.any_rank(True)
    assert int(processes.global_mean_denominator(torch.tensor(0), least=1)) == 1


@pytest.mark.parametrize("draw", [processes.rand, processes.randn])
def test_processes_draw_parts_of_a_single_process_draw(monkeypatch: pytest.MonkeyPatch, draw) -> None:
    torch.manual_seed(3)
    whole = draw(6, 5)
    parts = []
    for rank in range(3):
        as_one_of(monkeypatch, rank, 3)
        processes.seed_draws(3)
        torch.manual_seed(rank)
        parts.append(draw(2, 5))
        # The next draws go on where those for the whole batch ended.
        assert not torch.equal(draw(2, 5), parts[-1])
    for place in range(6):
        assert torch.equal(parts[place % 3][place // 3], whole[place])


def test_images_of_all_processes_come_in_the_order_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    whole_BDHW = torch.arange(4 * 3.0).reshape(4, 3, 1, 1).expand(4, 3, 2, 2)
    assert processes.gather_images(whole_BDHW) is whole_BDHW
    monkeypatch.setattr(processes, "get_dist_info", lambda: (1, 2))
    monkeypatch.setattr(processes, "all_gather", lambda mine: [whole_BDHW[0::2], mine])
    assert torch.equal(processes.gather_images(whole_BDHW[1::2]), whole_BDHW)


def test_shares_of_a_total_add_up_to_the_mean_over_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    as_one_of(monkeypatch, 0, 2)
    own, total = torch.tensor(3), torch.tensor(12)
    monkeypatch.setattr(processes, "sum_over_ranks", lambda value: total)
    assert float(processes.global_mean_denominator(own)) == 6.0
    total = torch.tensor(0)
    assert float(processes.global_mean_denominator(own, least=1)) == 0.5


def test_a_batch_is_divided_evenly_or_refused() -> None:
    assert processes.local_batch_size(8, 4) == 2
    with pytest.raises(ConfigError, match="--batch-size 4 or 8, or 1 or 2 or 3 or 6 processes"):
        processes.local_batch_size(6, 4)
    with pytest.raises(ConfigError, match="--batch-size 4, or 1 or 2 processes"):
        processes.local_batch_size(2, 4)


def test_only_a_launcher_makes_a_process_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in processes.LAUNCHED_BY:
        monkeypatch.setenv(name, "2")
    assert processes.launched_as_group()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not processes.launched_as_group()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_PORT")
    assert not processes.launched_as_group()
