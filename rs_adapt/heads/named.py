"""The base of the heads whose classes are texts: vectors of the names, which may be others in training than in use.

Shapes: B batch, K classes, R of them, C dimensions of the space, h/w grid of a level, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor

from rs_adapt.backbones.clip import Activation
from rs_adapt.backbones.features import tokens_to_map
from rs_adapt.errors import ConfigError
from rs_adapt.heads.pixel_head import PixelHead
from rs_adapt.heads.text_start import RANDOM, class_vectors, random_vectors, read_start
from rs_adapt.language.class_prompts import ClassPrompts
from rs_adapt.language.text_tower import TextTower
from rs_adapt.ranges import COUNT, Range, check_numbers, check_ranges

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter
    from rs_adapt.language.clip_files import ClipFile

_LABELS = 256
# The logit of a class that no prediction may choose: softmax and sigmoid make it 0, and interpolation keeps it finite.
_NEVER = -1e4


class NamedHead(PixelHead):
    """Base of the heads whose classes are texts: `logits` returns scores of the classes in any order and number.

    The vectors of the names are embedded once, when the head is built, and saved with what a run trains: a trained
    model needs no text tower. Where the backbone's method has a side in the text tower (`Features.text_side`), the head
    holds the tower, and the vectors follow the method: in training they are computed in each forward pass, with
    gradients; before a prediction once, if the method has moved since.

    With `seen_classes`, the loss knows those classes alone: neither vectors nor labels of others reach it. With
    `predicted_classes`, predictions choose among those alone, and the others get a score that is never the highest.

    Attributes:
        text_KC: Vectors of the classes, of length 1, fp32.
        text_tower: The text tower, frozen; None where the vectors do not change.

    Args:
        in_channels: Channels of each level, finest first.
        num_classes: Number of classes K.
        class_texts: The wording of each class; several are separated by `|`.
        templates: Sentences with `{}` in place of the class.
        text_dim: Dimensions C of the space.
        seen_classes: Numbers of the classes with labels in training; None for all.
        predicted_classes: Numbers of the classes that predictions choose among; None for all.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If a number is out of its range, or the texts are not as many as the classes.
    """

    text_KC: Tensor
    seen_labels: Tensor

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        class_texts: Sequence[str],
        templates: Sequence[str],
        text_dim: int,
        seen_classes: Sequence[int] | None,
        predicted_classes: Sequence[int] | None,
        ignore_index: int,
        align_corners: bool,
    ) -> None:
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        name = type(self).__name__
        check_ranges(name, text_dim=(text_dim, COUNT))
        if len(class_texts) != num_classes:
            raise ConfigError(f"{name} got {len(class_texts)} texts for {num_classes} classes. Give one a class.")
        self.class_texts, self.templates = tuple(class_texts), tuple(templates)
        self.register_buffer("text_KC", torch.zeros(num_classes, text_dim))
        self.seen_classes = self._ascending("seen_classes", seen_classes)
        self.predicted_classes = self._ascending("predicted_classes", predicted_classes)
        if self.seen_classes is not None:
            # From the number of a class to its place among the seen ones.
            places = torch.full((_LABELS,), ignore_index)
            places[list(self.seen_classes)] = torch.arange(len(self.seen_classes))
            self.register_buffer("seen_labels", places, persistent=False)
        self.text_tower: TextTower | None = None
        self._prompts: ClassPrompts | None = None
        self._is_stale = False

    def logits(self, features: Sequence[Tensor], rows: Sequence[int] | None) -> Tensor:
        """Return the logits (B, R, h, w) of the classes with these numbers; None stands for all, in their order."""
        raise NotImplementedError

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the logits (B, K, h, w) of all classes; without `predicted_classes` those are all compared."""
        if self.predicted_classes is None:
            return self.logits(features, None)
        logits_BRhw = self.logits(features, self.predicted_classes)
        batch, _, height, width = logits_BRhw.shape
        logits_BKhw = logits_BRhw.new_full((batch, self.num_classes, height, width), _NEVER)
        logits_BKhw[:, list(self.predicted_classes)] = logits_BRhw
        return logits_BKhw

    def _ascending(self, key: str, numbers: Sequence[int] | None) -> tuple[int, ...] | None:
        """Return numbers of classes as they are, refused unless they are some of the classes in ascending order."""
        if numbers is None:
            return None
        name = type(self).__name__
        check_numbers(name, Range(least=0, most=self.num_classes - 1, whole=True), {key: numbers})
        if not numbers or list(numbers) != sorted(set(numbers)):
            raise ConfigError(f"{name}: {key} is {list(numbers)}; give one or more, ascending.")
        return tuple(numbers)

    def training_logits(self, features: Sequence[Tensor]) -> Tensor:
        """Return the logits (B, R, h, w) of the classes that have labels in training."""
        return self.logits(features, self.seen_classes)

    def training_labels(self, data_samples: Sequence[Any]) -> Tensor:
        """Return labels (B, H, W) as places among the classes that have labels in training, int64."""
        labels_BHW = super().training_labels(data_samples)
        return labels_BHW if self.seen_classes is None else self.seen_labels[labels_BHW]

    def start_texts(
        self,
        text_weights: str | Path,
        *,
        activation: Activation,
        image_dim: int | None,
        tower: Mapping[str, int] | None = None,
    ) -> ClipFile | None:
        """Embed the class names, and keep the text tower where a method will sit in it.

        Args:
            text_weights: A file of CLIP with its text tower; `random` for vectors without meaning.
            activation: Activation of the text tower.
            image_dim: Channels of CLIP's image features, whose projection the file must have; None for others.
            tower: `embed_dim`, `depth` and `num_heads` of the tower that a method will sit in; None to keep none.

        Returns:
            The file's content; None for random vectors.

        Raises:
            ConfigError: If the activation is unknown, a wording cannot be used, or the tower has other sizes.
            WeightsError: If the text weights are missing, damaged, or do not fit.
        """
        if activation not in get_args(Activation):
            raise ConfigError(
                f"model.decode_head.text_activation is {activation!r}. Allowed: {', '.join(get_args(Activation))}."
            )
        num_classes, text_dim = self.text_KC.shape
        content = None
        if str(text_weights) != RANDOM:
            content = read_start(text_weights, text_dim=text_dim, image_dim=image_dim, tower=tower)
        if tower is not None:
            with torch.device("cpu"):
                self.text_tower = (
                    TextTower(
                        embed_dim=tower["embed_dim"],
                        depth=tower["depth"],
                        num_heads=tower["num_heads"],
                        text_dim=text_dim,
                        activation=activation,
                    )
                    if content is None
                    else TextTower.from_file(content, activation=activation)
                )
            self._prompts, self._is_stale = ClassPrompts(self.class_texts, self.templates), True
            self._refresh()
        elif content is None:
            self.text_KC.copy_(random_vectors(num_classes, text_dim))
        else:
            self.text_KC.copy_(class_vectors(content, self.class_texts, self.templates, activation=activation))
        return content

    def vectors(self, features: Sequence[Tensor], rows: Sequence[int] | None) -> Tensor:
        """Return the vectors (R, C) of classes, of length 1, fp32; with a gradient to a method in the text tower.

        Args:
            features: Those of the backbone, whose `text_side` is met here.
            rows: Numbers of the classes; None for all.
        """
        side: Adapter | None = getattr(features, "text_side", None)
        if self.text_tower is not None and self._prompts is not None and side is not None:
            self.text_tower.take(side)
            if self.training and torch.is_grad_enabled():
                self._is_stale = True
                return self._prompts.vectors(self.text_tower, rows)
            if self._is_stale:
                self._refresh()
                self._is_stale = False
        return self.text_KC if rows is None else self.text_KC[list(rows)]

    def name_classes(self, class_texts: Sequence[str], text_KC: Tensor) -> None:
        """Take other classes in place of those of the training.

        Args:
            class_texts: The wording of each class.
            text_KC: Their vectors, of length 1, fp32.
        """
        self.class_texts, self.text_KC = tuple(class_texts), text_KC
        self.num_classes = self.out_channels = len(class_texts)
        self.seen_classes, self.predicted_classes, self.text_tower, self._prompts = None, None, None, None

    @torch.no_grad()
    def _refresh(self) -> None:
        assert self._prompts is not None
        assert self.text_tower is not None
        self.text_KC.copy_(self._prompts.vectors(self.text_tower))


def last_values(features: Sequence[Tensor], head: str) -> Tensor:
    """Return the map (B, D, h, w) after CLIP's last block, in which each patch attends to itself alone.

    The weight of a token on itself is then 1, so attention is the value, through the output projection (MaskCLIP, Zhou
    et al., arXiv 2112.01071, section 3.2). Prompts of a method, if there are any, are seen by all.

    Args:
        features: `Features` of a CLIP that has left its last block to the head.
        head: Name of the head, for the message.

    Raises:
        ConfigError: The backbone has left a different number of blocks.
    """
    left = getattr(features, "blocks_left", None)
    count = 0 if left is None else len(left)
    if left is None or count != 1:
        raise ConfigError(
            f"{head} runs the last block of CLIP itself, but the backbone has left {count} of them: "
            "the last of model.backbone.out_layers must be the one block before it."
        )
    x_BND = left.x_BND
    itself_11NN = torch.eye(x_BND.shape[1], dtype=torch.bool, device=x_BND.device)[None, None]
    x_BND = left.run(0, x_BND, num_queries=0, attend_B1NN=itself_11NN.expand(x_BND.shape[0], -1, -1, -1))
    return tokens_to_map(x_BND, left.grid_hw, num_prefix=left.num_prefix)
