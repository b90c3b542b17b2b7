"""Export of a trained segmentor as ONNX, compared with torch in onnxruntime before it is written."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from rs_adapt import __version__
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.exchange.export import EXPORTED_FILES, ONNX_FILE, consistent_manifest, merge_adapter
from rs_adapt.files import check_output_folder, file_sha256, write_folder_atomically
from rs_adapt.inference.checkpoint import load_model
from rs_adapt.inference.onnx_session import INPUT, OUTPUT, first_line, open_onnx, run_onnx
from rs_adapt.inference.predictor import unpadded_metainfo
from rs_adapt.inference.windows import check_tile_px, window_px
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.onnx_files import append_facts
from rs_adapt.runs.records import FileFacts, OnnxFacts
from rs_adapt.strategies.pseudo_labels import probabilities

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import Manifest

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# Largest difference of a probability between torch and onnxruntime: rounding in single precision.
TOLERANCE = 1e-4
# The oldest set of operators that torch's exporter writes without a conversion; programs in the field lag behind.
_OPSET = 18
_SIDES = ("rows", "columns")
# Heads need feature maps of a quarter of the patches' grid.
_LEAST_PATCHES = 4
# Files above this have their tensors beside them: one message of protobuf holds 2 GiB.
_ONE_FILE_BYTES = 1_900_000_000


class ImageToProbabilities(nn.Module):
    """A segmentor from RGB in 0 to 1, float32 (N, 3, H, W), to class probabilities, float32 (N, K, H, W).

    Args:
        segmentor: The trained model, in eval mode.
    """

    mean_13HW: Tensor
    std_13HW: Tensor

    def __init__(self, segmentor: Any) -> None:
        super().__init__()
        self.segmentor = segmentor
        self.register_buffer("mean_13HW", segmentor.data_preprocessor.mean.view(1, 3, 1, 1) / 255)
        self.register_buffer("std_13HW", segmentor.data_preprocessor.std.view(1, 3, 1, 1) / 255)

    def forward(self, image: Tensor) -> Tensor:
        """Return the class probabilities of images."""
        # All images of a batch are alike, and their number is free.
        metainfo = [unpadded_metainfo(image)]
        scores_NKHW = self.segmentor.encode_decode((image - self.mean_13HW) / self.std_13HW, metainfo)
        return probabilities(scores_NKHW, self.segmentor.decode_head.score_kind)


def require_onnx() -> None:
    """Refuse to go on without the packages that write and run ONNX.

    Raises:
        ConfigError: One is missing.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise ConfigError(f"--format onnx needs the package {missing[0]}: pip install 'rs-adapt[onnx]'.")


def export_onnx(
    cfg: ResolvedConfig,
    checkpoint: Path,
    out: Path,
    *,
    tile_px: int | None = None,
    dynamic: bool = False,
    merge: bool = False,
    overwrite: bool = False,
) -> tuple[list[Path], float]:
    """Write backbone, adapter and head as `model.onnx`, fp32.

    Input `image`: RGB divided by 255, float32 (N, 3, H, W); the model normalises it. Output `probabilities`: float32
    (N, K, H, W), which sum to 1 over the classes. N is free; H and W are `tile_px`, or with `dynamic` any multiples of
    the backbone's patch. The metadata has the keys that the QGIS plugin Deepness reads (`model_type`, `class_names`,
    `resolution` in cm, `tiles_size`, `tiles_overlap`), and below `rs_adapt` what `rs-adapt predict` needs.

    Nothing is written unless onnxruntime gives torch's probabilities on random images, with `dynamic` of several sizes.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        out: Folder to write.
        tile_px: Side of the images, a multiple of the patch; by default that of the windows of evaluation.
        dynamic: Leave the sides free.
        merge: Fold the adapter into the backbone's weights first.
        overwrite: Whether to replace the folder.

    Returns:
        The written file, and the largest difference of a probability from torch's.

    Raises:
        ConfigError: A package is missing, the size is no multiple of the patch, the model cannot be written as ONNX, or
            its adapter cannot be merged.
        CheckpointMismatch: The probabilities in onnxruntime differ.
        OutputExists: The folder is not empty, and `overwrite` is False.
    """
    require_onnx()
    check_output_folder(out, overwrite=overwrite)
    refuse_output_in_run(out)
    manifest = consistent_manifest(checkpoint)
    model = load_model(cfg, checkpoint, device="cpu")
    if merge:
        merge_adapter(cfg, model.backbone)
    patch_px = int(model.backbone.patch_px)
    side_px = window_px(cfg) if tile_px is None else tile_px
    check_tile_px(side_px, patch_px)
    whole = ImageToProbabilities(model).eval()
    method, head = cfg.cell.method, cfg.cell.head
    program = _write_program(whole, side_px, patch_px if dynamic else None, what=f"Method {method} with head {head}")
    is_large = sum(value.numel() * value.element_size() for value in whole.state_dict().values()) > _ONE_FILE_BYTES
    difference = 0.0

    def fill(folder: Path) -> None:
        nonlocal difference
        file = folder / ONNX_FILE
        program.model.metadata_props.update(_metadata(manifest, side_px))
        program.save(file, external_data=is_large)
        facts = OnnxFacts(
            rs_adapt=__version__,
            manifest=manifest,
            merged=merge,
            patch_px=patch_px,
            tile_px=side_px,
            dynamic=dynamic,
            least_px=_LEAST_PATCHES * patch_px if dynamic else side_px,
            graph=_file_facts(file),
            data=_file_facts(file.with_name(f"{ONNX_FILE}.data")) if is_large else None,
        )
        append_facts(file, facts)
        difference = _difference(whole, file, _shapes_to_compare(side_px, patch_px, dynamic=dynamic))
        if not difference <= TOLERANCE:
            raise CheckpointMismatch(
                f"The exported model gives probabilities that differ from torch's by up to {difference:.1e}; "
                f"{TOLERANCE:.0e} is allowed. Nothing was written. --format safetensors has the same tensors."
            )

    return write_folder_atomically(out, fill, overwrite=overwrite, own=EXPORTED_FILES), difference


