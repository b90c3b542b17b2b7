"""Write `da_iterations.safetensors`: three iterations of adaptation by self-training, written out in plain PyTorch.

    python tests/golden/make_da_iterations.py tests/golden/da_iterations.safetensors

Nothing of the package is used, and no library beside PyTorch: network, losses, teacher, mixture and optimizer are
spelled out after the publications, in float64, with every gradient of a step from one backward pass. The form differs
from the package's where that is possible: frequencies by FFT, one classifier on concatenated features, AdamW by its
formulas. Images, labels, start weights and permutations are drawn once and stored, so that a comparison draws nothing.

The iteration t = 0, 1, 2 of the 10 of a schedule, for student weights `theta` and teacher weights `phi`:

1. `phi <- a phi + (1 - a) theta`, `a = min(1 - 1 / (t + 1), decay)`, before anything else;
2. loss of the source: the mean cross entropy of its labelled pixels;
3. from the end of the warm-up on: the teacher labels the target, which is seen without labels; padding gets none; half
   of the label values of each source image (or of the batch), rounded up, the ignore value among them, are pasted onto
   the target with their labels; the loss of the mixture is added, times its weight, every pixel times the weight of
   its label: 1 in the source, 1 or the share of sure pixels in the target;
4. a step of AdamW with the rate `lr (1 - t / 9)^0.9`, and where it rises, times `0.001 + 0.999 min(t / rise, 1)`; norms
   do not decay.

Tensors: `image.*` uint8 BGR (3, H, W) by iteration, domain and place, `label.*` uint8; `frozen.*` the ViT under the
names of DINOv2; `start.*` what trains, the adapter under the names of Earth-Adapter. By case: `CASE.draw.T.I` the
permutation for image I in iteration T, `CASE.losses` (3, 2) source and mixture, `CASE.student` (3, P) after and
`CASE.teacher` (3, P) in each iteration, all of `start.*` flattened and joined in the order of its names. The metadata
hold the settings.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

WIDTH, DEPTH, HEADS, PATCH_PX, SIDE_PX = 12, 4, 2, 8, 32
RANK, FREQUENCY_LAYERS, CUTOFF = 3, (2, 3), 0.6
LEVELS, LEVEL_SCALES = (0, 1, 2, 3), (2.0, 1.0, 0.5, 0.25)
CLASSES, IGNORED = 7, 255
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# The second target image is smaller than the crop: its last rows are padding.
TARGET_ROWS_PX = (32, 24)
STEPS, SCHEDULE = 3, 10
LR, WEIGHT_DECAY, BETAS, EPS, POWER = 1e-2, 0.05, (0.9, 0.999), 1e-8, 0.9
WARMUP, EMA_DECAY = 1, 0.6
CASES: dict[str, dict[str, Any]] = {
    # Earth-Adapter's release (arXiv 2504.06220).
    "dacs": {"mix_weight": 0.5, "confidence": None, "classes_of": "image", "rise": 0},
    # DACS (arXiv 2007.08702) as DAFormer (arXiv 2111.14887) runs it, with a rate that rises.
    "dacs_conf": {"mix_weight": 1.0, "confidence": 0.5, "classes_of": "batch", "rise": 2},
}
Weights = dict[str, Tensor]


def draw_frozen(generator: torch.Generator) -> Weights:
    """Return a random ViT whose tokens are neither tiny nor large."""
    shapes = {"cls_token": (1, 1, WIDTH), "pos_embed": (1, 1 + (SIDE_PX // PATCH_PX) ** 2, WIDTH)}
    shapes |= {"patch_embed.proj.weight": (WIDTH, 3, PATCH_PX, PATCH_PX), "patch_embed.proj.bias": (WIDTH,)}
    for block in range(DEPTH):
        for name, shape in {
            "attn.qkv": (3 * WIDTH, WIDTH),
            "attn.proj": (WIDTH, WIDTH),
            "mlp.fc1": (4 * WIDTH, WIDTH),
            "mlp.fc2": (WIDTH, 4 * WIDTH),
            "norm1": (WIDTH,),
            "norm2": (WIDTH,),
        }.items():
            shapes |= {f"blocks.{block}.{name}.weight": shape, f"blocks.{block}.{name}.bias": (shape[0],)}
        shapes |= {f"blocks.{block}.ls{i}.gamma": (WIDTH,) for i in (1, 2)}
    return {name: draw(name, shape, generator) for name, shape in shapes.items()}


def draw_start(generator: torch.Generator) -> Weights:
    """Return random weights of the adapter and the head."""
    shapes: dict[str, tuple[int, ...]] = {"adapter.scale": (DEPTH,)}
    for layer in range(DEPTH):
        experts = 3 if layer in FREQUENCY_LAYERS else 1
        for expert in range(1, experts + 1):
            start = f"adapter.mlp_list{expert}.{layer}"
            shapes |= {f"{start}.0.weight": (RANK, WIDTH), f"{start}.0.bias": (RANK,)}
            shapes |= {f"{start}.2.weight": (WIDTH, RANK), f"{start}.2.bias": (WIDTH,)}
        if experts == 3:
            shapes |= {f"adapter.router.{layer}.weight": (3, WIDTH), f"adapter.router.{layer}.bias": (3,)}
    for level in range(len(LEVELS)):
        shapes |= {f"head.norm.{level}.weight": (WIDTH,), f"head.norm.{level}.bias": (WIDTH,)}
    shapes |= {"head.classifier.weight": (CLASSES, WIDTH * len(LEVELS)), "head.classifier.bias": (CLASSES,)}
    return {name: draw(name, shapes[name], generator) for name in sorted(shapes)}


def draw(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return random values around 1 for factors, else around 0."""
    values = torch.randn(shape, generator=generator)
    is_factor = name.endswith(("gamma", "scale")) or ("norm" in name and name.endswith("weight"))
    if is_factor:
        return 0.5 + 0.1 * values
    if name == "head.classifier.weight":  # Large enough for a teacher that prefers some class.
        return 0.5 * values
    return values / math.sqrt(math.prod(shape[1:])) if len(shape) == 2 else 0.2 * values


