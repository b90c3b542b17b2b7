"""Training pipelines of both domains: distortion of each, and the view that a teacher labels."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.errors import ConfigError

REMEMBER, PACK_VIEWS = "rs_adapt.RememberPlainView", "rs_adapt.PackViews"
DISTORTION, PACK = "PhotoMetricDistortion", "PackSegInputs"


def composed(bench: str, *overrides: str, **axes: str) -> Any:
    return compose(resolve_cell(bench, **axes), overrides=overrides)


@pytest.mark.parametrize(
    ("overrides", "axes", "labelled_steps", "unlabelled_steps"),
    [
        ((), {}, [DISTORTION, PACK], [REMEMBER, DISTORTION, PACK_VIEWS]),
        # Earth-Adapter's protocol: one pipeline for both domains, and the teacher labels what comes out.
        ((), {"protocol": "paper"}, [DISTORTION, PACK], [DISTORTION, PACK]),
        (("protocol.teacher_view=distorted",), {}, [DISTORTION, PACK], [DISTORTION, PACK]),
        (("bench.pipeline.photometric=False",), {}, [PACK], [PACK]),
        (
            ("bench.pipeline.photometric=False", "bench.pipeline.photometric_unlabelled=True"),
            {},
            [PACK],
            [REMEMBER, DISTORTION, PACK_VIEWS],
        ),
        (("bench.pipeline.photometric_unlabelled=False",), {}, [DISTORTION, PACK], [PACK]),
        (("bench.pipeline.photometric_unlabelled=False",), {"protocol": "paper"}, [DISTORTION, PACK], [PACK]),
    ],
)
def test_each_domain_has_its_own_distortion_and_the_teacher_sees_none(
    overrides: tuple[str, ...], axes: dict[str, str], labelled_steps: list[str], unlabelled_steps: list[str]
) -> None:
    cfg = composed("loveda-da", *overrides, **axes)
    for dataset, steps in (("labelled", labelled_steps), ("unlabelled", unlabelled_steps)):
        names = [step["type"] for step in cfg.train_dataloader.dataset[dataset].pipeline]
        assert names[names.index("RandomFlip") + 1 :] == steps


def test_views_and_switches_that_there_are_not_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"photometric_unlabelled is 'some'\. Allowed: True, False, or None for"):
        composed("loveda-da", "bench.pipeline.photometric_unlabelled=some")
    with pytest.raises(ConfigError, match=r"protocol\.teacher_view is 'both'\. Allowed: plain, distorted"):
        composed("loveda-da", "protocol.teacher_view=both")
