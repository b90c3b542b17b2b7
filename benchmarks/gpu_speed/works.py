"""What is measured, in order of importance: backbone, method, setting, precision, and the forms that take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from rs_adapt.errors import ConfigError

# `tf32` is fp32 with TF32 in matrix products; `fp32` is what `rs-adapt train` does by default, without it.
Precision = Literal["bf16", "tf32", "fp32"]
# `ours` is the step of `rs-adapt train`, `compiled` the same with a compiled backbone, `blocks` with compiled blocks
# (`runtime.compile=blocks`), `graphs` with these as CUDA graphs; `plain` and `joined` see the files of these names.
Form = Literal["ours", "plain", "compiled", "blocks", "graphs", "joined"]

BACKBONES = ("dinov2_l", "dinov2_b", "dinov2_g")
METHODS = ("earth_adapter", "rein", "lora", "frozen", "full")
SETTINGS = ("dg", "da")


@dataclass(frozen=True, kw_only=True)
class Work:
    """Training steps of one cell in several forms, which take turns.

    Attributes:
        backbone: Name of the backbone.
        method: Name of the method.
        setting: `dg` (source only, batch 4) or `da` (self-training, batch 2 of either region).
        precision: Precision of the step.
        forms: `ours`, and the form beside it.
    """

    backbone: str
    method: str
    setting: str
    precision: Precision
    forms: tuple[Form, ...] = ("ours", "plain")

    @property
    def name(self) -> str:
        """The work in one word, such as `dinov2_l/earth_adapter/dg/bf16/ours+plain`."""
        return f"{self.backbone}/{self.method}/{self.setting}/{self.precision}/{'+'.join(self.forms)}"


def works_in_order() -> list[Work]:
    """Return all work, the most important first: ViT-L and Earth-Adapter, then methods, sizes, and the rest."""
    first = Work(backbone="dinov2_l", method="earth_adapter", setting="dg", precision="bf16")
    ours_compiled: tuple[Form, ...] = ("ours", "compiled")
    chosen = [
        first,
        replace(first, setting="da"),
        replace(first, precision="tf32"),
        *(replace(first, method=method) for method in METHODS[1:]),
        replace(first, setting="da", precision="tf32"),
        replace(first, precision="fp32"),
        # Compiling takes as long as several works without.
        replace(first, forms=ours_compiled),
        replace(first, setting="da", forms=("ours", "joined")),
        replace(first, forms=("ours", "blocks")),
        replace(first, forms=("ours", "graphs")),
        *(replace(first, backbone=backbone, setting=setting) for backbone in BACKBONES[1:] for setting in SETTINGS),
        replace(first, setting="da", forms=ours_compiled),
    ]
    precisions: tuple[Precision, ...] = ("bf16", "tf32")
    rest = [
        Work(backbone=backbone, method=method, setting=setting, precision=precision, forms=forms)
        for forms, precision, setting, backbone, method in product(
            (first.forms, ours_compiled), precisions, SETTINGS, BACKBONES, METHODS
        )
    ]
    return list(dict.fromkeys([*chosen, *rest]))


def toy_works() -> list[Work]:
    """Return the work of the self-test: every setting, precision and form once."""
    first = Work(backbone="dinov2_nano", method="earth_adapter", setting="dg", precision="bf16")
    return [
        first,
        replace(first, setting="da", precision="fp32"),
        replace(first, method="frozen", precision="tf32", forms=("ours", "compiled")),
        replace(first, precision="fp32", forms=("ours", "blocks")),
        replace(first, precision="fp32", forms=("ours", "graphs")),
    ]


def select(works: Sequence[Work], words: Sequence[str]) -> list[Work]:
    """Return the works whose name holds one of the words; all of them without words.

    Raises:
        ConfigError: No name holds any of them.
    """
    selected = [work for work in works if not words or any(word in work.name for word in words)]
    if not selected:
        raise ConfigError(f"--only {' '.join(words)} is part of no name. A name is such as {works[0].name}.")
    return selected
