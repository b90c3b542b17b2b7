"""Write `docs/guides/methods.md` from the code: what every method is, where it acts, what it trains.

    make docs

`--check` writes nothing and fails where the page is not what the code says.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from rs_adapt.adapters import Adapter
from rs_adapt.adapters.contract.wrapping import WrappingAdapter
from rs_adapt.adapters.gate import Gate
from rs_adapt.config import axes
from rs_adapt.config.axis_files import read_file
from rs_adapt.config.open_tables import without_marks
from rs_adapt.config.wire_model import adapter_facts
from rs_adapt.config.words import is_layers, resolve_layers
from rs_adapt.registry import MODELS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "guides" / "methods.md"
BACKBONES = ("dinov2_s", "dinov2_b", "dinov2_l")
# Of CLIP ViT-B/16, whose visual tower is as wide and deep as DINOv2 B.
TEXT_TOWER = {"text_embed_dim": 512, "text_depth": 12}
HOOKS = {
    "tokens": "tokens at the input of blocks",
    "after_block": "the output of blocks",
    "queries": "queries of the head",
    "prepare": "reads the frozen ViT's features",
    "see": "reads the image",
}
INTRO = """# Methods

This page lists the values of `--method`. It is generated from the code by `make docs`, and a test compares the two.

| kind | names |
|---|---|
| bounds | `frozen`, `full` |
| between the blocks | `earth-adapter`, `rein`, `bridge` |
| prompt tokens | `vpt`, `dcpl`, `qnet` |
| bottlenecks | `adapter` (Houlsby), `adaptformer`, `cobot` (on top of a different method) |
| weight changes | `lora`, `soma`, `recycle-lora`, `flora`, `sam-parser`, `hclip`, `hclip-both`, `bitfit`, `norm` |
| [peft](https://github.com/huggingface/peft) (`pip install '.[peft]'`) | `peft:dora`, `peft:pissa`, more below |
| stacks | names joined by `+`, such as `lora+earth-adapter` |
| gates | `gate:` before a method or a stack: `gate:lora+adaptformer`; `crossearth-gate`, `crossearth-gate-off` |

All methods fulfil one contract: exactly the parameters that train are counted, saved, averaged by a teacher and
resumed, on any ViT and grid. Methods that change weights can be merged into a plain backbone
(`rs-adapt export --merge`). All train under one recipe (`configs/method/_recipe.py`).

The table gives the number of parameters of each adapter, without the decode head, for DINOv2 S, B and L and with the
settings of the method's file in `configs/method/`. `hclip-both` sits in both towers of CLIP; its count is for ViT-B/16.

"""
NOT_BUILT = """
## Methods that are not built

FADA (NeurIPS 2024) and SET (ACM MM 2024) split Rein-like tokens by frequency, with Haar wavelets and with Fourier
transforms. That is all we know of them. We do not know what the tokens do with the parts, their sizes or their
initialisation, so a method of either name would be a guess. `earth-adapter` splits features by frequency, and `rein`
has the tokens.
"""


def main() -> None:
    """Write or compare the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    text = page()
    if parser.parse_args().check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            sys.exit(f"{PAGE.name} is not what the code says. Run `make docs`.")
        return
    PAGE.write_text(text, encoding="utf-8")


def page() -> str:
    """Return the page."""
    files = {name: without_marks(axes.load("method", name)) for name in axes.values_of_task("method", "segmentation")}
    # Methods of other tasks than segmentation are described with their task.
    files = {name: file for name, file in files.items() if "task" not in file["method"]}
    rows = ["| method | paper | S | B | L | acts on | merges |", "|---|---|---|---|---|---|---|"]
    sections = []
    described: set[type] = set()
    for name, file in files.items():
        cls = _class(file)
        rows.append(_row(name, file, cls))
        if cls is not None and cls not in described:
            described.add(cls)
            sections.append(_section(file["method"]["title"], cls))
    return INTRO + "\n".join(rows) + "\n\n" + _without_adapter(files) + "\n".join(sections) + NOT_BUILT


def _class(file: dict[str, Any]) -> type[Adapter] | None:
    adapter = file["model"]["backbone"]["adapter"]
    return None if adapter is None else MODELS.get(adapter["type"])


def _row(name: str, file: dict[str, Any], cls: type[Adapter] | None) -> str:
    paper = file["method"]["paper"]
    link = "-" if paper is None else f"[{paper.rpartition('/')[2]}]({paper})"
    if cls is None:
        counts = ["0" if name == "frozen" else "all"] * len(BACKBONES)
        return f"| `{name}` | {link} | {' | '.join(counts)} | - | - |"
    on_texts = "text_embed_dim" in file["model"]["backbone"]["adapter"]
    counts = [
        "-" if on_texts and backbone != "dinov2_b" else f"{_count(file, cls, backbone):,}".replace(",", " ")
        for backbone in BACKBONES
    ]
    adapter = _built(file, cls)
    merges = "yes" if adapter.why_unmergeable() is None else "no"
    # It mixes its tensor once a pass, which is all that it sees of the images.
    acts_on = f"{_acts_on(adapter).partition(';')[0]}, of both towers" if on_texts else _acts_on(adapter)
    return f"| `{name}` | {link} | {' | '.join(counts)} | {acts_on} | {merges} |"


def _count(file: dict[str, Any], cls: type[Adapter], backbone: str) -> int:
    given = _settings(file, backbone)
    names = inspect.signature(cls.num_params).parameters
    every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in names.values())
    return int(cls.num_params(**{key: value for key, value in given.items() if every or key in names}))


