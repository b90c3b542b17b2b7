"""Base weights that are missing or broken off: said before anything is built, with the command that gets them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rs_adapt.backbones import find_weights, load_state, weights
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.errors import WeightsError

FACTS = {"file": "vit.pth", "url": "https://example.org/vit.pth", "bytes": 1234, "sha256": "ab" * 32}


def test_error_of_a_missing_file_names_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path))
    default = tmp_path / "weights" / "vit.pth"
    with pytest.raises(WeightsError) as caught:
        find_weights(default, FACTS)
    for part in (
        f"looked for {default}",
        "1234 bytes",
        "ab" * 32,
        "https://example.org/vit.pth",
        f"without --weights, {default} is used",
        "rs-adapt weights fetch vit.pth\n",
        "rs-adapt weights fetch vit.pth --from FILE",
    ):
        assert part in str(caught.value)
    with pytest.raises(WeightsError, match="size not published, sha256 not published"):
        find_weights(tmp_path / "nothing", FACTS | {"bytes": None, "sha256": None})
    # A file that a backbone reads is named by it; one behind a form cannot be fetched.
    with pytest.raises(WeightsError, match=r"rs-adapt weights fetch dinov2-s\n"):
        find_weights(tmp_path / "nothing", FACTS | {"file": "dinov2_vits14_pretrain.pth"})
    with pytest.raises(WeightsError, match=r"Ask for it at https://example\.org/form.*\n  rs-adapt .* --from FILE"):
        find_weights(tmp_path / "nothing", FACTS | {"gated": "https://example.org/form"})
    with pytest.raises(WeightsError, match="--weights random"):
        find_weights(tmp_path / "nothing", None)
    with pytest.raises(WeightsError, match="not found"):
        load_state(tmp_path / "nothing", DINOV2)


def test_file_at_the_default_path_must_have_its_published_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path))
    default = tmp_path / "weights" / "vit.pth"
    default.parent.mkdir()
    default.write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="truncated: 1000 bytes, expected 1234"):
        find_weights(str(default), FACTS)
    default.write_bytes(b"x" * 2000)
    with pytest.raises(WeightsError, match="not the published file: 2000 bytes"):
        find_weights(default, FACTS)
    default.write_bytes(b"x" * 1234)
    published = FACTS | {"sha256": hashlib.sha256(b"x" * 1234).hexdigest()}
    assert find_weights(default, published) == default
    own = tmp_path / "own.pth"
    own.write_bytes(b"x")
    assert find_weights(own, FACTS) == own
    assert find_weights("random", FACTS) is None
    assert find_weights(None, None) is None


@pytest.mark.parametrize("large", [False, True])
def test_a_published_file_with_other_bytes_of_the_same_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path))
    if large:
        monkeypatch.setattr(weights, "_HASHED_EVERY_TIME", 0)
    content = b"0123456789"
    path = tmp_path / "weights" / "w.pth"
    path.parent.mkdir()
    facts = FACTS | {"file": "w.pth", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    for _ in range(2):
        path.write_bytes(content)
        assert find_weights(path, facts) == path
        assert find_weights(path, facts) == path
        path.write_bytes(b"0123456780")
        with pytest.raises(WeightsError, match="are damaged: their SHA-256 is"):
            find_weights(path, facts)
    assert (tmp_path / "checks").is_dir() == large
