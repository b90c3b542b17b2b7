from __future__ import annotations

import pytest
from mmengine.config import Config

from rs_adapt.config.segmentor import segmentor_config, segmentor_path

PLAIN = {"model": {"backbone": {"depth": 2}}}
ADAPTED = {"model": {"type": "rs_adapt.SelfTraining", "segmentor": {"backbone": {"depth": 2}}}}


@pytest.mark.parametrize(("content", "path"), [(PLAIN, ("model",)), (ADAPTED, ("model", "segmentor"))])
def test_the_segmentor_of_dicts_and_of_mmengines_config_is_the_one_inside_the_strategy(
    content: dict[str, dict[str, object]], path: tuple[str, ...]
) -> None:
    for cfg in (content, Config(content)):
        assert segmentor_path(cfg) == path
        assert segmentor_config(cfg)["backbone"]["depth"] == 2


def test_the_node_itself_is_returned() -> None:
    cfg = Config(ADAPTED)
    segmentor_config(cfg).backbone.depth = 3
    assert cfg.model.segmentor.backbone.depth == 3


def test_a_text_without_a_model_has_the_plain_path() -> None:
    assert segmentor_path({"optim": {}}) == segmentor_path({"model": 5}) == ("model",)
