"""The mean of the weights of several packs, as a pack of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.engine.pack import read_pack_tensors, write_manifest
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import write_folder_atomically
from rs_adapt.inference.checkpoint import recompose, recompose_manifest
from rs_adapt.inference.pack_overrides import split_key, without_training
from rs_adapt.runs.averages import mean_manifest, start_from_images
from rs_adapt.runs.files import TENSORS_FILE
from rs_adapt.runs.packs import pack_folder, read_manifest
from rs_adapt.runs.records import Manifest

_SEGMENTOR_PARTS = ("backbone", "decode_head", "data_preprocessor", "test_cfg", "train_cfg")


def write_mean(folders: Sequence[Path], members: Sequence[Manifest], shares: Sequence[float], *, out: Path) -> Manifest:
    """Write the mean of packs: `adapter.safetensors` and `manifest.json`, both or neither.

    Args:
        folders: Folders of the packs.
        members: Their manifests, from `rs_adapt.runs.averages.read_members`.
        shares: Share of each pack; their sum is 1.
        out: The new folder.

    Returns:
        The manifest as written.

    Raises:
        CheckpointMismatch: A file is missing or damaged, or the packs differ in their tensors or model settings.
        OutputExists: There are files in `out`.
        ConfigError: It cannot be written to.
    """
    models = [segmentor_config(recompose(folder)) for folder in folders]
    reason = start_from_images(models[0]["backbone"].get("adapter"))
    if reason is not None and len({member.cell.setting for member in members}) > 1:
        raise CheckpointMismatch(
            f"The method {members[0].cell.method} {reason}, so {folders[0]} and the others had different starts, and "
            "the mean of their weights has no meaning. Average packs of one setting; `rs-adapt predict` takes several "
            "--checkpoint."
        )
    # The mean is shown images of the size that its members learnt from.
    matched = ["strategy.match_gsd=True"] if members[0].gsd_matched else []
    overrides = [*_overrides_of_model(members[0].overrides), *matched]
    manifest = mean_manifest(members, shares, overrides=overrides)
    # The last: that the mean is read with the model of its members.
    models.append(segmentor_config(recompose_manifest(manifest, out)))
    for folder, model in zip((*folders[1:], out), models[1:], strict=True):
        if model != models[0]:
            keys = ", ".join(sorted(key for key in {*models[0], *model} if models[0].get(key) != model.get(key)))
            raise CheckpointMismatch(
                f"{folders[0]} and {folder} differ in settings of the model ({keys}), so the mean of their weights "
                "has no meaning. Average packs of one model."
            )
    tensors = [read_pack_tensors(pack_folder(place), member) for place, member in zip(folders, members, strict=True)]
    mean = mean_of(tensors, shares)
    if mean is None:
        raise CheckpointMismatch(
            f"The packs {', '.join(map(str, folders))} differ in the names or shapes of their tensors, or in which "
            "modules a gate has chosen, so their mean has no meaning. Average packs of one method with one size."
        )

    def fill(place: Path) -> None:
        save_file(mean, place / TENSORS_FILE)
        write_manifest(place, manifest)

    write_folder_atomically(out, fill, overwrite=False)
    return read_manifest(out)


def mean_of(tensors: Sequence[dict[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor] | None:
    """Return the weighted mean of tensors by name, in the dtype of the first; None if names, shapes or flags differ.

    Sums are taken in float64. Whole numbers, such as counters of batches, are the first pack's.

    Args:
        tensors: Tensors of each pack.
        shares: Share of each; their sum is 1.
    """
    shapes = [{name: value.shape for name, value in member.items()} for member in tensors]
    if any(others != shapes[0] for others in shapes[1:]):
        return None
    mean = {}
    for name, value in tensors[0].items():
        if value.is_floating_point():
            parts = [member[name].to(torch.float64) * share for member, share in zip(tensors, shares, strict=True)]
            mean[name] = torch.stack(parts).sum(dim=0).to(value.dtype).contiguous()
        elif value.dtype == torch.bool and any(not torch.equal(member[name], value) for member in tensors):
            return None
        else:
            mean[name] = value
    return mean


def _overrides_of_model(texts: Sequence[str]) -> list[str]:
    """Return the overrides that decide what the model is, not how it was trained, by their keys without strategy."""
    model = []
    for text in without_training(list(texts)):
        text = text.replace("model.segmentor.", "model.", 1) if text.startswith("model.segmentor.") else text
        parts = split_key(text)
        if parts[0] != "strategy" and (parts[0] != "model" or (parts[1:2] and parts[1] in _SEGMENTOR_PARTS)):
            model.append(text)
    return model
