from __future__ import annotations

from rs_adapt.audit.verify.config_tree import MISSING, Tree


def test_unread_keys_of_a_tree_are_listed() -> None:
    pipeline = [{"type": "RandomCrop", "crop_size": [4, 4]}]
    tree = Tree({"pipeline": pipeline, "data": {"pipeline": pipeline.copy(), "n": 2}, "lr": 1.0, "extra": {}})
    assert tree.at("data", "pipeline", 0, "crop_size") == [4, 4]
    assert tree.at("data", "missing") is MISSING
    # The variable `pipeline` at the top is a copy of what the data hold.
    assert tree.unread() == {"data.pipeline.0.type": "RandomCrop", "data.n": 2, "lr": 1.0, "extra": {}}
    tree.at("data")
    assert tree.unread() == {"lr": 1.0, "extra": {}}


def test_tuples_count_as_lists() -> None:
    assert Tree({"a": (1, ({"b": (2,)},))}).content == {"a": [1, [{"b": [2]}]]}
