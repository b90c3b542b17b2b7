"""`rs-adapt weights fetch` from a mirror and from the Hugging Face Hub, both on this machine."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Hub, serve_hub, use_hub
from safetensors.torch import save_file

from rs_adapt.config.paths import shipped_weights_dir

NANO = (shipped_weights_dir() / "dinov2_nano.safetensors").read_bytes()
SHA = "e66b96845319aec852fa903d27b3570153e5e2528dddc4debce720527a0899c4"
OTHER = b"PK\x03\x04 and weights"
OTHER_SHA = hashlib.sha256(OTHER).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a Hub on this machine, and make it the one of this process; nobody is logged in."""
    (tmp_path / "cache").mkdir()
    with serve_hub() as served:
        use_hub(served.url, tmp_path / "cache", monkeypatch, token=None)
        yield served


def files(folder: Path) -> list[str]:
    """Return what lies in the folder of weights, except locks."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_mirror_is_accepted_by_the_published_checksum(run: Any, published: Path, server: Any) -> None:
    url = server.put("copies/any-name.bin", NANO)
    code, out, err = run("weights", "fetch", "dinov2-nano", "--url", url)
    assert code == 0, err
    assert "fetched, 5 526 968 bytes, sha256 verified" in out
    assert published.read_bytes() == NANO
    assert [asked[0] for asked in server.asked] == ["copies/any-name.bin"]
    assert "was there" in run("weights", "fetch", "dinov2-nano", "--url", url, "--sha256", SHA.upper())[1]


def test_wrong_bytes_of_a_mirror_leave_nothing(run: Any, published: Path, server: Any) -> None:
    url = server.put("wrong.bin", NANO[:-1] + b"x")
    code, out, err = run("weights", "fetch", "dinov2-nano", "--url", url)
    assert code == 2
    assert f"dinov2_nano.safetensors was not fetched: {url}: not the published file: its sha256 is" in err
    assert err.splitlines()[-1].startswith("error: dinov2_nano.safetensors was not fetched: ")
    assert files(published.parent) == []


def test_a_mirror_needs_a_checksum_and_takes_the_users(run: Any, entry: Any, server: Any, own_home: Path) -> None:
    entry(url="https://example.org/other.pt")
    url = server.put("mirror.pt", OTHER)
    code, _, err = run("weights", "fetch", "other", "--url", url)
    assert code == 2
    assert "The SHA-256 of other.pt is not published, so a mirror's file cannot be verified. Give one" in err
    code, _, err = run("weights", "fetch", "other", "--url", url, "--sha256", "ab" * 32)
    assert (code, "not the published file" in err) == (2, True)
    assert files(own_home) == []
    code, out, _ = run("weights", "fetch", "other", "--url", url, "--sha256", OTHER_SHA)
    assert code == 0
    assert f"fetched, {len(OTHER)} bytes, sha256 verified" in out
    assert (own_home / "weights" / "other.pt").read_bytes() == OTHER


def test_a_gated_file_comes_from_a_mirror_by_its_checksum(run: Any, entry: Any, server: Any, own_home: Path) -> None:
    entry(url="https://example.org/other.pt", gated="https://example.org/form")
    url = server.put("mirror.pt", OTHER)
    code, out, _ = run("weights", "fetch", "other", "--url", url, "--sha256", OTHER_SHA)
    assert code == 0
    assert "licence MIT" in out
    assert (own_home / "weights" / "other.pt").read_bytes() == OTHER


def test_a_mirror_that_is_not_there_ends_in_one_sentence(
    run: Any, published: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("weights", "fetch", "dinov2-nano", "--url", f"{server.url}/nothing.bin")
    assert code == 2
    assert f"dinov2_nano.safetensors was not fetched: {server.url}/nothing.bin: HTTP 404 Not Found." in err
    # The package has a function of the module's name.
    monkeypatch.setattr(importlib.import_module("rs_adapt.downloads.fetch"), "MAX_ATTEMPTS", 1)
    # A port on which nobody listens.
    code, _, err = run("weights", "fetch", "dinov2-nano", "--url", "http://127.0.0.1:9/x.bin")
    assert code == 2
    assert "was not fetched: http://127.0.0.1:9/x.bin: ConnectError" in err
    assert files(published.parent) == []


@pytest.mark.parametrize("name", ["", "../x.pth", "/x.pth", "folder/", "a//b.pth", "a\\b.pth"])
def test_names_that_no_file_of_a_repository_has_are_refused(run: Any, hub: Hub, name: str) -> None:
    code, _, err = run("weights", "fetch", "hf:alice/base", "--file", name)
    assert code == 2
    assert f"--file is {name!r}. Allowed: the name of a file in the repository" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("dinov2-l", "--url", "ftp://example.org/x"),
            "--url is 'ftp://example.org/x'. Allowed: an address that begins",
        ),
        (("dinov2-l", "--url", "https://example.org/x", "--sha256", "12"), "--sha256 is '12'. Allowed: 64 hexadecimal"),
        (("dinov2-l", "--sha256", "ab" * 32), f"--sha256 is {'ab' * 32}, but that of the published dinov2_vitl14"),
        (("dinov2-l", "--url", "https://example.org/x", "--from", "y"), "--from and --url both say where the file is"),
        (("dinov2-l", "--file", "x.pth"), "--file names a file of a repository. Give its address, hf:OWNER/NAME"),
        (("hf:alice/vit", "--url", "https://example.org/x"), "hf:alice/vit is an address itself. Leave --url out"),
        (("hf:alice/vit", "--from", "x"), "hf:alice/vit is an address itself. Leave --from out"),
        (("hf:alice",), "'hf:alice' is no address of a repository on the Hugging Face Hub"),
        (("hf:alice/vit", "--sha256", "zz"), "--sha256 is 'zz'. Allowed: 64 hexadecimal digits"),
    ],
)
def test_options_that_contradict_each_other_are_refused(run: Any, words: tuple[str, ...], sentence: str) -> None:
    code, _, err = run("weights", "fetch", *words)
    assert code == 2
    assert sentence in " ".join(err.split())


def test_the_only_safetensors_file_of_a_repository_is_fetched(run: Any, hub: Hub, own_home: Path) -> None:
    content = {"model.safetensors": NANO, "pytorch_model.bin": OTHER, "config.json": b"{}"}
    repository = hub.add("alice/vit", content)
    commit = repository.branches["main"]
    code, out, err = run("weights", "fetch", "hf:alice/vit@main")
    assert code == 0, err
    path = own_home / "weights" / "alice--vit" / "model.safetensors"
    assert path.read_bytes() == NANO
    assert f"model.safetensors of commit {commit}, 5 526 968 bytes, no checksum to compare with" in out
    assert f"sha256 {SHA}; use it with --weights" in out
    code, out, err = run(
        "weights", "fetch", f"hf:alice/vit@{commit}", "--file", "pytorch_model.bin", "--sha256", OTHER_SHA
    )
    assert code == 0, err
    assert f"{len(OTHER)} bytes, sha256 verified" in out
    assert files(own_home / "weights") == ["model.safetensors", "pytorch_model.bin"]


def test_a_published_name_gets_its_place_and_its_checksum(run: Any, hub: Hub, published: Path) -> None:
    hub.add("alice/nano", {"dinov2_nano.safetensors": NANO})
    hub.add("bob/nano", {"dinov2_nano.safetensors": NANO[::-1]})
    code, _, err = run("weights", "fetch", "hf:bob/nano")
    assert code == 2
    assert "dinov2_nano.safetensors of hf:bob/nano is not the published dinov2_nano.safetensors: its sha256 is" in err
    assert not published.exists()
    assert run("weights", "fetch", "hf:alice/nano")[0] == 0
    assert published.read_bytes() == NANO


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hf:alice/nothing",), "There is no repository"),
        (("hf:alice/vit@v9",), "hf:alice/vit@v9: alice/vit has no such revision. Name a branch"),
        (("hf:alice/vit@v9", "--file", "a.pth"), "hf:alice/vit@v9: alice/vit has no such revision. Name a branch"),
        (("hf:alice/vit", "--file", "no.pth"), "hf:alice/vit has no file no.pth. Name one that"),
        (("hf:alice/vit",), "hf:alice/vit holds 2 files of weights: a.pth, b.pt. Choose one with --file NAME."),
        (("hf:alice/data",), "hf:alice/data holds no file of weights (.safetensors, .pth"),
        (("hf:alice/gated",), "hf:alice/gated is gated: its owner decides who may read it"),
        (("hf:alice/vit", "--file", "a.pth", "--sha256", "ab" * 32), "a.pth of hf:alice/vit is not"),
    ],
)
def test_repositories_without_the_file_are_refused_in_one_sentence(
    run: Any, hub: Hub, own_home: Path, words: tuple[str, ...], sentence: str
) -> None:
    hub.add("alice/vit", {"a.pth": OTHER, "b.pt": OTHER})
    hub.add("alice/data", {"README.md": b""})
    hub.add("alice/gated", {"model.safetensors": OTHER}, gated=True)
    code, out, err = run("weights", "fetch", *words)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.split())
    assert "Traceback" not in err
    assert files(own_home) == []


def test_without_a_network_the_hub_is_named(
    run: Any, hub: Hub, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    for words in ((), ("--file", "a.pth")):
        code, _, err = run("weights", "fetch", "hf:alice/vit", *words)
        assert code == 2
        assert "Cannot reach http://127.0.0.1:9 for hf:alice/vit" in err
    assert files(own_home) == []


def test_a_file_of_another_model_is_not_taken_for_an_unpublished_one(
    run: Any, entry: Any, tmp_path: Path, own_home: Path
) -> None:
    entry()
    pack = tmp_path / "adapter.safetensors"
    save_file({"adapter.layers.0.down": torch.zeros(2, 2)}, pack)
    code, _, err = run("weights", "fetch", "other", "--from", pack)
    assert code == 2
    assert f"{pack} is not the published other.pt: not a DINOv2 ViT: its tensors are named adapter.layers.0.down" in err
    # The nano's own tensors are narrower than those of a ViT-S.
    code, _, err = run("weights", "fetch", "other", "--from", shipped_weights_dir() / "dinov2_nano.safetensors")
    assert code == 2
    assert "is not the published other.pt: expected 384 wide, 12 deep" in err
    assert files(own_home / "weights") == []
