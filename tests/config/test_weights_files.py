"""Facts of base weights: one place each, found by either name."""

from __future__ import annotations

import re

import pytest

from rs_adapt.config.weights_files import fetch_command, find_weights_file, weights_files
from rs_adapt.errors import UnknownName


def test_names_and_files_are_unique() -> None:
    files = weights_files()
    assert len({one.name for one in files}) == len(files)
    assert len({one.facts["file"] for one in files}) == len(files)


@pytest.mark.parametrize("one", weights_files(), ids=lambda one: one.name)
def test_facts_are_complete(one) -> None:
    assert one.facts["licence"]
    assert one.facts.get("sha256") is None or re.fullmatch("[0-9a-f]{64}", one.facts["sha256"])
    if not one.facts.get("shipped"):
        # Of two, no address is known that lasts.
        assert one.published.urls or one.name.endswith("_millionaid")
        assert all(url.startswith("https://") for url in one.published.urls)
    for url in one.published.urls[:1]:
        # Files of the Hugging Face Hub are all called the same, and get the name of their backbone here.
        in_url = url.rpartition("/")[2]
        assert in_url == one.facts["file"] or (in_url, one.facts["file"]) == ("pytorch_model.bin", f"{one.name}.bin")
    # OpenAI's addresses hold the checksum.
    if any("openaipublic" in url for url in one.published.urls):
        assert one.facts["sha256"] in one.published.urls[0]


@pytest.mark.parametrize("name", ["dinov2-l", "DINOv2_L", "dinov2_vitl14_pretrain.pth"])
def test_found_by_backbone_or_file(name: str) -> None:
    found = find_weights_file(name)
    assert (found.name, found.published.size_bytes) == ("dinov2_l", 1_217_586_395)


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no file of base weights 'dinov2_xl'. Did you mean dinov2-l.*dinov2-nano"):
        find_weights_file("dinov2_xl")


def test_command_names_the_backbone_where_there_is_one() -> None:
    assert fetch_command({"file": "dinov2_vitg14_pretrain.pth"}) == "rs-adapt weights fetch dinov2-g"
    assert fetch_command({"file": "own.pth"}) == "rs-adapt weights fetch own.pth"
