from __future__ import annotations

import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.language.class_prompts import check_readable


@pytest.mark.parametrize(("one", "other"), [("road .", "road."), ("lake|pond", "pond|lake")])
def test_two_classes_of_the_same_tokens_are_refused(one: str, other: str) -> None:
    with pytest.raises(ConfigError, match="are the same to CLIP, so their scores would be equal"):
        check_readable([one, "forest", other], ["a photo of {}."])


def test_classes_that_share_a_wording_are_fine() -> None:
    check_readable(["lake|pond", "pond", "road"], ["a photo of {}."])
