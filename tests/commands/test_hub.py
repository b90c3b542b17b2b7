"""Packs on the Hugging Face Hub: pushed in one commit, pulled with the same bytes, named by their commit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hub_server import Hub, serve_hub, use_hub
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Verb = Callable[..., tuple[Any, str, str]]

STORED = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
# Of huggingface_hub's own upload of a large file by plain HTTP.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")
PACK = ("adapter.safetensors", "manifest.json")
MANIFEST, TENSORS = (STORED / "manifest.json").read_bytes(), (STORED / "adapter.safetensors").read_bytes()
PACK_FILES = {"manifest.json": MANIFEST, "adapter.safetensors": TENSORS}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a Hub on this machine, and make it the one of this process; the account is alice."""
    (tmp_path / "cache").mkdir()
    monkeypatch.chdir(tmp_path)
    with serve_hub() as served:
        use_hub(served.url, tmp_path / "cache", monkeypatch)
        yield served


def test_a_pack_is_pushed_in_one_commit_and_pulled_byte_for_byte(hub: Hub, run_verb: Verb, tmp_path: Path) -> None:
    code, out, err = run_verb("export", STORED, "--push", "alice/first", "--json")
    assert code == 0, err
    pushed = json.loads(out)
    repository = hub.repositories["alice/first"]
    assert (pushed["commit"], pushed["is_new"], pushed["rewritten"]) == (repository.branches["main"], True, [])
    assert pushed["address"] == f"hf:alice/first@{pushed['commit']}"
    # The commit in which the Hub makes a repository, and this one.
    assert len(repository.commits) == 2
    assert set(repository.files()) == {".gitattributes", "README.md", *PACK}
    assert repository.files()["README.md"].decode() == pushed["card"]
    for name in PACK:
        assert repository.files()[name] == (STORED / name).read_bytes()
    code, out, err = run_verb("export", "hf:alice/first", "--out", "pulled")
    assert code == 0, err
    assert f"Note: hf:alice/first is commit {pushed['commit']}" in err
    for name in PACK:
        assert (tmp_path / "pulled" / name).read_bytes() == (STORED / name).read_bytes()
    # From the cache: of a commit nothing has to be asked.
    hub.calls.clear()
    assert run_verb("export", pushed["address"], "--out", "again")[0] == 0
    assert hub.calls == []


def test_a_dry_run_prints_the_card_and_writes_nothing(hub: Hub, run_verb: Verb) -> None:
    code, out, err = run_verb("export", STORED, "--push", "alice/first", "--revision", "v2", "--dry-run")
    assert code == 0, err
    assert "library_name: rs-adapt" in out
    assert "| mIoU | 37.724 |" in out
    assert "--checkpoint hf:alice/first@v2 --out map.tif" in out
    assert f"Nothing was pushed. It would go to {hub.url}/alice/first, a new repository." in out
    assert not hub.repositories
    assert not [call for call in hub.calls if not call.startswith("GET")]


@pytest.mark.slow
def test_a_branch_is_made_and_files_of_older_exports_leave(hub: Hub, run_verb: Verb) -> None:
    repository = hub.add("alice/first", {"README.md": b"old", "model.onnx": b"old", "notes.txt": b"mine"})
    code, _, err = run_verb("export", STORED, "--push", "alice/first")
    assert code == 2
    assert "hf:alice/first holds README.md, model.onnx already" in err
    code, _, err = run_verb("export", STORED, "--push", "alice/first", "--overwrite")
    assert code == 0, err
    assert set(repository.files()) == {"README.md", "notes.txt", *PACK}
    code, _, err = run_verb("export", STORED, "--push", "alice/first", "--revision", "v2", "--overwrite")
    assert code == 0, err
    assert set(repository.branches) == {"main", "v2"}


@pytest.mark.parametrize(
    ("token", "arguments", "sentence"),
    [
        (None, ("alice/new",), "There is no token for the Hugging Face Hub. To push to hf:alice/new, set HF_TOKEN"),
        ("hf_wrong", ("alice/new",), "The Hub does not accept the token"),
        ("hf_reader", ("alice/new",), "The token of alice may only read"),
        ("hf_mallory", ("alice/new",), "The token may not write to"),
        ("hf_alice", ("alice",), "'alice' is no name of a repository. Allowed: OWNER/NAME"),
        ("hf_alice", ("alice/a--b",), "is no name of a repository"),
        ("hf_alice", ("alice/new", "--revision", "../x"), "is no name of a branch"),
        ("hf_alice", ("alice/old",), "holds manifest.json already"),
        ("hf_alice", ("alice/old", "--private", "--overwrite"), "exists and is public"),
        ("hf_alice", ("alice/new", "--out", "x"), "leave --out out"),
        ("hf_alice", ("alice/new", "--format", "onnx"), "leave --format onnx out"),
    ],
)
def test_refused_pushes_write_nothing(
    hub: Hub,
    run_verb: Verb,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    old = hub.add("alice/old", {"manifest.json": b"{}"})
    before = dict(old.branches)
    monkeypatch.delenv("HF_TOKEN")
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    code, out, err = run_verb("export", STORED, "--push", *arguments)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.replace("│", " ").split())
    assert list(hub.repositories) == ["alice/old"]
    assert old.branches == before


