from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.cost import batch_size
from rs_adapt.cost.batch_size import BatchChoice, free_memory, largest_batch
from rs_adapt.cost.cards import GIB
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("free_bytes", "expected"), [(10_000, 8), (1800, 8), (1799, 7), (1250, 2), (1300, 3), (1100, 1)]
)
def test_the_largest_batch_that_fits_is_found_in_few_predictions(free_bytes: int, expected: int) -> None:
    asked: list[int] = []

    def predict(size: int) -> int:
        asked.append(size)
        return 1000 + 100 * size

    choice = largest_batch(predict, most=8, free_bytes=free_bytes)
    assert choice == BatchChoice(batch_size=expected, most=8, needed_bytes=1000 + 100 * expected, free_bytes=free_bytes)
    assert asked[0] == 8
    assert len(asked) == len(set(asked)) <= 5


@pytest.mark.parametrize("most", [1, 4])
def test_a_device_that_is_too_small_for_one_crop_is_refused(most: int) -> None:
    with pytest.raises(ConfigError, match=r"a batch of 1 needs about 2.0 GiB, and 1.0 GiB are free. Try .*memory=low"):
        largest_batch(lambda size: size * 2 * GIB, most=most, free_bytes=GIB)


def test_a_smaller_batch_is_announced_with_what_it_means() -> None:
    choice = BatchChoice(batch_size=8, most=8, needed_bytes=GIB, free_bytes=2 * GIB)
    assert choice.describe() == "batch size auto: 8, as configured; needs about 1.0 GiB of 2.0 GiB free"
    choice = BatchChoice(batch_size=3, most=8, needed_bytes=GIB, free_bytes=2 * GIB)
    assert "3 in place of 8, which does not fit" in choice.describe()
    assert choice.describe().endswith("Scores are not comparable with those of batch 8.")


def test_free_memory_is_that_of_the_machine_within_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, used, meminfo = (tmp_path / name for name in ("max", "current", "meminfo"))
    meminfo.write_text("MemTotal:  9000 kB\nMemAvailable:    5000 kB\n")
    monkeypatch.setattr(batch_size, "_MEMINFO", meminfo)
    monkeypatch.setattr(batch_size, "_CGROUP", (limit, used))
    assert free_memory(on_gpu=False) == 5000 * 1024
    used.write_text("1000000\n")
    limit.write_text("max\n")
    assert free_memory(on_gpu=False) == 5000 * 1024
    limit.write_text("3000000\n")
    assert free_memory(on_gpu=False) == 2_000_000
