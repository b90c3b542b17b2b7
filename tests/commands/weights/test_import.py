"""`rs-adapt weights import` as its users meet it: a pack that evaluates, and a reason for every refusal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import EarthAdapter, Rein
from rs_adapt.commands import main
from rs_adapt.config import paths
from rs_adapt.heads import Mask2FormerHead
from rs_adapt.heads.mask2former_names import to_mmdet_names
from rs_adapt.inference.checkpoint import recompose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Import = Callable[..., tuple[Any, str, str]]

# As the nano backbone and LoveDA have them.
WIDTH, DEPTH, NUM_CLASSES = 192, 6, 7
KINDS = {"earth-adapter": "refine_feat.", "rein": "reins.", "mask2former": ""}


def released(kind: str, *, width: int = WIDTH, num_classes: int = NUM_CLASSES) -> dict[str, Tensor]:
    """Return a whole state dict of random weights under released names."""
    adapter: Any = None
    if kind == "earth-adapter":
        adapter = EarthAdapter(embed_dim=width, depth=DEPTH, rank=4, frequency_layers=range(3, 6), cutoff=0.3)
    elif kind == "rein":
        adapter = Rein(embed_dim=width, depth=DEPTH, num_tokens=12, token_rank=4, query_dim=32)
    head = Mask2FormerHead(
        in_channels=[width] * 4,
        num_classes=num_classes,
        channels=32,
        num_queries=12,
        encoder_layers=1,
        decoder_layers=1,
        num_heads=4,
        encoder_ffn=16,
        decoder_ffn=16,
        learned_query_pos=kind != "rein",
    )
    tensors = {f"decode_head.{name}": value for name, value in to_mmdet_names(head.state_dict()).items()}
    if adapter is not None:
        reference = adapter.to_reference(adapter.state_dict())
        tensors |= {f"backbone.{KINDS[kind]}{name}": value for name, value in reference.items()}
    return tensors


@pytest.fixture
def import_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    """Return a function that saves tensors, imports the file into `pack` and gives exit code, stdout and stderr."""

    def run(tensors: object, kind: str, *arguments: str) -> tuple[Any, str, str]:
        file = tmp_path / "official.pth"
        if tensors is not None:
            torch.save(tensors, file)
        cell = ("--bench", "loveda-da", "--backbone", "dinov2-nano", "--weights", "random")
        sizes = ("--set", "bench.tile_px=64", "--set", "bench.crop_px=64", "--set", "bench.inference.mode='whole'")
        command = ("weights", "import", str(file), "--as", kind, "--out", str(tmp_path / "pack"))
        with pytest.raises(SystemExit) as stop:
            main([*command, *cell, *sizes, *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


def refused(outcome: tuple[Any, str, str], tmp_path: Path) -> str:
    """Return the message of a refusal that left nothing behind."""
    code, out, err = outcome
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if "pack" in path.name] == []
    return err


def evaluate(capsys: pytest.CaptureFixture[str], pack: Path, *arguments: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["eval", "--checkpoint", str(pack), "--device", "cpu", *arguments])
    shown = capsys.readouterr()
    return stop.value.code or 0, shown.out, shown.err


@pytest.mark.parametrize("kind", KINDS)
def test_an_imported_pack_evaluates(
    import_file: Import, kind: str, tmp_path: Path, loveda_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = released(kind)
    teacher = {f"ema_model.{name}": value for name, value in tensors.items()}
    code, out, err = import_file({"state_dict": tensors | teacher, "meta": {"iter": 3}}, kind)
    assert code == 0, err
    assert f"{len(teacher)} tensors of the file are not used" in out
    assert "bound to dinov2_nano, SHA-256 " in out
    manifest = json.loads((tmp_path / "pack" / "manifest.json").read_text())
    assert manifest["imported"]["file"] == "official.pth"
    assert str(tmp_path) not in (tmp_path / "pack" / "manifest.json").read_text()
    code, out, err = evaluate(capsys, tmp_path / "pack", "--data-root", str(loveda_root))
    assert code == 0, err
    assert "mIoU" in out
    # Bound to the random base weights, it does not fit those that come with the package.
    shipped = str(paths.shipped_weights_dir() / "dinov2_nano.safetensors")
    code, _, err = evaluate(capsys, tmp_path / "pack", "--data-root", str(loveda_root), "--weights", shipped)
    assert code == 2
    assert "belongs to the base dinov2_nano" in err


def test_settings_that_the_tensors_do_not_determine_are_listed(import_file: Import) -> None:
    code, out, err = import_file(released("earth-adapter"), "earth-adapter")
    assert code == 0, err
    rows = {line.split()[0].rpartition(".")[2]: line for line in out.splitlines() if "backbone.adapter." in line}
    assert rows["rank"].split()[1:] == ["4", "the", "file"]
    assert rows["frequency_layers"].split()[1:] == ["3,", "4,", "5", "the", "file"]
    assert rows["cutoff"].split()[1:] == ["0.3", *"tuned for loveda_r2u (da), not in the file".split()]


def test_a_cutoff_set_by_the_user_is_stored_in_the_pack(import_file: Import, tmp_path: Path) -> None:
    code, out, err = import_file(
        released("earth-adapter"), "earth-adapter", "--set", "model.backbone.adapter.cutoff=0.2"
    )
    assert code == 0, err
    assert ["0.2", "--set"] in [line.split()[1:] for line in out.splitlines() if "cutoff" in line]
    cfg = recompose(tmp_path / "pack")
    assert cfg.model.segmentor.backbone.adapter.cutoff == 0.2


def test_wrong_classes_width_and_settings_are_refused(import_file: Import, tmp_path: Path) -> None:
    said = refused(import_file(released("rein", num_classes=6), "rein"), tmp_path)
    assert "has 6 classes, but loveda_r2u has 7: background, building" in said
    said = refused(import_file(released("rein", width=384), "rein"), tmp_path)
    assert "on a backbone 384 wide, 6 deep (a ViT)" in said
    assert "dinov2_nano is 192 wide, 6 deep" in said
    said = refused(import_file(released("mask2former", width=384), "mask2former"), tmp_path)
    assert "on a backbone 384 wide, with 4 levels of 384, 384, 384, 384 channels" in said
    rank = ("--set", "model.backbone.adapter.rank=8")
    said = refused(import_file(released("earth-adapter"), "earth-adapter", *rank), tmp_path)
    assert "model.backbone.adapter.rank=8 contradicts" in said
    assert "whose tensors imply 4" in said
    said = refused(import_file(released("rein"), "rein", "--set", "model.decode_head.type=os.system"), tmp_path)
    assert "a pack must not choose code" in said


def test_missing_and_unknown_tensors_are_listed(import_file: Import, tmp_path: Path) -> None:
    tensors = released("earth-adapter")
    for name in ("backbone.refine_feat.mlp_list3.4.2.bias", "decode_head.mask_embed.2.weight"):
        del tensors[name]
    tensors["decode_head.mask_embed.6.weight"] = torch.zeros(2)
    tensors["backbone.refine_feat.gate.weight"] = torch.zeros(2)
    tensors["decode_head.cls_embed.bias"] = torch.zeros(3)
    said = refused(import_file(tensors, "earth-adapter"), tmp_path)
    assert "lacks 2 tensors: backbone.refine_feat.mlp_list3.4.2.bias, decode_head.mask_embed.2.weight" in said
    unknown = "backbone.refine_feat.gate.weight, decode_head.mask_embed.6.weight"
    assert f"not part of such a model are 2 tensors: {unknown}" in said
    assert "of a different shape are 1 tensors: decode_head.cls_embed.bias (3,) (needed: (8,))" in said


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("rein", lambda t: {n: v for n, v in t.items() if "reins" not in n}, r"has no tensors backbone.reins.*"),
        ("rein", lambda t: {n: v for n, v in t.items() if "head" not in n}, r"has no tensors decode_head.*"),
        ("rein", lambda t: t | {"neck.w": torch.zeros(1)}, "1 tensors that belong to no part of a released"),
        ("rein", lambda t: t | {"backbone.blocks.0.w": torch.zeros(1)}, "do not belong to the original DINOv2 ViT"),
        ("rein", lambda t: t | {"backbone.pos_embed": torch.zeros(1)}, "not 3 dimensions"),
        ("rein", lambda t: t | {"backbone.cls_token": torch.ones(1, 1, WIDTH)}, "differs from the base weights: 1 "),
        ("rein", lambda t: t | {"backbone.reins.learnable_tokens_a": torch.zeros(())}, "with 3 dimensions"),
        ("rein", lambda t: t | {"decode_head.query_feat.weight": torch.zeros(())}, "not 2 dimensions"),
        ("rein", lambda t: released("earth-adapter"), "has an adapter of earth-adapter.*--as earth-adapter"),
        ("mask2former", lambda t: released("rein"), "has an adapter of rein.*--as rein"),
        ("earth-adapter", lambda t: {"optimizer": {"lr": 1}}, "is not a state dict"),
    ],
)  # fmt: skip
def test_files_of_a_different_kind_are_refused(
    import_file: Import, tmp_path: Path, kind: str, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    assert re.search(message, refused(import_file(change(released(kind)), kind), tmp_path))


class Evil:
    """Would write a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self.target).touch, (self.target,))