@pytest.mark.parametrize(
    "broken", ["/commit/", *(pytest.param(call, marks=pytest.mark.slow) for call in ("/blobs/", "/preupload/"))]
)
def test_a_push_that_breaks_leaves_no_half_pack(hub: Hub, run_verb: Verb, broken: str) -> None:
    old = hub.add("alice/old", {"manifest.json": b"{}"})
    before = dict(old.branches)
    hub.broken = {broken: 500}
    code, _, err = run_verb("export", STORED, "--push", "alice/old", "--overwrite")
    assert code == 2
    assert f"{hub.url}/alice/old answers 500: the server is broken" in err
    assert old.branches == before
    code, _, err = run_verb("export", STORED, "--push", "alice/new")
    assert code == 2
    assert "The new repository alice/new was made, and holds no pack." in err
    assert set(hub.repositories["alice/new"].files()) == {".gitattributes"}


@pytest.mark.parametrize("option", ["--dry-run", "--private", "--revision=v2", None])
def test_options_of_a_push_need_one(run_verb: Verb, option: str | None) -> None:
    code, _, err = run_verb("export", STORED, *([option] if option else []))
    assert code == 2
    assert ("is about --push" if option else "Name a folder to write, or --push.") in " ".join(err.split())


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("hf:alice/nothing", "There is no repository"),
        ("hf:bob/private", "There is no repository"),
        ("hf:bob/gated", "hf:bob/gated is gated: its owner decides who may read it. Ask for access at"),
        ("hf:bob/empty", "hf:bob/empty holds no adapter pack: manifest.json is missing"),
        ("hf:bob/empty@v9", "hf:bob/empty@v9: bob/empty has no such revision"),
        ("hf:bob", "'hf:bob' is no address of a repository"),
        ("hf:bob/empty@", "is no address of a repository"),
        ("hf:bob/../x", "is no address of a repository"),
        ("hf:bob/damaged", "cannot be read: it is no JSON"),
        ("hf:bob/half", "holds no adapter pack: adapter.safetensors is missing"),
        ("hf:bob/short", "adapter.safetensors has 9 bytes, but its manifest describes a file of 76824"),
        ("hf:bob/forged", "the SHA-256 of adapter.safetensors is"),
    ],
)
def test_addresses_without_a_pack_are_refused_in_one_sentence(
    hub: Hub, run_verb: Verb, own_home: Path, address: str, sentence: str
) -> None:
    hub.add("bob/private", {"manifest.json": MANIFEST}, private=True)
    hub.add("bob/gated", {"manifest.json": MANIFEST}, gated=True)
    hub.add("bob/empty", {"README.md": b""})
    hub.add("bob/damaged", {"manifest.json": b"{"})
    hub.add("bob/half", {"manifest.json": MANIFEST})
    hub.add("bob/short", {"manifest.json": MANIFEST, "adapter.safetensors": TENSORS[:9]})
    hub.add("bob/forged", {"manifest.json": MANIFEST, "adapter.safetensors": TENSORS[::-1]})
    code, out, err = run_verb("export", address, "--out", "x")
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    assert err.count("error: ") == 1
    assert not Path("x").exists()
    assert not list(own_home.glob("hub/*/*/*"))


