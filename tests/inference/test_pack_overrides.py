"""What the overrides of a pack may choose."""

from __future__ import annotations

import pytest

import rs_adapt as rsa
from rs_adapt.inference.pack_overrides import find_refused_keys, without_training


def flatten(node: object, key: str) -> dict[str, object]:
    if not isinstance(node, dict):
        return {key: node}
    return {name: value for part, item in node.items() for name, value in flatten(item, f"{key}.{part}").items()}


@pytest.mark.parametrize("bench", ["synthetic-da", "dubai-da"])
def test_every_fact_of_prepared_tiles_may_be_chosen_but_the_code_that_makes_them(bench: str) -> None:
    facts = flatten(rsa.compose(bench).bench.prepare.to_dict(), "bench.prepare")
    assert len(facts) > 5
    assert find_refused_keys([f"{key}={value!r}" for key, value in facts.items()]) == ["bench.prepare.kind"]


@pytest.mark.parametrize("place", ["/etc", "../x", "~/x", "C:/x"])
def test_parts_of_paths_stay_below_the_data(place: str) -> None:
    for key in ("bench.prepare.image_dir", "bench.prepare.crops", "bench.prepare.regions.urban"):
        assert find_refused_keys([f"{key}=['001', '{place}']"]) == [key]
        assert find_refused_keys([f"{key}={place}"]) == [key]


def test_a_pack_may_say_how_it_was_trained() -> None:
    """How a machine held the training is no choice for the reader; what the run computes in is."""
    training = ["runtime.memory=low", "runtime.sharding=fsdp", "runtime.base_precision=bf16"]
    training += ["runtime.fused_adamw=True", "runtime.deformable_gather=True", "runtime.pin_memory=True"]
    computing = ["runtime.precision=bf16", "runtime.tf32=True", "runtime.num_workers=0"]
    assert without_training([*training, *computing]) == computing
    assert find_refused_keys([*training, *computing]) == []
    assert find_refused_keys(["runtime.other=1", "runtime.memory.type=x"]) == ["runtime.other", "runtime.memory.type"]