def test_a_file_with_code_in_it_is_refused_and_not_run(import_file: Import, tmp_path: Path) -> None:
    content = {"state_dict": released("rein"), "hook": Evil(tmp_path / "ran")}
    assert "nothing in it was run" in refused(import_file(content, "rein"), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_damaged_and_missing_files_are_named(import_file: Import, tmp_path: Path) -> None:
    assert "official.pth: No such file" in refused(import_file(None, "rein"), tmp_path)
    torch.save(released("rein"), tmp_path / "official.pth")
    whole = (tmp_path / "official.pth").read_bytes()
    (tmp_path / "official.pth").write_bytes(whole[: len(whole) // 2])
    assert "truncated or a different kind of file" in refused(import_file(None, "rein"), tmp_path)


def test_an_existing_folder_is_not_replaced(import_file: Import, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "mine.txt").write_text("mine")
    code, _, err = import_file(released("mask2former"), "mask2former")
    assert code == 2
    assert "--overwrite" in err
    assert (tmp_path / "pack" / "mine.txt").read_text() == "mine"
    assert import_file(released("mask2former"), "mask2former", "--overwrite")[0] == 0
    # Files that no pack has are none of ours to delete.
    assert {path.name for path in (tmp_path / "pack").iterdir()} == {"adapter.safetensors", "manifest.json", "mine.txt"}


def test_error_of_absent_base_weights_names_their_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    torch.save(released("mask2former", width=384), tmp_path / "official.pth")
    with pytest.raises(SystemExit) as stop:
        main(
            [
                *("weights", "import", str(tmp_path / "official.pth"), "--as", "mask2former", "--bench", "loveda-da"),
                *("--backbone", "dinov2-s", "--out", str(tmp_path / "pack")),
            ]
        )
    assert stop.value.code == 2
    assert "dinov2_vits14_pretrain.pth" in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()


def test_json_is_all_that_standard_output_holds(import_file: Import, tmp_path: Path) -> None:
    code, out, err = import_file(released("rein"), "rein", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert out == json.dumps(content, indent=2) + "\n"
    assert [file.rpartition("/")[2] for file in content["files"]] == ["adapter.safetensors", "manifest.json"]
