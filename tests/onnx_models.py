"""ONNX models as small as they get: a product of each pixel's colour, and shares; with the metadata of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.files import file_sha256
from rs_adapt.runs.onnx_files import append_facts, check_onnx_content, read_onnx_facts
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import FileFacts, OnnxFacts

RUN = Path(__file__).parent / "runs" / "stored_0_1_0" / "finished"
PATCH_PX = 8
# Scores of six classes from red, green and blue, 0 to 1.
PRODUCT_K3 = np.array(
    [[4, 0, 0], [0, 4, 0], [0, 0, 4], [-4, 2, 2], [2, -4, 2], [2, 2, -4]],
    dtype=np.float32,
)


def probabilities(images_NHW3: NDArray[np.uint8], *, temperature: float = 1.0) -> NDArray[np.float32]:
    """Return what the model gives, (N, K, H, W)."""
    scores = np.einsum("kc,nhwc->nkhw", PRODUCT_K3, images_NHW3 / 255) / temperature
    shares: NDArray[np.float32] = (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).astype(np.float32)
    return shares


def write_graph(
    path: Path, *, sides: tuple[int | str, ...] = (128, 128), batch: int | str = "batch", **names: str
) -> None:
    """Write the graph alone.

    Args:
        path: The file.
        sides: Height and width; a text leaves one free.
        batch: Number of images; a text leaves it free.
        names: Other names of `image` and `probabilities`.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    image, output = names.get("image", "image"), names.get("probabilities", "probabilities")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [image, "product"], ["scores"]),
            helper.make_node("Softmax", ["scores"], [output], axis=1),
        ],
        "colours",
        [helper.make_tensor_value_info(image, TensorProto.FLOAT, [batch, 3, *sides])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, len(PRODUCT_K3), *sides])],
        [numpy_helper.from_array(PRODUCT_K3[:, :, None, None], "product")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def seal(path: Path, *, tile_px: int = 128, dynamic: bool = False, **changes: Any) -> None:
    """Append the facts of an export to a graph; `changes` are fields of the manifest."""
    facts = OnnxFacts(
        rs_adapt="0.2.0",
        manifest=read_manifest(RUN).model_copy(update=changes),
        merged=False,
        patch_px=PATCH_PX,
        tile_px=tile_px,
        dynamic=dynamic,
        least_px=4 * PATCH_PX if dynamic else tile_px,
        graph=FileFacts(file=path.name, bytes=path.stat().st_size, sha256=file_sha256(path)),
    )
    append_facts(path, facts)


def write_model(path: Path, *, tile_px: int = 128, dynamic: bool = False, **changes: Any) -> Path:
    """Write a model with its facts, and return its path."""
    write_graph(path, sides=("rows", "columns") if dynamic else (tile_px, tile_px))
    seal(path, tile_px=tile_px, dynamic=dynamic, **changes)
    return path


def read_model(path: Path) -> object:
    """Read a model's facts, and compare its bytes with them."""
    return check_onnx_content(path, read_onnx_facts(path))
