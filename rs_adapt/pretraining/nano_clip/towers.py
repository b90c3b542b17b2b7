"""The two towers of the nano CLIP while they train, their start, and their tensors as a file has them.

CLIP: Radford et al., arXiv 2103.00020. Shapes: B pairs, N tokens, D channels of the visual tower, C dimensions of the
space, W width of the text tower, R entries of the vocabulary.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones import Clip, Dinov2
from rs_adapt.backbones.clip import NAMES
from rs_adapt.backbones.conversion import to_published_names
from rs_adapt.config import axes, paths
from rs_adapt.config.facts import ConfigNode
from rs_adapt.language.clip_files import POSITIONS, TEXT_LAYOUT, TOKENS
from rs_adapt.language.text_tower import TextTower
from rs_adapt.language.token_rows import TOKEN_IDS
from rs_adapt.pretraining.nano_clip.recipe import ClipRecipe

# CLIP's: the scale of cosines starts at 1 / 0.07 and stays below 100.
_START_SCALE, _MOST_SCALE = 1 / 0.07, 100.0
_START = "dinov2_nano"
_SAME = ("attn_q", "attn_k", "attn_v", "attn_out", "fc1", "fc2", "norm1", "norm2")


class NanoClip(nn.Module):
    """Both towers while they train: all of the text tower, and the visual one after its first blocks (see the recipe).

    Args:
        settings: `model.backbone` of the backbone's config: the sizes of the visual tower.
        recipe: The sizes of the text tower.
        known_R: Entries of the vocabulary that get a row of their own, ascending, int64; row 0 is "some word".
    """

    def __init__(self, settings: ConfigNode, recipe: ClipRecipe, known_R: Tensor) -> None:
        super().__init__()
        sizes = {key: value for key, value in settings.items() if key != "type"}
        self.image_tower = Clip(**sizes, frozen=False, weights="random")
        self.text_tower = TextTower(
            embed_dim=recipe.text_width,
            depth=recipe.text_depth,
            num_heads=recipe.text_width // 64,
            text_dim=recipe.text_dim,
            num_tokens=1 + len(known_R),
            activation=settings["activation"],
            frozen=False,
        )
        channels = self.image_tower.embed_dim
        self.image_norm = nn.LayerNorm(channels)
        self.image_projection = nn.Linear(channels, recipe.text_dim, bias=False)
        nn.init.normal_(self.image_projection.weight, std=channels**-0.5)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_START_SCALE)))
        self.known_R: Tensor
        self.register_buffer("known_R", known_R, persistent=False)
        self._start_from_nano()
        tower = self.image_tower
        for part in (tower.embeddings, tower.pre_layrnorm, *tower.layers[: recipe.frozen_blocks]):
            part.requires_grad_(recipe.frozen_blocks == 0)

    def forward(self, image_B3HW: Tensor, ids_BN: Tensor) -> Tensor:
        """Return the mean of CLIP's loss with two vectors of an image: the class token's, and the mean of its patches.

        CLIP's loss is the mean of the cross entropies of texts by image and of images by text. The patches are read as
        the head `text` reads them: in the last block each attends to itself alone (MaskCLIP, arXiv 2112.01071). No map
        of a tile is looked at. Equal captions of a batch are no contrast of each other and are left out of the sums.

        Args:
            image_B3HW: Normalised tiles.
            ids_BN: Captions as numbers of rows, int64; the highest is the end.
        """
        text_BC = F.normalize(self.text_tower(ids_BN).float(), dim=1)
        x_BND = self._before_last(image_B3HW)
        class_BC = self._project(self._last(x_BND)[:, 0])
        itself_11NN = torch.eye(x_BND.shape[1], dtype=torch.bool, device=x_BND.device)[None, None]
        values_BND = self._last(x_BND, itself_11NN.expand(len(x_BND), -1, -1, -1))
        patches_BC = self._project(values_BND[:, 1:]).mean(dim=1)
        return (self._contrast(class_BC, text_BC, ids_BN) + self._contrast(patches_BC, text_BC, ids_BN)) / 2

    def _contrast(self, image_BC: Tensor, text_BC: Tensor, ids_BN: Tensor) -> Tensor:
        # Rounding to bfloat16 times the scale would be a third of a logit.
        image_BC = F.normalize(image_BC.float(), dim=1)
        with torch.autocast(image_BC.device.type, enabled=False):
            logits_BB = image_BC @ text_BC.T * self.log_scale.exp().clamp(max=_MOST_SCALE)
        same_BB = (ids_BN[:, None] == ids_BN[None]).all(dim=-1)
        same_BB = same_BB & ~torch.eye(len(same_BB), dtype=torch.bool, device=same_BB.device)
        logits_BB = logits_BB.masked_fill(same_BB, -torch.inf)
        own_B = torch.arange(len(logits_BB), device=logits_BB.device)
        return (F.cross_entropy(logits_BB, own_B) + F.cross_entropy(logits_BB.T, own_B)) / 2

    def image_tokens(self, image_B3HW: Tensor) -> Tensor:
        """Return the tokens (B, N, D) after the last block, class token first."""
        return self._last(self._before_last(image_B3HW))

    def _before_last(self, image_B3HW: Tensor) -> Tensor:
        x_BND = self.image_tower.embed(image_B3HW)
        for layer in range(self.image_tower.depth - 1):
            x_BND = self.image_tower.run_block(layer, x_BND, None)
        return x_BND

    def _last(self, x_BND: Tensor, attend_B1NN: Tensor | None = None) -> Tensor:
        return self.image_tower.run_block(self.image_tower.depth - 1, x_BND, None, attend_B1NN)

    def _project(self, x_BD: Tensor) -> Tensor:
        projected: Tensor = self.image_projection(self.image_norm(x_BD))
        return projected

    @torch.no_grad()
    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a file, under transformers' names; biases that CLIP lacks are folded into others."""
        image: dict[str, Tensor] = dict(self.image_tower.named_parameters())
        kernel = NAMES.kernel.removesuffix(".weight")
        assert NAMES.positions is not None
        # Every patch has the bias and its own position, and every token of a text the bias and its own row.
        image[NAMES.positions] = torch.cat(
            [image[NAMES.positions][:1], image[NAMES.positions][1:] + image.pop(f"{kernel}.bias")]
        )
        text: dict[str, Tensor] = dict(self.text_tower.named_parameters())
        text[TOKENS] = text[TOKENS] + text.pop(f"{TOKENS.removesuffix('weight')}bias")
        found = {f"vision_model.{name}": value for name, value in to_published_names(image, NAMES.transformers).items()}
        found |= to_published_names(text, TEXT_LAYOUT)
        found["vision_model.post_layernorm.weight"] = self.image_norm.weight
        found["vision_model.post_layernorm.bias"] = self.image_norm.bias
        found["visual_projection.weight"] = self.image_projection.weight
        found["logit_scale"] = self.log_scale.clamp(max=math.log(_MOST_SCALE))
        stored = {name: value.detach().cpu().half().contiguous() for name, value in found.items()}
        return stored | {TOKEN_IDS: self.known_R.cpu().int()}

    @torch.no_grad()
    def _start_from_nano(self) -> None:
        """Start the visual tower from the shipped nano DINOv2, whose blocks have the same parts.

        LayerScale is folded into the projections before it. CLIP's norm before the blocks, which DINOv2 lacks, keeps
        the scale that the nano's tokens have.
        """
        config = axes.load("backbone", _START)
        sizes = {key: value for key, value in config["model"]["backbone"].items() if key != "type"}
        tower = self.image_tower
        file: Path = paths.weights_file(config["backbone"]["weights"])
        nano = Dinov2(**sizes | {"image_px": tower.image_px}, weights=file)
        for ours, theirs in zip(tower.blocks, nano.blocks, strict=True):
            for handle in _SAME:
                getattr(ours, handle).load_state_dict(getattr(theirs, handle).state_dict())
            for handle, scale in (("attn_out", "scale1"), ("fc2", "scale2")):
                layer, factor_D = getattr(ours, handle), getattr(theirs, scale).lambda1
                layer.weight.mul_(factor_D[:, None])
                layer.bias.mul_(factor_D)
        state = dict(nano.named_parameters())
        image = dict(tower.named_parameters())
        image["embeddings.class_embedding"].copy_(state["embeddings.cls_token"].flatten())
        image[POSITIONS].copy_(state["embeddings.position_embeddings"][0])
        for kind in ("weight", "bias"):
            image[f"embeddings.patch_embedding.{kind}"].copy_(state[f"embeddings.patch_embeddings.projection.{kind}"])
        # Tokens of grey noise: only their scale is needed.
        assert tower.image_px is not None
        noise = torch.randn(4, 3, tower.image_px, tower.image_px, generator=torch.Generator().manual_seed(0))
        image["pre_layrnorm.weight"].fill_(float(nano.embeddings(noise)[:, 1:].std(dim=-1).mean()))
