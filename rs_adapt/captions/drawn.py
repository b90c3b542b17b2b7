"""The bench `synthetic-compose`: drawn tiles with captions of objects, and items that turn such captions around.

Tiles and facts are those of the nano CLIP's training (`rs_adapt.pretraining.captioned`), drawn with seeds of their own;
the tiles that are scored are in styles that no training has. What is false of an item is false of its tile: every text
is compared with the objects that are on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image

from rs_adapt.datasets.recipes import SyntheticComposeRecipe
from rs_adapt.files import write_text
from rs_adapt.pretraining.captioned import HELD_OUT_KINDS, HELD_OUT_PAIRS, KINDS, CaptionedTiles, SeenObject, TileFacts
from rs_adapt.pretraining.captioned.grammar import UNCOUNTED, Described, cover_share
from rs_adapt.pretraining.captioned.relations import related
from rs_adapt.progress import OnProgress, no_progress

KINDS_OF_ITEMS = ("relation", "attribute", "colour", "object", "zero_shot")
TEMPLATE = "an aerial image of {}."
_OPPOSITE = {"left of": "right of", "above": "below", "right of": "left of", "below": "above"}
# Covers of zero-shot classification, which no caption of the training set names, and the least share of the main one.
COVERS = ("water", "trees", "grassland", "farmland", "pavement", "barren land", "buildings", "snow")
_MAIN_SHARE = 0.55
# Scenes hold such things without a map of them, or the nano CLIP does not know their names.
_UNNAMED = UNCOUNTED | {"building", *HELD_OUT_KINDS}
# Tiles that are looked at for each text that is wanted, at most.
_TRIES = 60


def draw_compose(recipe: SyntheticComposeRecipe, folder: Path, on_progress: OnProgress = no_progress) -> dict[str, int]:
    """Write `train.jsonl`, `val.json`, `test.json` and the images that they name into an empty folder.

    The lists are those that `read_list` and `read_choices` ("items") read.

    Args:
        recipe: How much is drawn, and the seed.
        folder: The folder.
        on_progress: Called after each scene and text.

    Returns:
        Number of images by part.
    """
    # Imported here: preparing other benches draws nothing.
    from rs_adapt.pretraining.captioned import CaptionedTiles

    # The nano CLIP is trained on seed 0, so no seed here is.
    first = 1 + 3 * recipe.seed
    counts: dict[str, int] = {}

    def tiles(number: int, split: str, num_scenes: int) -> CaptionedTiles:
        return CaptionedTiles(
            seed=first + number, split=split, num_scenes=num_scenes, scene_px=recipe.scene_px, on_progress=on_progress
        )

    counts["train"] = _write_captions(folder, tiles(0, "train", recipe.num_scenes), recipe.pairs, on_progress)
    for number, (part, count) in enumerate(recipe.items.items(), start=1):
        scored = tiles(number, "val", max(1, recipe.num_scenes // 2))
        counts[part] = _write_items(folder, part, scored, count, on_progress)
    return counts


def _write_captions(folder: Path, tiles: CaptionedTiles, count: int, on_progress: OnProgress) -> int:
    lines: list[str] = []
    number = 0
    while len(lines) < count and number < _TRIES * count:
        tile, rng = tiles.tile(number), np.random.default_rng((tiles.seed, 1, number))
        true = [texts[0] for kind in ("relation", "attribute") for texts in _MAKERS[kind](rng, tile.facts)]
        number += 1
        if not true:
            continue
        image = f"train/img_dir/{number:06d}.png"
        _save(folder / image, tile.image_HW3)
        lines.append(json.dumps({"image": image, "caption": TEMPLATE.format(true[int(rng.integers(len(true)))])}))
        on_progress("drawing captions", len(lines), count)
    write_text(folder / "train.jsonl", "".join(f"{line}\n" for line in lines))
    return len(lines)


def _write_items(folder: Path, part: str, tiles: CaptionedTiles, count: int, on_progress: OnProgress) -> int:
    items: list[dict[str, object]] = []
    images: set[str] = set()
    missing = dict.fromkeys(KINDS_OF_ITEMS, count)
    covers = dict.fromkeys(COVERS, -(-2 * count // len(COVERS)))
    number = 0
    while any(missing.values()) and number < _TRIES * count:
        tile, rng = tiles.tile(number), np.random.default_rng((tiles.seed, 2, number))
        number += 1
        image = f"{part}/img_dir/{number:06d}.png"
        for kind in (kind for kind, left in missing.items() if left):
            found = list(_MAKERS[kind](rng, tile.facts))
            # No cover is more than a quarter of its kind.
            if not found or (kind == "zero_shot" and not covers[found[0][0]]):
                continue
            texts = found[int(rng.integers(len(found)))]
            if kind == "zero_shot":
                covers[texts[0]] -= 1
            missing[kind] -= 1
            items.append({"image": image, "kind": kind, "texts": [TEMPLATE.format(text) for text in texts]})
            _save(folder / image, tile.image_HW3)
            images.add(image)
        on_progress("drawing items", len(items), count * len(KINDS_OF_ITEMS))
    write_text(folder / f"{part}.json", json.dumps(items, indent=1))
    return len(images)


def _save(path: Path, image_HW3: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image_HW3.round().clip(0, 255).astype(np.uint8)).save(path)


def _described(facts: TileFacts) -> Iterator[tuple[SeenObject, Described]]:
    """Yield the objects that captions may name, with their colour where it may be named."""
    for seen in facts.objects:
        if seen.kind not in _UNNAMED and seen.kind not in facts.uncountable:
            words = Described(seen.kind, colour=seen.colour)
            yield seen, words if _is_known(words) else Described(seen.kind)


def _is_known(words: Described) -> bool:
    """Return whether the nano CLIP may know a colour of a kind of object: such things are drawn, and named."""
    return words.colour in KINDS[words.kind].colours and (words.colour, words.kind) not in HELD_OUT_PAIRS


def _is_there(facts: TileFacts, described: Described) -> bool:
    """Return whether an object on a tile may be meant: one without a clear colour may have any."""
    return any(
        seen.kind == described.kind and (not described.colour or seen.colour in ("", described.colour))
        for seen in facts.objects
    )


def _relation(rng: np.random.Generator, facts: TileFacts) -> Iterator[tuple[str, str]]:
    """Yield two objects in a relation, and the same with the relation turned around or the objects exchanged."""
    named = list(_described(facts))
    for (one, a), (other, b) in permutations(named, 2):
        if a.kind == b.kind:
            continue
        for relation, opposite in _OPPOSITE.items():
            contrary = any(
                related(facts, opposite, x, y)
                for x in facts.objects
                for y in facts.objects
                if x.kind == one.kind and y.kind == other.kind
            )
            if related(facts, relation, one, other) and not contrary:
                turned = f"{a.words()} {opposite} {b.words()}", f"{b.words()} {relation} {a.words()}"
                yield f"{a.words()} {relation} {b.words()}", turned[int(rng.integers(2))]


def _attribute(rng: np.random.Generator, facts: TileFacts) -> Iterator[tuple[str, str]]:
    """Yield two objects with their colours, and the same with the colours exchanged."""
    named = [(seen, words) for seen, words in _described(facts) if words.colour]
    for (_, a), (_, b) in permutations(named, 2):
        swapped = Described(a.kind, colour=b.colour), Described(b.kind, colour=a.colour)
        known = all(_is_known(words) for words in swapped)
        if a.kind != b.kind and a.colour != b.colour and known and not any(_is_there(facts, w) for w in swapped):
            yield f"{a.words()} and {b.words()}", f"{swapped[0].words()} and {swapped[1].words()}"


def _colour(rng: np.random.Generator, facts: TileFacts) -> Iterator[tuple[str, str]]:
    """Yield an object with its colour, and the same in a colour that none of its kind on the tile has."""
    for _, words in _described(facts):
        others = [Described(words.kind, colour=c) for c in KINDS[words.kind].colours if c != words.colour]
        others = [o for o in others if _is_known(o) and not _is_there(facts, o)]
        if words.colour and others:
            yield words.words(), others[int(rng.integers(len(others)))].words()


def _object(rng: np.random.Generator, facts: TileFacts) -> Iterator[tuple[str, str]]:
    """Yield an object, and one of a kind that is not on the tile."""
    present = {seen.kind for seen in facts.objects} | facts.uncountable
    absent = [kind for kind in KINDS if kind not in present | _UNNAMED]
    for _, words in _described(facts):
        if absent:
            yield Described(words.kind).words(), Described(absent[int(rng.integers(len(absent)))]).words()


def _zero_shot(rng: np.random.Generator, facts: TileFacts) -> Iterator[tuple[str, ...]]:
    """Yield the main cover of a tile, then the other covers."""
    for cover in COVERS:
        if cover_share(facts, cover) >= _MAIN_SHARE:
            yield (cover, *(other for other in COVERS if other != cover))


_MAKERS: Mapping[str, Callable[[np.random.Generator, TileFacts], Iterator[Sequence[str]]]] = {
    "relation": _relation,
    "attribute": _attribute,
    "colour": _colour,
    "object": _object,
    "zero_shot": _zero_shot,
}
