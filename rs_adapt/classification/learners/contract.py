"""The contract of methods that classify images by the names of their classes.

Shapes: B images, K classes, n places in a prompt, W width of the text tower, D of the visual one, C dimensions of the
space, F width of the domain feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor

from rs_adapt.adapters.contract.adapter import Adapter
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.classification.class_names import ClassNames, Names

Noise = Literal["train", "always", "off"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """What prompts may depend on; None where the method does not ask for it.

    Attributes:
        image_BC: Vectors of the images by the frozen visual tower, of length 1.
        domain_BF: Mean patch features of the images by the frozen model of the domain.
    """

    image_BC: Tensor | None = None
    domain_BF: Tensor | None = None


class PromptLearner(Adapter):
    """A method of scene classification: all that trains, in the place of a backbone's adapter.

    Where an adapter of segmentation changes features of a ViT, this gives the vectors of the classes, the prompts of
    the visual tower, or both. It declares what an adapter declares (`adapter_params`, `no_decay`, `num_params`), so
    that optimizer, counts and packs treat both alike. Arguments that are None in a method's file (`embed_dim`,
    `depth`, `text_width`, `text_depth`, `text_dim`, `num_trained`, `domain_dim`) are filled in by the configuration.

    Attributes:
        places: Words before a class name whose vectors the method gives; 0 for hand-written sentences.
        trains_image: Whether vectors of images change in training; else each is computed once a run.
        needs_image: Whether `Conditions.image_BC` is needed.
        needs_domain: Whether `Conditions.domain_BF` is needed.
    """

    places: int = 0
    trains_image: bool = False
    needs_image: bool = False
    needs_domain: bool = False

    def start(self, head: ClassNames) -> None:
        """Set starting values that come from the text tower; called once, when the model is built."""

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the vectors of the classes, (K, C), or (B, K, C) where they depend on the image.

        Args:
            head: The class names, with the frozen text tower.
            names: Whose classes.
            conditions: What the prompts depend on.
        """
        return head.plain_vectors(names)

    def visual_prompts(self, conditions: Conditions) -> tuple[Tensor, ...]:
        """Return prompts (n, D) or (B, n, D) for the input of block 0, 1, ... of the visual tower; empty for none."""
        return ()

    def image_vectors(self, vectors_BC: Tensor, conditions: Conditions) -> Tensor:
        """Return the vectors of images that are compared with those of classes, before they get length 1."""
        return vectors_BC

    def why_unmergeable(self) -> str | None:
        """Return the reason: what trains is no layer of the backbone."""
        return "it changes the vectors of classes and prompts, not the backbone's layers"


def check_noise(method: str, noise: str) -> None:
    """Refuse an unknown kind of noise.

    Raises:
        ConfigError: It is none of train, always and off.
    """
    if noise not in get_args(Noise):
        raise ConfigError(f"{method}: noise is {noise!r}. Allowed: {', '.join(get_args(Noise))}.")


def draws_noise(noise: Noise, *, training: bool) -> bool:
    """Return whether noise is added now: in training alone, or always, as the released code of DCPL and QNet does."""
    return noise == "always" or (noise == "train" and training)
