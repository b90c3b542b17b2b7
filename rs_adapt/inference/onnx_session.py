"""ONNX models in onnxruntime: whether it is there, and sessions (N images, K classes, H/W pixels). Loads no torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.errors import ConfigError, DeviceUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "onnxruntime"
# Names of an exported graph: RGB divided by 255, and class probabilities.
INPUT, OUTPUT = "image", "probabilities"
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# Only errors that end the program: the rest is raised.
_FATAL = 4


def require_onnxruntime(path: Path) -> None:
    """Refuse a model where onnxruntime is not installed.

    Raises:
        ConfigError: It is not.
    """
    if find_spec(PACKAGE) is None:
        raise ConfigError(
            f"{path} is an ONNX model, which needs the package {PACKAGE}: pip install 'rs-adapt[onnx]', or give the "
            "run that it was exported from."
        )


def choose_providers(device: str) -> list[Any]:
    """Return onnxruntime's providers for a device, the first one preferred.

    Args:
        device: "auto" (a GPU if onnxruntime is built for one), "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceUnavailable: A GPU is asked for, and this onnxruntime is not built for one.
    """
    import onnxruntime

    has_cuda = _CUDA in onnxruntime.get_available_providers()
    if device == "cpu" or (device == "auto" and not has_cuda):
        return [_CPU]
    if not has_cuda:
        raise DeviceUnavailable(
            f"--device {device}: this onnxruntime is not built for GPUs. Use --device cpu, install onnxruntime-gpu in "
            "its place, or give the run that the ONNX model was exported from."
        )
    # Products of matrices in fp32, as the file was compared with torch.
    return [(_CUDA, {"device_id": int(device.partition(":")[2] or 0), "use_tf32": 0}), _CPU]


def open_onnx(file: Path, *, device: str = "cpu", num_threads: int | None = None) -> Any:
    """Return onnxruntime's session of an ONNX model.

    Args:
        file: The model.
        device: See `choose_providers`.
        num_threads: Threads of a run on the CPU; those of torch by default.

    Raises:
        DeviceUnavailable: There is no such GPU.
        Exception: Of onnxruntime, whose errors share no class: the file cannot be loaded.
    """
    import onnxruntime

    providers = choose_providers(device)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = _num_threads() if num_threads is None else num_threads
    settings.log_severity_level = _FATAL
    session = onnxruntime.InferenceSession(str(file), settings, providers=providers)
    if device.startswith("cuda") and _CUDA not in session.get_providers():
        raise DeviceUnavailable(f"--device {device}: onnxruntime cannot use this GPU. Use --device cpu.")
    return session


def run_onnx(session: Any, images_N3HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the class probabilities of images, float32 (N, K, H, W).

    Args:
        session: From `open_onnx`.
        images_N3HW: RGB divided by 255, float32.
    """
    given_NKHW: NDArray[np.float32] = session.run([OUTPUT], {INPUT: images_N3HW})[0]
    return given_NKHW


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, shortened and without a full stop."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:300].rstrip(".")


def _num_threads() -> int:
    import torch

    return torch.get_num_threads()