def _settings(file: dict[str, Any], backbone: str) -> dict[str, Any]:
    # Counts do not depend on the length of a schedule.
    facts = adapter_facts(axes.load("backbone", backbone)["model"]["backbone"]) | {"total_iters": 20_000} | TEXT_TOWER
    given = {key: value for key, value in file["model"]["backbone"]["adapter"].items() if key != "type"}
    return {key: _resolve(key, value, facts) for key, value in given.items()}


def _resolve(key: str, value: Any, facts: dict[str, Any]) -> Any:
    if value is None:
        return facts.get(key)
    if isinstance(value, dict):
        return {name: _resolve(name, one, facts) for name, one in value.items()}
    if key.endswith("layers") and is_layers(value):
        return resolve_layers(value, depth=facts["depth"], key=key)
    return value


def _built(file: dict[str, Any], cls: type[Adapter]) -> Adapter:
    import torch

    with torch.device("meta"):
        return cls(**_settings(file, "dinov2_s"))


def _acts_on(adapter: Adapter) -> str:
    own = [text for hook, text in HOOKS.items() if _overrides(adapter, hook)]
    if isinstance(adapter, WrappingAdapter):
        targets = getattr(adapter, "targets", None)
        names = list(targets) if targets else sorted({handle for _, handle, _ in adapter.changes()})
        own.insert(0, ", ".join(f"`{handle}`" for handle in names))
    if isinstance(adapter, Gate):
        return "modules of " + ", ".join(f"`{type(method).__name__}`" for method in adapter.methods())
    inner = getattr(adapter, "host", None)
    if inner is not None:
        return f"the bottlenecks of `{type(inner).__name__}`"
    return "; ".join(own)


def _overrides(adapter: Adapter, hook: str) -> bool:
    return getattr(type(adapter), hook) is not getattr(Adapter, hook)


def _without_adapter(files: dict[str, Any]) -> str:
    lines = []
    for name, file in files.items():
        if file["model"]["backbone"]["adapter"] is None:
            rate = file["method"]["paramwise"].get("backbone_lr_mult")
            what = (
                f"the whole backbone trains, at {rate} times the learning rate of the head"
                if rate
                else "only the head trains"
            )
            lines.append(f"`{name}`: {what}.")
    return "\n".join(lines) + "\n\n"


def _section(title: str, cls: type[Adapter]) -> str:
    if cls.__name__ == "PeftAdapter":
        title = "Methods of peft"
    body = inspect.cleandoc(cls.__doc__ or "")
    if cls.__name__ == "PeftAdapter":
        kinds: dict[str, list[str]] = {}
        for kind, reason in read_file("method", "peft")["method"]["refused"].items():
            kinds.setdefault(reason, []).append(f"`{kind}`")
        listed = "\n".join(f"- {', '.join(names)}: {reason}." for reason, names in kinds.items())
        body += f"\n\nTuners of peft that are not methods here:\n\n{listed}"
    body = re.sub(r"https://[\w./-]*\w", r"<\g<0>>", body)
    unmergeable = getattr(cls, "unmergeable", None)
    why = f"\n\nDoes not merge: {unmergeable}." if unmergeable else ""
    return f"## {title}\n\n`rs_adapt.{cls.__name__}`: {body}{why}\n"


if __name__ == "__main__":
    main()
