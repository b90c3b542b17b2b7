"""Both towers of a CLIP: texts and whole images to vectors of one space.

CLIP: Radford et al., arXiv 2103.00020, sections 2.3 to 2.5. Shapes: B images, T texts, C dimensions of the space, D
channels of the visual tower, H/W pixels, N tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.backbones.clip import Clip
from rs_adapt.backbones.weights import find_weights
from rs_adapt.config import axes, paths
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import ConfigError, UnknownName, WeightsError
from rs_adapt.language.clip_files import ClipFile, read_clip
from rs_adapt.language.text_tower import TextTower
from rs_adapt.language.token_rows import unknown_words
from rs_adapt.language.tokenizer import ClipTokenizer

_BATCH = 64
_TYPE = "rs_adapt.Clip"


class ClipModel:
    """A frozen CLIP.

    Example:
        >>> clip = ClipModel.load("nano-clip")
        >>> texts_TC = clip.embed_texts(["an aerial image of water.", "an aerial image of houses."])
        >>> clip.unknown_words(["an aerial image of a glacier."])
        ('glacier',)

    Attributes:
        image_tower: The visual tower.
        text_tower: The text tower.
        scale: CLIP's scale of cosines: softmax of `scale * cosine` over texts are probabilities.
        text_dim: Dimensions C of the space.
    """

    def __init__(self, image_tower: Clip, content: ClipFile, *, mean: Sequence[float], std: Sequence[float]) -> None:
        """Join the towers; see `load`.

        Args:
            image_tower: The visual tower, filled.
            content: The file's text tower and image projection.
            mean: Mean that is subtracted from RGB in 0-255.
            std: Standard deviation that the difference is divided by.

        Raises:
            WeightsError: If the file has no image projection, or not that of the visual tower.
        """
        if content.image is None or content.image.weight.shape[1] != image_tower.embed_dim:
            raise WeightsError(
                f"{content.path} has no projection of {image_tower.embed_dim} image channels. Name a file of the whole "
                "CLIP, and the backbone that it belongs to."
            )
        self.image_tower = image_tower.eval()
        self.text_tower = TextTower.from_file(content, activation=image_tower.activation).eval()
        self.text_dim = self.text_tower.text_dim
        self.scale = math.exp(content.log_scale) if content.log_scale is not None else 100.0
        self._norm_D, self._norm_bias_D = content.image.norm_weight.float(), content.image.norm_bias.float()
        self._projection_CD = content.image.weight.float()
        self._mean_311, self._std_311 = (torch.tensor(values).reshape(3, 1, 1) for values in (mean, std))
        self._known_ids = content.known_ids

    @classmethod
    def load(cls, backbone: str = "nano-clip", *, weights: str | Path | None = None) -> Self:
        """Build both towers of a backbone.

        Args:
            backbone: Name of a backbone of CLIP's, such as "nano-clip" (in the package) or "clip-b-16".
            weights: A file of that model; None for the published one.

        Raises:
            UnknownName: There is no such backbone.
            ConfigError: The backbone is no CLIP.
            WeightsError: The file is missing (the message says where to get it), damaged, or of a different size.
        """
        name = normalize(backbone)
        if name not in axes.values("backbone"):
            raise UnknownName(unknown_name_message("backbone", backbone, axes.values("backbone")))
        config = axes.load("backbone", name)
        facts, settings = config["backbone"], config["model"]["backbone"]
        if settings["type"] != _TYPE:
            raise ConfigError(
                f"{backbone} has no text tower: it is no CLIP. Allowed: nano-clip, clip-b-16 and the other CLIPs of "
                "`rs-adapt list backbones`."
            )
        path = Path(weights or paths.weights_file(facts["weights"]))
        find_weights(path, None if weights else facts["weights"])
        sizes = {key: value for key, value in settings.items() if key != "type"}
        return cls(
            Clip(**sizes | {"out_layers": [settings["depth"] - 1], "level_scales": [1.0], "weights": path}),
            read_clip(path),
            mean=facts["mean"],
            std=facts["std"],
        )

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts, of length 1, fp32 (T, C).

        Words that the tower has no tokens for count as "some word": ask `unknown_words`.
        """
        parts = torch.split(ClipTokenizer()(texts).ids_TN, _BATCH) if texts else ()
        vectors = [F.normalize(self.text_tower(part_TN).float(), dim=1) for part_TN in parts]
        return torch.cat(vectors) if vectors else torch.zeros(0, self.text_dim)

    @torch.no_grad()
    def embed_images(self, image_B3HW: Tensor) -> Tensor:
        """Return the vectors of whole images, of length 1, fp32 (B, C): the class token's, as CLIP has it.

        Args:
            image_B3HW: RGB in 0-255, uint8 or float; H and W are multiples of the patch.
        """
        vectors = []
        for part_B3HW in torch.split(image_B3HW, _BATCH) if len(image_B3HW) else ():
            normalised_B3HW = (part_B3HW.float() - self._mean_311) / self._std_311
            class_BD = self.image_tower.base_tokens(normalised_B3HW)[:, 0]
            class_BD = F.layer_norm(class_BD, class_BD.shape[-1:], self._norm_D, self._norm_bias_D)
            vectors.append(F.normalize(class_BD @ self._projection_CD.T, dim=1))
        return torch.cat(vectors) if vectors else torch.zeros(0, self.text_dim)

    def unknown_words(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the words of texts, each once, that the text tower has no tokens for; CLIP's own has all."""
        return () if self._known_ids is None else unknown_words(self._known_ids, " ".join(texts))
