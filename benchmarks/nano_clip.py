"""What the nano CLIP in the package can do: whole tiles on styles that it never saw, and segmentation by class names.

    python benchmarks/nano_clip.py                # tiles
    python benchmarks/nano_clip.py --segmentation # also runs of rs-adapt on synthetic-dg, minutes each

Tiles are those of the split `val` of `rs_adapt.pretraining.captioned`: drawn by the rules of training, in styles of
their own. Prints zero-shot accuracy, retrieval in both directions, and choices between two captions, with chance; then
mIoU of the head `text` before any training, and of `text` and `linear` trained on the source with the same backbone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor

from rs_adapt.config import axes
from rs_adapt.language import ClipModel
from rs_adapt.pretraining.captioned import HELD_OUT_PAIRS, KINDS, TRAINING_KINDS, CaptionedTile, CaptionedTiles
from rs_adapt.pretraining.captioned.facts import SeenObject, TileFacts
from rs_adapt.pretraining.captioned.objects import COLOURS
from rs_adapt.pretraining.captioned.words import singular

# Covers of a class, by the words that name it; a tile belongs to the one that covers more than half of it.
COVERS: Mapping[str, tuple[str, ...]] = {
    "buildings": ("buildings",),
    "impervious surface": ("paved ground", "road"),
    "water": ("water",),
    "trees": ("trees",),
    "low vegetation": ("lawn", "meadow", "crops"),
    "bare soil": ("bare soil", "ploughed soil"),
    "snow": ("snow",),
}
PAIRS_OF_RELATIONS = (("left of", "right of"), ("above", "below"))


def main() -> None:
    """Draw, embed, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=None, help="a file instead of the one in the package")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--tiles", type=int, default=1500)
    parser.add_argument("--segmentation", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the runs on synthetic-dg")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/nano_clip"))
    args = parser.parse_args()
    clip = ClipModel.load("nano-clip", weights=args.weights)
    source = CaptionedTiles(seed=args.seed, split="val", num_scenes=args.scenes, scene_px=256)
    tiles = [source.tile(number) for number in range(args.tiles)]
    images_BC = clip.embed_images(torch.stack([torch.from_numpy(tile.image_HW3).permute(2, 0, 1) for tile in tiles]))
    facts = [tile.facts for tile in tiles]
    print("| on tiles of new styles | chance | result |\n|---|---|---|")
    row("main cover of 7", 1 / len(COVERS), *classify(clip, images_BC, list(COVERS), [cover_of(one) for one in facts]))
    kinds = [singular(kind) for kind in TRAINING_KINDS]
    row("object of 10", 1 / len(kinds), *classify(clip, images_BC, kinds, [kind_of(one) for one in facts]))
    for name, is_held_out in (("seen with the object", False), ("held out", True)):
        row(f"colour of 8, {name}", 1 / len(COLOURS), *colours(clip, images_BC, facts, is_held_out=is_held_out))
    for pair in PAIRS_OF_RELATIONS:
        row(f"{pair[0]} or {pair[1]}", 1 / 2, *relations(clip, images_BC, tiles, pair))
    for name, rank, chance in retrieval(clip, images_BC, tiles):
        print(f"| {name} | {100 * chance:.1f} | {100 * rank:.1f} |")
    if args.segmentation:
        segmentation(args.work_dir, args.seeds, args.weights)


def row(name: str, chance: float, accuracy: float, count: int) -> None:
    """Print a line of the table."""
    print(f"| {name} ({count} tiles) | {100 * chance:.1f} | {100 * accuracy:.1f} |", flush=True)


def embed_in_templates(clip: ClipModel, names: Sequence[str]) -> Tensor:
    """Return the vector of each name (K, C): the mean over the sentences of the head `text`."""
    templates = axes.load("head", "text")["model"]["decode_head"]["templates"]
    each = [clip.embed_texts([template.replace("{}", name) for template in templates]).mean(dim=0) for name in names]
    return torch.nn.functional.normalize(torch.stack(each), dim=1)


def classify(
    clip: ClipModel, images_BC: Tensor, names: Sequence[str], truths: Sequence[int | None]
) -> tuple[float, int]:
    """Return the mean of the classes' accuracies, and the number of tiles that belong to one."""
    found_B = (images_BC @ embed_in_templates(clip, names).T).argmax(dim=1).tolist()
    hits: dict[int, list[bool]] = defaultdict(list)
    for found, truth in zip(found_B, truths, strict=True):
        if truth is not None:
            hits[truth].append(found == truth)
    return mean(mean(map(float, of_class)) for of_class in hits.values()), sum(map(len, hits.values()))


