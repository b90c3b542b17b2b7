"""What names share, and what a base is a copy of, as in Python and in mmengine."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.audit.foreign.reader import read_foreign
from tests.audit.foreign.test_reader import values_of, write


def test_names_of_one_list_or_dict_see_each_others_changes() -> None:
    text = """steps = [dict(type='Load')]
data = dict(steps=steps)
steps += [dict(type='Crop')]
val = dict(inner=dict(split='val'))
test = val.copy()
test['inner']['split'] = 'test'
both = (1, 2)
three = both
three += (3,)
"""
    values = values_of(text)
    assert values["data"]["steps"] == [{"type": "Load"}, {"type": "Crop"}]
    # Python's `copy` shares what lies within.
    assert values["val"]["inner"]["split"] == "test"
    assert (values["both"], values["three"]) == ([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    "head", ["_base_ = ['b.py']\nsteps = _base_.steps\n", "with read_base():\n    from .b import *\n"]
)
def test_parts_of_a_base_are_copies_of_each_other(tmp_path: Path, head: str) -> None:
    """As in mmengine, where a changed `train_pipeline` leaves the data set of the base as it is."""
    base = "steps = [dict(ratio=0.75)]\ndata = dict(steps=steps)\n"
    values = read_foreign(write(tmp_path, b=base, c=f"{head}steps[0].ratio = 1.0\n")).root.plain()
    assert values["steps"] == [{"ratio": 1.0}]
    assert values["data"] == {"steps": [{"ratio": 0.75}]}


def test_an_empty_list_of_bases_is_none(tmp_path: Path) -> None:
    assert read_foreign(write(tmp_path, c="_base_ = []\na = 1\n")).root.plain() == {"a": 1}