@pytest.mark.slow
def test_without_a_network_only_the_cache_is_read(
    hub: Hub, run_verb: Verb, monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    from huggingface_hub import constants

    commit = hub.add("bob/first", PACK_FILES).branches["main"]
    assert run_verb("export", "hf:bob/first", "--out", "x")[0] == 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    # Made again from the Hub's cache.
    shutil.rmtree(own_home / "hub")
    code, _, err = run_verb("export", "hf:bob/first", "--out", "y")
    assert code == 0, err
    assert f"is commit {commit}" in err
    code, _, err = run_verb("export", "hf:bob/other", "--out", "z")
    assert code == 2
    assert "HF_HUB_OFFLINE is set, and hf:bob/other is not in the Hub's cache" in err
    code, _, err = run_verb("export", STORED, "--push", "alice/first")
    assert code == 2
    assert "HF_HUB_OFFLINE is set, and nothing can be written to the Hub" in err
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    use_hub("http://127.0.0.1:9", Path("cache").absolute(), monkeypatch)
    for arguments in (("hf:bob/other", "--out", "z"), (STORED, "--push", "alice/first")):
        code, _, err = run_verb("export", *arguments)
        assert code == 2
        assert "Cannot reach http://127.0.0.1:9" in err


@pytest.mark.slow
def test_a_damaged_copy_is_fetched_again(hub: Hub, run_verb: Verb, own_home: Path) -> None:
    hub.add("bob/first", PACK_FILES)
    assert run_verb("export", "hf:bob/first", "--out", "x")[0] == 0
    (copy,) = own_home.glob("hub/bob--first/*/adapter.safetensors")
    copy.unlink()
    copy.write_bytes(b"damaged")
    assert run_verb("export", "hf:bob/first", "--out", "y")[0] == 0
    assert Path("y/adapter.safetensors").read_bytes() == copy.read_bytes() == TENSORS


def test_what_needs_results_or_changes_a_pack_refuses_one_of_the_hub(hub: Hub, run_verb: Verb) -> None:
    hub.add("bob/first", PACK_FILES)
    code, _, err = run_verb("score", "hf:bob/first")
    assert code == 2
    assert "this needs the results of a run folder" in err
    code, _, err = run_verb("calibrate", "hf:bob/first")
    assert code == 2
    assert "which is not changed. Name a folder for a copy with the calibration with --out." in err


@pytest.fixture
def exact(hub: Hub) -> str:
    """Put a pack on the Hub as bob/first, and return its address with the commit."""
    return f"hf:bob/first@{hub.add('bob/first', PACK_FILES).branches['main']}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_maps_name_the_commit_of_their_pack(exact: str, run_verb: Verb, shared_home: Path) -> None:
    import rasterio

    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("scene.png")
    for name, checkpoint in (("pulled", "hf:bob/first"), ("local", STORED)):
        arguments = ("--checkpoint", checkpoint, "--out", f"{name}.tif", "--device", "cpu")
        code, _, err = run_verb("predict", "scene.png", *arguments)
        assert code == 0, err
    with rasterio.open("pulled.tif") as pulled, rasterio.open("local.tif") as local:
        assert pulled.tags()["model"] == exact
        assert "model" not in local.tags()
        assert (pulled.read() == local.read()).all()
    code, _, err = run_verb("judge", "hf:bob/first", "scene.png", "--against", STORED, "--device", "cpu")
    assert code == 0, err
    assert json.loads(Path("judge/judge.json").read_text())["run"] == exact


@pytest.mark.slow
def test_evaluations_name_the_commit_of_their_pack(exact: str, run_verb: Verb, shared_home: Path) -> None:
    code, out, err = run_verb("eval", "hf:bob/first", "--device", "cpu", "--json")
    assert code == 0, err
    scored = json.loads(out)
    assert scored["pack_source"] == exact
    assert Path(scored["folder"]).parent == Path("work_dirs/hub/bob/first") / exact.partition("@")[2][:12] / "eval"


@pytest.mark.slow
def test_a_pack_of_the_hub_is_calibrated_in_a_copy(exact: str, run_verb: Verb, shared_home: Path) -> None:
    code, _, err = run_verb("calibrate", exact, "--out", "calibrated", "--device", "cpu")
    assert code == 0, err
    manifest = json.loads(Path("calibrated/manifest.json").read_text())
    assert manifest["calibration"]["temperature"] > 0
    assert {key: value for key, value in manifest.items() if key != "calibration"} == json.loads(MANIFEST)


@pytest.mark.slow
def test_a_run_names_the_commit_that_it_starts_from(exact: str, run_verb: Verb, shared_home: Path) -> None:
    small = ("--iters", "2", "--num-workers", "0", "--device", "cpu", "--logger", "none")
    fewer = [f"bench.prepare.scenes.{split}=1" for split in ("train", "val", "test")]
    changes = [part for text in (*fewer, "bench.prepare.size_px=256") for part in ("--set", text)]
    places = ("--from", "hf:bob/first", "--work-dir", "run")
    code, _, err = run_verb("train", "--bench", "synthetic-dg", "--method", "bitfit", *small, *changes, *places)
    assert code == 0, err
    assert json.loads(Path("run/result.json").read_text())["initialised_from"]["pack_source"] == exact
