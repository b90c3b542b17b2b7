"""Export of a whole trained segmentor as one file: mmsegmentation's layout, or safetensors with transformers' names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rs_adapt.backbones import Backbone
from rs_adapt.backbones.conversion import TensorLayout, to_published_names
from rs_adapt.exchange.export import EXPORTED_FILES, MMSEG_FILE, SAFETENSORS_FILE, consistent_manifest, merge_adapter
from rs_adapt.exchange.reference import BACKBONE, HEAD, adapter_tensors, head_tensors
from rs_adapt.files import atomic_file, check_output_folder, write_folder_atomically
from rs_adapt.inference.checkpoint import load_model
from rs_adapt.runs.clearing import refuse_output_in_run

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# Facts of the run that a reader of the file needs; paths of the machine are left out.
_FACTS = ("rs_adapt", "cell", "overrides", "base", "classes", "palette", "ignore_index", "normalisation", "sizes")

Layout = Literal["mmseg", "safetensors"]


def export_model(
    cfg: ResolvedConfig,
    checkpoint: Path,
    out: Path,
    *,
    layout: Layout,
    merge: bool = False,
    device: str = "cpu",
    overwrite: bool = False,
) -> tuple[list[Path], float | None]:
    """Write backbone, adapter and head as one file, fp32, at the model's own patch size and position grid.

    `mmseg`: a state dict of PyTorch below `state_dict`. `backbone.*` has the ViT's original names, the adapter the
    names of its released checkpoints, `decode_head.*` those of mmdetection's Mask2Former. Final norm and mask token,
    which segmentation does not use, are left out, and so are experts that Earth-Adapter does not use.

    `safetensors`: `backbone.*` with the names of transformers' model, `backbone.adapter.*` and
    `decode_head.*` with this package's, and the facts of the run as JSON in the header.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        out: Folder to write.
        layout: The layout, see above.
        merge: Fold the adapter into the backbone's weights first.
        device: Device to build the model on.
        overwrite: Whether to replace the folder.

    Returns:
        The written file, and the difference of `merge_adapter`; None without a merge.

    Raises:
        ConfigError: The layout has no names for the adapter or the head, or the adapter cannot be merged.
        CheckpointMismatch: The merged backbone gives other features, by more than rounding.
        OutputExists: The folder is not empty, and `overwrite` is False.
    """
    check_output_folder(out, overwrite=overwrite)
    refuse_output_in_run(out)
    model = load_model(cfg, checkpoint, device=device)
    manifest = consistent_manifest(checkpoint).content()
    difference = merge_adapter(cfg, model.backbone) if merge else None
    facts = {key: manifest[key] for key in _FACTS if key in manifest} | {"merged": merge}
    name_tensors = _name_as_mmseg if layout == "mmseg" else _name_as_transformers
    tensors = name_tensors(model.backbone, model.decode_head)
    tensors = {name: value.detach().to("cpu", torch.float32).contiguous() for name, value in tensors.items()}

    def fill(folder: Path) -> None:
        if layout == "mmseg":
            # mmsegmentation reads classes and colours from here.
            palette = [list(colour) for colour in cfg.bench.palette]
            dataset = {"classes": tuple(cfg.bench.classes), "palette": palette}
            torch.save({"meta": {"dataset_meta": dataset, **facts}, "state_dict": tensors}, folder / MMSEG_FILE)
        else:
            header = {key: json.dumps(value) for key, value in facts.items()}
            # safetensors creates files that only their owner can read; this one has the user's usual permissions.
            with atomic_file(folder / SAFETENSORS_FILE) as temporary:
                save_file(tensors, temporary, metadata={"format": "pt", **header})

    return write_folder_atomically(out, fill, overwrite=overwrite, own=EXPORTED_FILES), difference


def _name_as_mmseg(backbone: Backbone, head: nn.Module) -> dict[str, Tensor]:
    # The head and the adapter first, so that an error about missing names is raised before anything is renamed.
    trained = adapter_tensors(backbone.adapter) | head_tensors(head)
    return _name_base_tensors(backbone, backbone.names.original) | trained


def _name_as_transformers(backbone: Backbone, head: nn.Module) -> dict[str, Tensor]:
    adapter = {} if backbone.adapter is None else backbone.adapter.state_dict()
    return (
        _name_base_tensors(backbone, backbone.names.transformers)
        | {f"{BACKBONE}adapter.{name}": value for name, value in adapter.items()}
        | {f"{HEAD}{name}": value for name, value in head.state_dict().items()}
    )


def _name_base_tensors(backbone: Backbone, layout: TensorLayout) -> dict[str, Tensor]:
    base = {name: value.detach() for name, value in backbone.base_parameters().items()}
    if backbone.names.in_stages:
        # Batch norms have statistics besides.
        base |= dict(backbone.named_buffers())
    return {f"{BACKBONE}{name}": value for name, value in to_published_names(base, layout).items()}