def _write_program(whole: ImageToProbabilities, side_px: int, patch_px: int | None, *, what: str) -> Any:
    # Sides that differ from each other and from the backbone's own grid: what is equal would be fixed to be equal.
    height_px, width_px = (side_px, side_px) if patch_px is None else (side_px, side_px + patch_px)
    axes: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=4096)}
    if patch_px is not None:
        axes |= {
            2 + axis: patch_px * torch.export.Dim(name, min=_LEAST_PATCHES, max=1024)
            for axis, name in enumerate(_SIDES)
        }
    try:
        with torch.no_grad(), _silent():
            return torch.onnx.export(
                whole,
                (torch.rand(2, 3, height_px, width_px),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=_OPSET,
                dynamic_shapes={"image": axes},
                verbose=False,
            )
    # The exporter raises whatever its stages do.
    except Exception as error:
        remedy = "Try fixed sides (without --dynamic)." if patch_px else "--format safetensors has its tensors."
        raise ConfigError(f"{what} cannot be written as ONNX: {first_line(error)}. {remedy}") from error


def _metadata(manifest: Manifest, side_px: int) -> dict[str, str]:
    """Return the texts by key that Deepness reads; values are JSON."""
    facts: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": dict(enumerate(manifest.classes)),
        "tiles_size": side_px,
        "tiles_overlap": 25,
        # The model normalises; these would be applied before it.
        "standardization_mean": [0.0, 0.0, 0.0],
        "standardization_std": [1.0, 1.0, 1.0],
    }
    if manifest.gsd_m is not None:
        facts["resolution"] = float(manifest.gsd_m) * 100
    return {key: json.dumps(value) for key, value in facts.items()}


def _file_facts(file: Path) -> FileFacts:
    return FileFacts(file=file.name, bytes=file.stat().st_size, sha256=file_sha256(file))


def _shapes_to_compare(side_px: int, patch_px: int, *, dynamic: bool) -> list[tuple[int, int, int]]:
    """Return numbers of images, heights and widths."""
    if not dynamic:
        return [(2, side_px, side_px), (1, side_px, side_px)]
    return [
        (1, side_px, side_px),
        (2, side_px + 2 * patch_px, side_px),
        (3, _LEAST_PATCHES * patch_px, side_px + patch_px),
    ]


def _difference(whole: ImageToProbabilities, file: Path, shapes: Sequence[tuple[int, int, int]]) -> float:
    """Return the largest difference of a probability on random images of some shapes; NaN where one is no number."""
    session, differences = None, []
    for number, height_px, width_px in shapes:
        image = torch.rand(number, 3, height_px, width_px, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = whole(image).numpy()
        try:
            session = session or open_onnx(file)
            given = run_onnx(session, image.numpy())
        # onnxruntime's errors share no class.
        except Exception as error:
            raise CheckpointMismatch(
                f"onnxruntime cannot run the exported model on images of {height_px} x {width_px} px: "
                f"{first_line(error)}. Nothing was written."
            ) from error
        if given.shape != expected.shape:
            raise CheckpointMismatch(
                f"The exported model gives probabilities of {_by(given.shape)} for {height_px} x {width_px} px: "
                "its sides cannot be left free. Nothing was written. Export with fixed sides (without --dynamic)."
            )
        differences.append(abs(expected - given).max())
    # Python's max passes over NaN.
    return float(np.max(differences))


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


@contextmanager
def _silent() -> Iterator[None]:
    """Hide what the exporter says of itself and of packages that it could use."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
