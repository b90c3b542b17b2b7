"""`rs-adapt train --batch-size auto`: the number is found, printed, stored, and resumed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Train = Callable[..., tuple[Any, str, str]] if TYPE_CHECKING else Any


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets the free memory, in MiB."""

    def set_free(mib: int) -> None:
        monkeypatch.setattr("rs_adapt.cost.batch_size.free_memory", lambda *, on_gpu: mib * 2**20)

    return set_free


def stored_batch(folder: Path) -> list[str]:
    overrides = json.loads((folder / "cell.json").read_text())["options"]["overrides"]
    return [text for text in overrides if "batch_size" in text]


def test_a_batch_that_does_not_fit_is_lowered_and_stored_as_a_number(
    train: Train, limit: Callable[[int], None], tmp_path: Path
) -> None:
    limit(41)
    code, _, err = train("--batch-size", "auto")
    assert code == 0
    assert re.search(
        r"batch size auto: 1 in place of 2, which does not fit; needs about \d\d MiB of 41 MiB free\.", err
    )
    assert stored_batch(tmp_path / "run") == ["bench.schedule.batch_size.da=1"]
    # The run's own number, whatever is free now.
    limit(1000)
    code, _, err = train("--batch-size", "auto", "--resume")
    assert (code, "batch size auto" in err) == (2, False)
    assert "the run is finished" in err


def test_where_it_fits_the_bench_keeps_its_batch_and_set_allows_more(
    train: Train, limit: Callable[[int], None]
) -> None:
    limit(1000)
    code, out, err = train("--batch-size", "auto", "--dry-run")
    assert code == 0
    assert re.search(r"batch size auto: 2, as configured; needs about \d\d MiB of 1000 MiB free", err)
    assert "  2 iterations of batch 2" in out.splitlines()
    _, out, err = train("--batch-size", "auto", "--set", "bench.schedule.batch_size.da=3", "--dry-run")
    assert "batch size auto: 3, as configured" in err
    assert "  2 iterations of batch 3" in out.splitlines()


def test_too_little_memory_for_one_crop_is_refused(train: Train, limit: Callable[[int], None], tmp_path: Path) -> None:
    limit(5)
    code, out, err = train("--batch-size", "auto")
    assert (code, out) == (2, "")
    assert re.search(r"error: --batch-size auto: a batch of 1 needs about \d\d MiB, and 5 MiB are free\.", err)
    assert "runtime.memory=low" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["0", "1.5", "automatic"])
def test_anything_else_is_refused(train: Train, value: str) -> None:
    code, _, err = train("--batch-size", value)
    assert code == 2
    assert f"'{value}' is neither a number from 1 on nor auto" in " ".join(err.replace("│", " ").split())


def test_several_processes_need_a_number(train: Train) -> None:
    code, _, err = train("--batch-size", "auto", "--processes", "2")
    assert code == 2
    assert "several processes share the batch. Give a number" in err
