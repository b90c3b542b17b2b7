"""Wiring of scene classification: settings that contradict each other, or that the task does not follow."""

from __future__ import annotations

import pytest

from rs_adapt.config.cell import resolve
from rs_adapt.config.compose import compose
from rs_adapt.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.backbone.adapter.domain_dim=77",
            "adapter.domain_dim is 77, but the model of the domain, dinov2_nano, has 192",
        ),
        ("model.backbone.adapter.text_dim=77", "adapter.text_dim is 77, but the rest has 128"),
        ("bench.novel_classes=[]", "needs at least one base class and one novel class"),
        ("bench.base_classes=[]", "needs at least one base class and one novel class"),
    ],
)
def test_settings_that_contradict_others_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(resolve("synthetic-b2n", method="dcpl-names"), overrides=[override])


@pytest.mark.parametrize("bench", ["synthetic-b2n", "synthetic-compose-dg", "flow-sr"])
def test_values_of_a_protocol_that_a_task_does_not_follow_are_refused(bench: str) -> None:
    with pytest.raises(ConfigError, match=r"protocol\.report_split is 'val'\. Allowed in .*: test\."):
        compose(resolve(bench), overrides=["protocol.report_split=val"])
    with pytest.raises(ConfigError, match=r"protocol\.selection is 'best'\. Allowed in .*: last"):
        compose(resolve(bench), overrides=["protocol.selection=best"])


def test_super_resolution_has_the_last_weights_alone() -> None:
    with pytest.raises(ConfigError, match=r"protocol\.selection is 'oracle'\. Allowed in super-resolution: last\."):
        compose(resolve("flow-sr"), overrides=["protocol.selection=oracle"])