def network(frozen: Weights, trained: Weights, images: Tensor) -> Tensor:
    """Return logits (B, K, H, W) of normalised images."""
    tokens = F.conv2d(images, frozen["patch_embed.proj.weight"], frozen["patch_embed.proj.bias"], stride=PATCH_PX)
    side = tokens.shape[-1]
    x = tokens.flatten(2).transpose(1, 2)
    x = torch.cat([frozen["cls_token"].expand(len(x), -1, -1), x], dim=1) + frozen["pos_embed"]
    maps = []
    for layer in range(DEPTH):
        block = {k.removeprefix(f"blocks.{layer}."): v for k, v in frozen.items() if k.startswith(f"blocks.{layer}.")}
        x = vit_block(x, block)
        patches = x[:, 1:] + trained["adapter.scale"][layer] * adapter_update(x[:, 1:], trained, layer, side)
        x = torch.cat([x[:, :1], patches], dim=1)
        if layer in LEVELS:
            maps.append(patches.transpose(1, 2).unflatten(2, (side, side)))
    scaled = [resize(each, round(side * scale)) for each, scale in zip(maps, LEVEL_SCALES, strict=True)]
    levels = []
    for level, each in enumerate(scaled):
        norm = (trained[f"head.norm.{level}.weight"], trained[f"head.norm.{level}.bias"])
        levels.append(resize(F.layer_norm(each.movedim(1, -1), (WIDTH,), *norm).movedim(-1, 1), scaled[0].shape[-1]))
    kernel = trained["head.classifier.weight"][:, :, None, None]
    return resize(F.conv2d(torch.cat(levels, dim=1), kernel, trained["head.classifier.bias"]), SIDE_PX)


