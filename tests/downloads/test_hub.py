"""Addresses of packs on the Hugging Face Hub."""

from __future__ import annotations

import pytest

from rs_adapt.downloads.hub import HubAddress, is_hub_address, parse_hub_address, parse_hub_target
from rs_adapt.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "repository", "revision"),
    [
        ("hf:alice/rural2urban", "alice/rural2urban", None),
        ("hf:alice/rural2urban@main", "alice/rural2urban", "main"),
        ("hf:a/b.c_d-e@v1.0", "a/b.c_d-e", "v1.0"),
        ("hf:a/b@refs/pr/1", "a/b", "refs/pr/1"),
        (f"hf:a/b@{'0' * 40}", "a/b", "0" * 40),
    ],
)
def test_addresses_are_read_and_written(text: str, repository: str, revision: str | None) -> None:
    assert is_hub_address(text)
    assert parse_hub_address(text) == HubAddress(repository=repository, revision=revision)
    assert str(parse_hub_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "hf:",
        "hf:alice",
        "hf:/b",
        "hf:a/",
        "hf:a/b/c",
        "hf:a/b@",
        "hf:a/b@/x",
        "hf:a/b@x/",
        "hf:a/b@x/../../y",
        "hf:a/b@-x",
        "hf:a/b@x y",
        "hf:a--b/c",
        "hf:a/b..c",
        "hf:.a/b",
        "hf:a/b-",
        "hf:a/b.git",
        "hf:a/ü",
        "hf:https://huggingface.co/a/b",
        f"hf:a/{'b' * 95}",
    ],
)
def test_other_texts_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ConfigError, match="Allowed: hf:OWNER/NAME or hf:OWNER/NAME@REVISION"):
        parse_hub_address(text)


def test_paths_are_no_addresses() -> None:
    assert not any(map(is_hub_address, ["work_dirs/first", "./hf", "/hf:a/b", "HF:a/b"]))


def test_targets_are_checked_before_anything_is_loaded() -> None:
    assert str(parse_hub_target("alice/first", revision="v2")) == "hf:alice/first@v2"
    with pytest.raises(ConfigError, match="Allowed: OWNER/NAME"):
        parse_hub_target("hf:alice/first", revision=None)
    with pytest.raises(ConfigError, match="no name of a branch"):
        parse_hub_target("alice/first", revision="a b")
