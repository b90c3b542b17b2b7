"""A tiny CLIP with random weights, and its files in the layouts in which CLIP is published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from transformers.models.clip import CLIPConfig, CLIPModel

Layout = Literal["archive", "state_dict", "module", "custom_text", "transformers"]
LAYOUTS: tuple[Layout, ...] = ("archive", "state_dict", "module", "custom_text", "transformers")
WIDTH, DEPTH, SPACE, VOCABULARY = 64, 2, 16, 49_408
# Of the visual tower.
VISION_WIDTH, VISION_DEPTH, PATCH_PX, IMAGE_PX = 32, 3, 16, 64

_NAMES = [
    (r"^text_model\.embeddings\.token_embedding", "token_embedding"),
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.final_layer_norm", "ln_final"),
    (r"^text_model\.encoder\.layers", "transformer.resblocks"),
    (r"^vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding", "visual.conv1"),
    (r"^vision_model\.pre_layrnorm", "visual.ln_pre"),
    (r"^vision_model\.post_layernorm", "visual.ln_post"),
    (r"^vision_model\.encoder\.layers", "visual.transformer.resblocks"),
    (r"self_attn\.out_proj", "attn.out_proj"),
    (r"layer_norm([12])", r"ln_\1"),
    (r"mlp\.fc1", "mlp.c_fc"),
    (r"mlp\.fc2", "mlp.c_proj"),
]
# Stored for products from the left.
_TURNED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}


def tiny_clip(*, vocabulary: int = VOCABULARY, num_heads: int = 1, activation: str = "quick_gelu") -> CLIPModel:
    """Return a CLIP with random weights, none of them zero or one, in eval mode."""
    text = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": DEPTH, "vocab_size": vocabulary}
    text |= {
        "num_attention_heads": num_heads,
        "eos_token_id": 2,
        "max_position_embeddings": 77,
        "hidden_act": activation,
    }
    vision = {"hidden_size": VISION_WIDTH, "intermediate_size": 4 * VISION_WIDTH, "num_hidden_layers": VISION_DEPTH}
    vision |= {"num_attention_heads": 2, "patch_size": PATCH_PX, "image_size": IMAGE_PX, "hidden_act": activation}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=SPACE)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # As the files, which are fp16.
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half())
        model.logit_scale.fill_(3.0)
    return model


def openai_state(model: CLIPModel) -> dict[str, Tensor]:
    """Return a model's tensors under the names of OpenAI's code."""
    out: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("position_ids"):
            continue
        if match := re.search(r"self_attn\.q_proj\.(weight|bias)$", name):
            parts = [model.state_dict()[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            new, tensor = name[: match.start()] + f"attn.in_proj_{match[1]}", torch.cat(parts)
        elif re.search(r"self_attn\.[kv]_proj", name):
            continue
        else:
            new = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}.get(
                name, name
            )
            tensor = tensor.T.contiguous() if new != name else tensor
        for old, replacement in _NAMES:
            new = re.sub(old, replacement, new)
        out[new] = tensor
    return out


def save_clip(path: Path, model: CLIPModel, layout: Layout) -> Path:
    """Write a model in a layout, fp16 as OpenAI does, and return the path."""
    state = {name: tensor.half() for name, tensor in openai_state(model).items()}
    if layout == "transformers":
        model.half().save_pretrained(path)
        model.float()
    elif layout == "archive":
        torch.jit.save(torch.jit.script(_Tree(state)), path)
    elif layout == "state_dict":
        torch.save(state, path)
    elif layout == "module":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    else:
        ours = ("visual.", "logit_scale")
        torch.save({n if n.startswith(ours) else f"text.{n}": value for n, value in state.items()}, path)
    return path


class _Tree(nn.Module):
    """Modules that hold tensors under dotted names, and the numbers that OpenAI's archives hold besides."""

    def __init__(self, state: dict[str, Tensor], *, root: bool = True) -> None:
        super().__init__()
        inner: dict[str, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            first, _, rest = name.partition(".")
            if rest:
                inner.setdefault(first, {})[rest] = tensor
            else:
                self.register_parameter(first, nn.Parameter(tensor, requires_grad=False))
        for first, tensors in inner.items():
            self.add_module(first, _Tree(tensors, root=False))
        if root:
            self.register_buffer("context_length", torch.tensor(77))

    def forward(self, x: Tensor) -> Tensor:
        return x