def cover_of(facts: TileFacts) -> int | None:
    """Return the class of `COVERS` that covers more than half of a tile."""
    shares = [sum(facts.shares.get(cover, 0.0) for cover in covers) for covers in COVERS.values()]
    return int(np.argmax(shares)) if max(shares) > 0.5 else None


def kind_of(facts: TileFacts) -> int | None:
    """Return the kind of a tile that has objects of one kind alone."""
    kinds = {seen.kind for seen in facts.objects} | facts.uncountable
    kind = kinds.pop() if len(kinds) == 1 else None
    return TRAINING_KINDS.index(kind) if kind in TRAINING_KINDS and facts.objects else None


def colours(clip: ClipModel, images_BC: Tensor, facts: Sequence[TileFacts], *, is_held_out: bool) -> tuple[float, int]:
    """Return how often the caption with the own colour of a tile's one object is the nearest, and of how many."""
    hits = []
    for image_C, one in zip(images_BC, facts, strict=True):
        seen = only(one)
        if seen is None or not KINDS[seen.kind].colours or not seen.colour:
            continue
        if ((seen.colour, seen.kind) in HELD_OUT_PAIRS) == is_held_out:
            texts = [f"an aerial image of a {colour} {seen.kind}." for colour in COLOURS]
            hits.append(list(COLOURS)[int((clip.embed_texts(texts) @ image_C).argmax())] == seen.colour)
    return (mean(map(float, hits)) if hits else float("nan")), len(hits)


def only(facts: TileFacts) -> SeenObject | None:
    """Return the object of a tile that has no other."""
    return facts.objects[0] if len(facts.objects) == 1 and facts.objects[0].kind in KINDS else None


def relations(
    clip: ClipModel, images_BC: Tensor, tiles: Sequence[CaptionedTile], pair: tuple[str, str]
) -> tuple[float, int]:
    """Return how often the true relation of two objects of different kinds is nearer than its opposite."""
    hits = []
    for image_C, tile in zip(images_BC, tiles, strict=True):
        for claim in tile.caption.claims:
            kinds = [described.kind for described in claim.of]
            if claim.says not in pair or len({seen.kind for seen in tile.facts.objects}) != len(tile.facts.objects):
                continue
            texts = [f"an aerial image of {singular(kinds[0])} {word} {singular(kinds[1])}." for word in pair]
            hits.append(pair[int((clip.embed_texts(texts) @ image_C).argmax())] == claim.says)
    return (mean(map(float, hits)) if hits else float("nan")), len(hits)


def retrieval(
    clip: ClipModel, images_BC: Tensor, tiles: Sequence[CaptionedTile], size: int = 256
) -> list[tuple[str, float, float]]:
    """Return recall at 1 and 5 among tiles with captions of their own, with chance, in both directions."""
    texts: dict[str, int] = {}
    for number, tile in enumerate(tiles):
        texts.setdefault(tile.caption.text, number)
    chosen = list(texts.values())[:size]
    cosines_BB = images_BC[chosen] @ clip.embed_texts(list(texts)[:size]).T
    rows = []
    for direction, scores in (("text by image", cosines_BB), ("image by text", cosines_BB.T)):
        rank_B = (scores > scores.diag()[:, None]).sum(dim=1)
        for most in (1, 5):
            hit = float((rank_B < most).float().mean())
            rows.append((f"{direction}, recall@{most} of {len(chosen)}", hit, most / len(chosen)))
    return rows


def segmentation(work_dir: Path, seeds: Sequence[int], weights: Path | None) -> None:
    """Train with rs-adapt on synthetic-dg and print mIoU of the last checkpoint on the target."""
    # One step at a rate of nothing leaves the head as CLIP has it.
    still = ("--iters", "1", "--set", "optim.lr=1e-12")
    cells = {"text, zero-shot": ("text", still), "text, trained": ("text", ()), "linear, trained": ("linear", ())}
    print("\n| nano-clip frozen, synthetic-dg | mIoU in % |\n|---|---|")
    for name, (head, more) in cells.items():
        scores = []
        for seed in seeds:
            folder = work_dir / name.replace(", ", "-") / f"seed{seed}"
            call = [sys.executable, "-m", "rs_adapt", "train", "--bench", "synthetic-dg", "--backbone", "nano-clip"]
            call += ["--head", head, "--method", "frozen", "--seed", str(seed), "--work-dir", str(folder), *more]
            call += ["--overwrite", *(["--weights", str(weights)] if weights else [])]
            subprocess.run(call, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, capture_output=True)
            scores.append(json.loads((folder / "result.json").read_text(encoding="utf-8"))["miou_pct"])
        print(f"| {name} | {mean(scores):.1f} [{min(scores):.1f}, {max(scores):.1f}] |", flush=True)


if __name__ == "__main__":
    main()
