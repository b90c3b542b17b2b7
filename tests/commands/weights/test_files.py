"""`rs-adapt weights list`, `fetch`, `verify`, `convert`, on a server of this machine that has the nano's weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.config.paths import shipped_weights_dir

NANO = shipped_weights_dir() / "dinov2_nano.safetensors"
BASE = "ceb5f48cc7745b70e33ff73b8997e3b4661b55b09fd6ee3124aa99b350ad6667"


def row(shown: str, name: str) -> str:
    return next(line for line in shown.splitlines() if line.split()[:1] == [name])


def test_missing_weights_name_the_command_that_gets_them_and_then_train(
    run: Any, published: Path, server: Any, loveda_root: Path, small: tuple[str, ...]
) -> None:
    train = ("train", "--bench", "loveda-da", *small, "--data-root", loveda_root, "--dry-run")
    code, _, err = run(*train)
    assert code == 2
    assert f"looked for {published}" in err
    assert "\n  rs-adapt weights fetch dinov2-nano\n" in err
    assert row(run("weights", "list")[1], "dinov2-nano").split()[-1] == "missing"
    server.put("dinov2_nano.safetensors", NANO.read_bytes(), {"cut": 1_000_000, "times": 1})
    code, out, err = run("weights", "fetch", "dinov2-nano")
    assert code == 0
    assert "fetched, 5 526 968 bytes, sha256 verified" in out
    assert "licence Apache-2.0" in out
    assert "retrying in 1 s, from byte 1000000" in err
    assert published.read_bytes() == NANO.read_bytes()
    assert "was there" in run("weights", "fetch", "dinov2_nano.safetensors")[1]
    assert len(server.asked) == 2
    assert row(run("weights", "list")[1], "dinov2-nano").split()[-1] == "there"
    assert "there, sha256 verified" in row(run("weights", "list", "--verify")[1], "dinov2-nano")
    code, out, _ = run("weights", "verify")
    assert code == 0
    assert "ViT-nano: 192 wide, 6 deep, patch 8 px, positions 16 x 16" in out
    assert BASE in out
    assert any(line.endswith("dinov2_nano.safetensors: as published") for line in out.splitlines())
    assert run(*train)[0] == 0


def test_wrong_bytes_end_with_both_checksums_and_nothing_there(run: Any, published: Path, server: Any) -> None:
    server.put("dinov2_nano.safetensors", b"x" * NANO.stat().st_size)
    code, _, err = run("weights", "fetch", "dinov2-nano")
    assert code == 1
    assert "error: cannot get dinov2_nano.safetensors" in err
    assert "expected e66b96845319aec852fa903d27b3570153e5e2528dddc4debce720527a0899c4" in err
    assert [one.suffix for one in published.parent.iterdir()] == [".lock"]


def test_ctrl_c_saves_the_part_and_prints_its_path(published: Path, server: Any, tmp_path: Path, run: Any) -> None:
    sent, go_on = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        sent.set()
        go_on.wait(60)

    server.put("dinov2_nano.safetensors", NANO.read_bytes(), {"cut": 100_000, "times": 1})
    server.after_body = hold
    # A process that was started in the background ignores Ctrl-C, and so do its children unless told otherwise.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    entry = f"{heed}; from rs_adapt.commands import main; main()"
    command = [sys.executable, "-c", entry, "weights", "fetch", "dinov2-nano"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ)
    assert sent.wait(60)
    part = published.with_name(f"{published.name}.part")
    while not part.exists() or part.stat().st_size == 0:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    go_on.set()
    assert process.returncode == 130
    assert f" bytes are saved in {part}. Run the same command again to continue." in err
    kept = part.stat().st_size
    assert run("weights", "fetch", "dinov2-nano")[0] == 0
    assert server.asked[-1][1] == f"bytes={kept}-"
    assert published.read_bytes() == NANO.read_bytes()


def test_file_brought_along_is_verified_and_copied(run: Any, published: Path, server: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"x")
    code, _, err = run("weights", "fetch", "dinov2-nano", "--from", wrong)
    assert code == 2
    assert f"{wrong} is not the published dinov2_nano.safetensors: its size is 1 bytes, expected 5526968" in err
    assert list(published.parent.iterdir()) == []
    code, _, err = run("weights", "fetch", "dinov2-nano", "--from", tmp_path / "nothing")
    assert (code, "No such file" in err) == (2, True)
    code, out, _ = run("weights", "fetch", "dinov2-nano", "--from", NANO)
    assert code == 0
    assert "copied, 5 526 968 bytes, sha256 verified" in out
    assert published.read_bytes() == NANO.read_bytes()
    assert server.asked == []


def test_gated_file_names_the_form(run: Any, published: Path, entry: Any) -> None:
    entry(url="https://example.org/other.pt", gated="https://example.org/form")
    code, _, err = run("weights", "fetch", "other")
    assert code == 2
    assert "Ask for access at https://example.org/form, then run `rs-adapt weights fetch other --from FILE`" in err
    assert "by hand (gated)" in row(run("weights", "list")[1], "other")
    assert "open:" not in row(run("weights", "list")[1], "other")


def test_gated_file_names_the_nearest_open_backbone(run: Any) -> None:
    code, _, err = run("weights", "fetch", "dinov3-l-sat")
    assert code == 2
    assert "The nearest backbone that needs no permission is dinov2-l-reg: --backbone dinov2-l-reg" in err
    _, out, _ = run("weights", "list", "--json")
    states = {row["name"]: row["state"] for row in json.loads(out)}
    assert states["dinov3-l-sat"] == "by hand (gated); open: dinov2-l-reg"
    assert states["mae-b-millionaid"] == "by hand (no address)"


def test_a_file_without_an_address_is_brought_along(run: Any, own_home: Path) -> None:
    code, _, err = run("weights", "fetch", "mae-b-millionaid")
    assert code == 2
    assert "No address of vit-b-checkpoint-1599.pth is known. Get it from its authors, then run" in err
    assert not (own_home / "weights").exists()


def test_a_missing_published_checksum_is_reported(run: Any, published: Path, server: Any, entry: Any) -> None:
    url = server.put("other.pt", b"scripted")
    entry(url=url)
    code, out, _ = run("weights", "fetch", "other")
    assert code == 0
    assert "fetched, 8 bytes, neither size nor checksum is published" in out
    code, out, _ = run("weights", "verify", "other")
    assert code == 1
    assert "WRONG: tensors" in out
    entry(url=url, sha256="ab" * 32)
    code, out, _ = run("weights", "verify", "other")
    assert code == 1
    assert "WRONG: sha256" in out


def test_shipped_weights_need_no_fetching(run: Any) -> None:
    code, out, _ = run("weights", "fetch", "dinov2-nano")
    assert code == 0
    assert "comes with rs-adapt" in out


@pytest.mark.parametrize("option", ["--url", "--from", "--sha256"])
def test_options_that_shipped_weights_would_ignore_are_refused(run: Any, option: str) -> None:
    code, _, err = run("weights", "fetch", "dinov2-nano", option, "ab" * 32)
    assert code == 2
    assert f"dinov2_nano.safetensors comes with rs-adapt and is never fetched. Leave {option} out" in err


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x10\0\0\0\0\0\0\0"])
def test_what_is_no_file_of_weights_is_not_copied_where_no_checksum_is_published(
    run: Any, entry: Any, own_home: Path, tmp_path: Path, content: bytes
) -> None:
    entry(url="https://example.org/other.pt")
    (tmp_path / "brought.pt").write_bytes(content)
    code, _, err = run("weights", "fetch", "other", "--from", tmp_path / "brought.pt")
    assert code == 2
    assert "brought.pt is no file of weights: it begins neither as safetensors nor as a file that torch.save" in err
    assert not [path for path in own_home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["cut", "bit"])
def test_damaged_file_is_wrong(run: Any, tmp_path: Path, damage: str) -> None:
    content = bytearray(NANO.read_bytes())
    if damage == "cut":
        del content[-1000:]
    else:
        content[-1] ^= 1
    copy = tmp_path / NANO.name
    copy.write_bytes(content)
    code, out, _ = run("weights", "verify", copy)
    assert code == 1
    wrong = "bytes, sha256, tensors" if damage == "cut" else "sha256, tensors sha256"
    assert out.splitlines()[-1].endswith(f"WRONG: {wrong}")


def test_file_of_a_different_size_is_wrong(run: Any, tmp_path: Path) -> None:
    # A nano under the name of the S.
    copy = tmp_path / "dinov2_vits14_pretrain.pth"
    shutil.copyfile(NANO, copy)
    code, out, _ = run("weights", "verify", copy)
    assert code == 1
    assert "expected 384 wide, 12 deep" in out


def test_published_file_is_recognised_under_a_different_name(run: Any, tmp_path: Path) -> None:
    copy = tmp_path / "mine.bin"
    shutil.copyfile(NANO, copy)
    code, out, _ = run("weights", "verify", copy)
    assert code == 0
    assert "published as     dinov2_nano.safetensors" in out


def test_verify_of_a_missing_file_names_the_command(run: Any) -> None:
    code, _, err = run("weights", "verify", "dinov2-l")
    assert code == 2
    assert "Get it: rs-adapt weights fetch dinov2-l" in err


def test_converted_weights_are_the_same_base_unless_resized(run: Any, tmp_path: Path) -> None:
    out_file = tmp_path / "same.safetensors"
    code, out, _ = run("weights", "convert", NANO, "--out", out_file)
    assert code == 0
    assert f"positions 16 x 16, tensors sha256 {BASE}" in out
    code, _, err = run("weights", "convert", NANO, "--out", out_file)
    assert (code, "add --overwrite" in err) == (2, True)
    sizes = ("--patch-px", 16, "--image-px", 64, "--overwrite")
    code, out, _ = run("weights", "convert", NANO, "--out", out_file, *sizes)
    assert code == 0
    assert "patch 16 px" in out
    assert "positions 4 x 4" in out
    assert BASE not in out
    _, out, _ = run("weights", "verify", out_file)
    assert "192 wide, 6 deep, patch 16 px, positions 4 x 4" in out
    code, _, err = run("weights", "convert", NANO, "--out", tmp_path / "x", "--patch-px", 16, "--image-px", 100)
    assert code == 2
    assert "not a multiple of the patch of 16 pixels. Nearest valid: 96 or 112" in err
    assert not (tmp_path / "x").exists()