def vit_block(x: Tensor, block: Weights) -> Tensor:
    """Return tokens (B, N, D) after a block of DINOv2 (arXiv 2304.07193)."""

    def linear(values: Tensor, name: str) -> Tensor:
        return F.linear(values, block[f"{name}.weight"], block[f"{name}.bias"])

    def norm(values: Tensor, name: str) -> Tensor:
        return F.layer_norm(values, (WIDTH,), block[f"{name}.weight"], block[f"{name}.bias"], eps=1e-6)

    batch, count, _ = x.shape
    q, k, v = linear(norm(x, "norm1"), "attn.qkv").view(batch, count, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    share = (q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)).softmax(dim=-1)
    x = x + block["ls1.gamma"] * linear((share @ v).transpose(1, 2).flatten(2), "attn.proj")
    return x + block["ls2.gamma"] * linear(F.gelu(linear(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2")


def adapter_update(patches: Tensor, trained: Weights, layer: int, side: int) -> Tensor:
    """Return what Earth-Adapter adds to patch tokens, before its scale (arXiv 2504.06220)."""

    def expert(values: Tensor, number: int) -> Tensor:
        start = f"adapter.mlp_list{number}.{layer}"
        hidden = F.relu(F.linear(values, trained[f"{start}.0.weight"], trained[f"{start}.0.bias"]))
        return F.linear(hidden, trained[f"{start}.2.weight"], trained[f"{start}.2.bias"])

    if layer not in FREQUENCY_LAYERS:
        return expert(patches, 1)
    spectrum = torch.fft.fftshift(torch.fft.fft2(patches.unflatten(1, (side, side)), dim=(1, 2)), dim=(1, 2))
    half, centre = int(side * CUTOFF // 2), side // 2
    box = torch.zeros(1, side, side, 1, dtype=patches.dtype)
    box[:, centre - half : centre + half, centre - half : centre + half] = 1

    def back(kept: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.ifftshift(kept, dim=(1, 2)), dim=(1, 2)).real.flatten(1, 2)

    router = (trained[f"adapter.router.{layer}.weight"], trained[f"adapter.router.{layer}.bias"])
    first, second, third = F.linear(patches, *router).softmax(dim=-1).split(1, dim=-1)
    low, high = back(spectrum * box), back(spectrum * (1 - box))
    return first * expert(patches, 1) + second * expert(low, 2) + third * expert(high, 3)


def resize(maps: Tensor, side: int) -> Tensor:
    """Return maps (B, C, side, side), bilinear, corners not aligned."""
    return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def normalise(image: Tensor) -> Tensor:
    """Return an image (3, 32, 32) in RGB with mean 0; padding is 0."""
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (MEAN, STD))
    return F.pad((image.flip(0).double() - mean) / std, (0, 0, 0, SIDE_PX - image.shape[1]))


def label_target(logits: Tensor, confidence: float | None) -> tuple[Tensor, Tensor]:
    """Return labels and weights (B, H, W) of the teacher's logits."""
    is_image = torch.arange(SIDE_PX)[None, :, None] < torch.tensor(TARGET_ROWS_PX)[:, None, None]
    is_image = is_image.expand(-1, -1, SIDE_PX)
    top = logits.softmax(dim=1).topk(2, dim=1)
    # Rounding in float32 must decide no label and no threshold.
    assert (top.values[:, 0] - top.values[:, 1])[is_image].min() > 1e-5
    labels = top.indices[:, 0].masked_fill(~is_image, IGNORED)
    weights = is_image.double()
    if confidence is not None:
        assert (top.values[:, 0] - confidence)[is_image].abs().min() > 1e-5
        sure = (top.values[:, 0] >= confidence) & is_image
        assert 0.1 < sure.sum() / is_image.sum() < 0.9
        weights = weights * sure.sum() / is_image.sum()
    return labels, weights


def mean_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of the weighted losses of labelled pixels, divided by their number."""
    total, count = torch.zeros((), dtype=torch.float64), 0
    logarithms = logits.log_softmax(dim=1).movedim(1, -1)
    for label in range(CLASSES):
        here = labels == label
        total = total - (logarithms[here][:, label] * weights[here]).sum()
        count += int(here.sum())
    return total / count


def run(case: dict[str, Any], data: dict[str, Tensor], frozen: Weights, start: Weights) -> dict[str, Tensor]:
    """Return the results of three iterations."""
    generator = torch.Generator().manual_seed(2)
    student = {name: value.clone() for name, value in start.items()}
    teacher = {name: value.clone() for name, value in start.items()}
    first = {name: torch.zeros_like(value) for name, value in start.items()}
    second = {name: torch.zeros_like(value) for name, value in start.items()}
    draws: dict[str, Tensor] = {}
    losses, students, teachers = [], [], []
    for step in range(STEPS):
        alpha = min(1 - 1 / (step + 1), EMA_DECAY)
        teacher = {name: alpha * teacher[name] + (1 - alpha) * student[name] for name in student}
        teachers.append(joined(teacher))
        student = {name: value.requires_grad_() for name, value in student.items()}
        source = torch.stack([normalise(data[f"image.{step}.source.{i}"]) for i in range(2)])
        labels = torch.stack([data[f"label.{step}.{i}"].long() for i in range(2)])
        on_source = mean_loss(network(frozen, student, source), labels, torch.ones(labels.shape, dtype=torch.float64))
        on_mixture = torch.zeros((), dtype=torch.float64)
        if step >= WARMUP:
            target = torch.stack([normalise(data[f"image.{step}.target.{i}"]) for i in range(2)])
            pseudo, weights = label_target(network(frozen, teacher, target), case["confidence"])
            mixture, mixed_labels = target.clone(), pseudo.clone()
            for i in range(2):
                values = (labels if case["classes_of"] == "batch" else labels[i]).unique()
                order = torch.randperm(len(values), generator=generator)
                draws[f"draw.{step}.{i}"] = order
                is_pasted = (
                    sum((labels[i] == value).long() for value in values[order[: math.ceil(len(values) / 2)]]) > 0
                )
                mixture[i][:, is_pasted] = source[i][:, is_pasted]
                mixed_labels[i][is_pasted] = labels[i][is_pasted]
                weights[i][is_pasted] = 1
            on_mixture = case["mix_weight"] * mean_loss(network(frozen, student, mixture), mixed_labels, weights)
        losses.append(torch.stack([on_source, on_mixture]).detach())
        gradients = torch.autograd.grad(on_source + on_mixture, list(student.values()))
        rate = LR * (1 - step / (SCHEDULE - 1)) ** POWER
        if case["rise"]:
            rate *= 1e-3 + (1 - 1e-3) * min(step / case["rise"], 1)
        for (name, value), gradient in zip(student.items(), gradients, strict=True):
            value = value.detach()
            decayed = value if "norm" in name else value * (1 - rate * WEIGHT_DECAY)
            first[name] = BETAS[0] * first[name] + (1 - BETAS[0]) * gradient
            second[name] = BETAS[1] * second[name] + (1 - BETAS[1]) * gradient**2
            mean, square = (m / (1 - b ** (step + 1)) for m, b in zip((first[name], second[name]), BETAS, strict=True))
            student[name] = decayed - rate * mean / (square.sqrt() + EPS)
        students.append(joined(student))
    return draws | {"losses": torch.stack(losses), "student": torch.stack(students), "teacher": torch.stack(teachers)}


def joined(weights: Weights) -> Tensor:
    """Return all weights in the order of their names as one vector, float32."""
    return torch.cat([weights[name].detach().flatten() for name in sorted(weights)]).float()


def draw_data(generator: torch.Generator) -> dict[str, Tensor]:
    """Return images and labels of the iterations: blocks of 8 px of one class, of which some are ignored."""
    data = {}
    for step in range(STEPS):
        for i in range(2):
            for domain, rows in (("source", SIDE_PX), ("target", TARGET_ROWS_PX[i])):
                image = torch.randint(0, 256, (3, rows, SIDE_PX), generator=generator, dtype=torch.uint8)
                data[f"image.{step}.{domain}.{i}"] = image
            blocks = torch.randint(0, CLASSES + 1, (4, 4), generator=generator)
            blocks[blocks == CLASSES] = IGNORED
            data[f"label.{step}.{i}"] = blocks.repeat_interleave(8, 0).repeat_interleave(8, 1).to(torch.uint8)
    return data


def main() -> None:
    """Write the file that is named on the command line."""
    frozen, start = draw_frozen(torch.Generator().manual_seed(0)), draw_start(torch.Generator().manual_seed(1))
    data = draw_data(torch.Generator().manual_seed(4))
    tensors = {f"frozen.{name}": value for name, value in frozen.items()}
    tensors |= {f"start.{name}": value for name, value in start.items()} | data
    for name, case in CASES.items():
        frozen64, start64 = ({key: value.double() for key, value in part.items()} for part in (frozen, start))
        tensors |= {f"{name}.{key}": value for key, value in run(case, data, frozen64, start64).items()}
    settings = {
        **{"width": WIDTH, "depth": DEPTH, "heads": HEADS, "patch_px": PATCH_PX, "side_px": SIDE_PX},
        **{"rank": RANK, "frequency_layers": FREQUENCY_LAYERS, "cutoff": CUTOFF},
        **{"levels": LEVELS, "level_scales": LEVEL_SCALES, "lr": LR, "weight_decay": WEIGHT_DECAY, "power": POWER},
        **{"schedule": SCHEDULE, "warmup": WARMUP, "ema_decay": EMA_DECAY, "cases": CASES},
    }
    save_file({k: v.contiguous() for k, v in tensors.items()}, Path(sys.argv[1]), {"settings": json.dumps(settings)})


if __name__ == "__main__":
    main()
