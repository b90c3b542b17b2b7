"""`rs-adapt export`: write the adapter pack or the whole model of a run for other programs."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, say, shorten_path

_HUB = "Hugging Face Hub"


class Format(StrEnum):
    """The format that is written."""

    RS_ADAPT = "rs-adapt"
    MMSEG = "mmseg"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"


def export(
    run: options.Run,
    out: Annotated[Path | None, options.out()] = None,
    layout: Annotated[
        Format,
        typer.Option(
            "--format", help="The adapter pack, or the whole model for mmsegmentation, as safetensors or ONNX."
        ),
    ] = Format.RS_ADAPT,
    merge: Annotated[
        bool, typer.Option("--merge", help="Fold the adapter into the backbone's weights, if the method allows it.")
    ] = False,
    tile_px: Annotated[
        int | None, typer.Option("--tile-px", help="Side of a tile in pixels (default: as evaluated).", min=1)
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Let tiles of an ONNX model have any sides, in steps of the patch.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(
            "--push",
            help="Push the pack to this repository of the Hugging Face Hub.",
            metavar="OWNER/NAME",
            rich_help_panel=_HUB,
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Branch to push to, made if missing (default: main).", rich_help_panel=_HUB),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.", rich_help_panel=_HUB)
    ] = False,
    dry_run: options.DryRun = False,
    overwrite: options.Overwrite = False,
    weights: options.Weights = None,
    device: options.Device = "cpu",
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Export the adapter pack of a run, or the whole model for other programs.

    Merging works for methods that change weights: lora, flora, sam-parser, bitfit, norm, hclip, cobot on lora, stacks
    of these, and peft's. It writes the merged base weights, and an adapter pack with the head that fits them, after a
    comparison of the features of a random image before and after the merge.

    The other formats have the whole model in one file. mmseg: a .pth whose tensors are named as in DINOv2 (backbone)
    and mmdetection (head); the head must be Mask2Former, and the adapter Earth-Adapter, Rein, merged or absent.
    safetensors: any method and head; the tensors of the backbone are named as in transformers.
    onnx: from RGB / 255 to class probabilities, for the QGIS plugin Deepness and for onnxruntime, in which it is
    compared with torch on random images before it is written. It needs the extra `onnx` of rs-adapt.

    $ rs-adapt export RUN --out packs/rural2urban

    $ rs-adapt export RUN --merge --out merged

    $ rs-adapt eval merged --weights merged/backbone.safetensors

    $ rs-adapt export RUN --format mmseg --out released

    $ rs-adapt export RUN --format onnx --tile-px 512 --out qgis

    With --push the pack goes to the Hugging Face Hub, with a model card and in one commit; every command takes it as
    hf:OWNER/NAME. The token is that of HF_TOKEN or hf auth login. --dry-run checks everything and prints the card.

    $ rs-adapt export RUN --push OWNER/NAME --private
    """
    from rs_adapt.api.checkpoints import find_checkpoint
    from rs_adapt.api.presence import require_checkpoint
    from rs_adapt.api.progress import print_loading

    if layout is not Format.ONNX and (dynamic or tile_px is not None):
        given = "--dynamic" if dynamic else "--tile-px"
        raise typer.BadParameter(f"the sides of tiles are those of an ONNX model: use {given} with --format onnx.")
    if push is not None:
        if out is not None or layout is not Format.RS_ADAPT or merge:
            given = "--out" if out is not None else "--merge" if merge else f"--format {layout.value}"
            raise typer.BadParameter(f"--push sends the pack alone: leave {given} out, or leave --push out.")
        _push(run, push, revision=revision, private=private, dry_run=dry_run, overwrite=overwrite, as_json=as_json)
        return
    if out is None or dry_run or private or revision is not None:
        given = "--dry-run" if dry_run else "--private" if private else "--revision" if revision is not None else ""
        sentence = f"{given} is about --push OWNER/NAME: add that." if given else "Name a folder to write, or --push."
        raise typer.BadParameter(sentence, param_hint=given or "--out")
    run = find_checkpoint(run)
    require_checkpoint(run, weights=weights)
    print_loading(True)
    from rs_adapt.exchange.export import export_merged, export_pack
    from rs_adapt.exchange.model import export_model
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.runs.locking import share_run
    from rs_adapt.runs.packs import pack_folder

    difference = None
    folder = pack_folder(run)
    with share_run(folder):
        if layout is Format.RS_ADAPT and not merge:
            files = export_pack(folder, out, overwrite=overwrite)
        else:
            cfg = recompose(folder, weights=weights)
            if layout is Format.RS_ADAPT:
                files, difference = export_merged(cfg, folder, out, device=device, overwrite=overwrite)
            elif layout is Format.ONNX:
                from rs_adapt.exchange.onnx_model import export_onnx

                files, difference = export_onnx(
                    cfg, folder, out, tile_px=tile_px, dynamic=dynamic, merge=merge, overwrite=overwrite
                )
            else:
                name: Literal["mmseg", "safetensors"] = "mmseg" if layout is Format.MMSEG else "safetensors"
                files, difference = export_model(
                    cfg, folder, out, layout=name, merge=merge, device=device, overwrite=overwrite
                )
    if as_json:
        print_json([{"file": str(file), "bytes": file.stat().st_size} for file in files])
        return
    if layout is Format.ONNX:
        say(f"onnxruntime and torch differ by at most {difference:.1e} in a probability, on random images")
    elif difference is not None:
        say(f"merged and unmerged features of a random image differ by at most {difference:.1e} of the largest")
    for file in files:
        say(f"{shorten_path(file)}: {group_digits(file.stat().st_size)} bytes")


def _push(
    run: Path,
    repository: str,
    *,
    revision: str | None,
    private: bool,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    from rs_adapt.api.pushing import push

    pushed = push(run, repository, revision=revision, private=private, overwrite=overwrite, dry_run=dry_run)
    if as_json:
        print_json(asdict(pushed))
        return
    if dry_run:
        say(pushed.card)
    for name, size in pushed.files.items():
        say(f"{name}: {group_digits(size)} bytes")
    state = "a new repository" if pushed.is_new else "a repository that exists"
    if pushed.commit is None:
        say(f"Nothing was pushed. It would go to {pushed.url}, {state}.")
        return
    say(f"{pushed.url}: commit {pushed.commit}")
    say(f"rs-adapt predict scene.tif --checkpoint {pushed.address} --out map.tif")
