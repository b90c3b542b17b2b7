"""A network of super-resolution on colour images of any size: `bench.resolve` (H/W coarse, s factor).

An image is enlarged in blocks on a grid that starts at its first pixel, each with a border of further pixels, so that
memory does not grow with the image, and a window of a scene has the pixels that the whole scene has.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import get_worker_info

from rs_adapt.config.paths import home
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import atomic_file
from rs_adapt.pictures import open_picture
from rs_adapt.runs.files import TENSORS_FILE
from rs_adapt.runs.records import NetworkFacts
from rs_adapt.runs.resolvers import ResolverModel, read_resolver
from rs_adapt.scenes import Box
from rs_adapt.superresolution.network import FlowNetwork, interpolate

Pixels = NDArray[np.uint8]
# Coarse pixels: side of a block, and of its border. A pixel of the shipped network depends on fewer to each side. Both
# are multiples of the attention windows, which so lie on the same grid in every block.
BLOCK_PX, BORDER_PX = 128, 24


class Resolver:
    """A network of super-resolution, in eval mode.

    Args:
        network: From normalised coarse images (B, 3, h, w) to fine ones; None for bicubic interpolation.
        facts: Factor and normalisation.
        device: Where it computes.
    """

    def __init__(self, network: nn.Module | None, facts: NetworkFacts, device: torch.device) -> None:
        self.scale = facts.scale
        self._network = None if network is None else network.to(device).eval()
        self._device = device
        self._mean_311 = torch.tensor(facts.mean, device=device).reshape(3, 1, 1)
        self._deviation = facts.deviation

    def enlarge(self, image_HW3: Pixels) -> Pixels:
        """Return an image (H, W, 3) in red, green, blue at (H s, W s, 3)."""
        height, width = image_HW3.shape[:2]

        def block(left: int, top: int) -> Pixels:
            return self.enlarge_block(
                lambda box: image_HW3[box.y0 : box.y1, box.x0 : box.x1], left, top, (width, height)
            )

        return assemble(Box(0, 0, width, height), self.scale, block)

    def enlarge_block(self, read: Callable[[Box], Pixels], left: int, top: int, size: tuple[int, int]) -> Pixels:
        """Return one block of an enlarged image, at most `BLOCK_PX * s` pixels a side.

        Args:
            read: Returns a window (h, w, 3) of the coarse image.
            left: First coarse column, a multiple of `BLOCK_PX`.
            top: First coarse row, likewise.
            size: Width and height of the coarse image.
        """
        s, (width, height) = self.scale, size
        right, bottom = min(left + BLOCK_PX, width), min(top + BLOCK_PX, height)
        x0, y0 = max(left - BORDER_PX, 0), max(top - BORDER_PX, 0)
        seen = Box(x0, y0, min(right + BORDER_PX, width), min(bottom + BORDER_PX, height))
        fine = self._predict(read(seen))
        return fine[(top - y0) * s : (bottom - y0) * s, (left - x0) * s : (right - x0) * s]

    @torch.inference_mode()
    def _predict(self, block_HW3: Pixels) -> Pixels:
        coarse = torch.from_numpy(np.ascontiguousarray(block_HW3.transpose(2, 0, 1))).to(self._device)
        normal_13hw = ((coarse.float() - self._mean_311) / self._deviation)[None]
        fine = interpolate(normal_13hw, self.scale) if self._network is None else self._network(normal_13hw)
        colours = fine[0] * self._deviation + self._mean_311
        return np.asarray(colours.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def assemble(window: Box, scale: int, block: Callable[[int, int], Pixels]) -> Pixels:
    """Return a window of an enlarged image from its blocks.

    Args:
        window: The window, in coarse pixels.
        scale: The factor s.
        block: Returns the enlarged block that begins at a coarse column and row.

    Returns:
        Pixels (h s, w s, 3).
    """
    s = scale
    fine = np.empty(((window.y1 - window.y0) * s, (window.x1 - window.x0) * s, 3), np.uint8)
    for top in range(window.y0 // BLOCK_PX * BLOCK_PX, window.y1, BLOCK_PX):
        for left in range(window.x0 // BLOCK_PX * BLOCK_PX, window.x1, BLOCK_PX):
            x0, y0 = max(left, window.x0), max(top, window.y0)
            x1, y1 = min(left + BLOCK_PX, window.x1), min(top + BLOCK_PX, window.y1)
            to = np.s_[(y0 - window.y0) * s : (y1 - window.y0) * s, (x0 - window.x0) * s : (x1 - window.x0) * s]
            fine[to] = block(left, top)[(y0 - top) * s : (y1 - top) * s, (x0 - left) * s : (x1 - left) * s]
    return fine


def build_resolver(model: ResolverModel, device: torch.device) -> Resolver:
    """Build a network with its trained tensors.

    Raises:
        CheckpointMismatch: The tensors are not those of the network that the manifest states.
    """
    facts = model.network
    if not facts.trains:
        return Resolver(None, facts, device)
    network = FlowNetwork(
        scale=facts.scale,
        embed_dim=facts.embed_dim,
        depths=list(facts.depths),
        num_heads=facts.num_heads,
        window_px=facts.window_px,
        mlp_ratio=facts.mlp_ratio,
        quaternion=facts.quaternion,
        flow_conv=facts.flow_conv,
    )
    prefix = "network."
    tensors = {name.removeprefix(prefix): value for name, value in load_file(model.folder / TENSORS_FILE).items()}
    own = dict(network.named_parameters())
    if own.keys() - tensors.keys() or any(tensors[name].shape != value.shape for name, value in own.items()):
        raise CheckpointMismatch(
            f"The tensors in {model.folder / TENSORS_FILE} are not those of the network that its manifest states. Copy "
            "the model again."
        )
    network.load_state_dict(tensors, strict=False)
    return Resolver(network, facts, device)


@functools.lru_cache(maxsize=4)
def _load(folder: Path, _sha256: str, device: str) -> Resolver:
    return build_resolver(read_resolver(folder), torch.device(device))


def load_resolver(model: ResolverModel) -> Resolver:
    """Return the network of a model, which a process builds once, on the device of the run.

    Raises:
        CheckpointMismatch: See `build_resolver`.
    """
    # The processes of a loader have none but the CPU.
    device = "cuda" if get_worker_info() is None and torch.cuda.is_available() else "cpu"
    return _load(model.folder, model.facts.sha256, device)


class ResolvedImages:
    """Enlarged images, each computed once: stored below `RS_ADAPT_HOME/resolved` by model and pixels.

    Args:
        folder: Folder of the model.
    """

    def __init__(self, folder: Path) -> None:
        self._model = read_resolver(folder)
        self.scale = self._model.facts.scale

    def enlarge(self, image_HW3: Pixels) -> Pixels:
        """Return an image (H, W, 3) in red, green, blue at (H s, W s, 3)."""
        height, width = image_HW3.shape[:2]
        pixels = hashlib.sha256(f"{height} {width} ".encode() + np.ascontiguousarray(image_HW3).tobytes()).hexdigest()
        file = home() / "resolved" / self._model.facts.sha256[:16] / pixels[:2] / f"{pixels[2:34]}.png"
        # A damaged file is made again.
        with suppress(OSError, SyntaxError), open_picture(file) as stored:
            fine = np.asarray(stored.convert("RGB"))
            if fine.shape == (height * self.scale, width * self.scale, 3):
                return fine
        fine = load_resolver(self._model).enlarge(image_HW3)
        # It only saves time: a place that cannot be written stops no run.
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(file) as temporary:
                Image.fromarray(fine).save(temporary, format="PNG", compress_level=1)
        return fine
