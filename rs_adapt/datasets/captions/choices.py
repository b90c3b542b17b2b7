"""Benchmarks of composition: images with a true text and some that say something else. Loads no torch.

ARO: Yuksekgonul et al., "When and why vision-language models behave like bags-of-words", ICLR 2023. SugarCrepe: Hsieh
et al., NeurIPS 2023. VALSE: Parcalabescu et al., ACL 2022. Files are read as they are released; the images of COCO,
Visual Genome, Flickr30k and others have conditions of their own and are fetched by whoever uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from rs_adapt.datasets.captions.negatives import sample_draws
from rs_adapt.datasets.captions.order import perturbations
from rs_adapt.datasets.captions.parsing import normalized
from rs_adapt.datasets.captions.pictures import SUFFIXES, ImagePlace
from rs_adapt.datasets.captions.records import mark_in
from rs_adapt.documents import read_json
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.path_names import path_below

Benchmark = Literal["sugarcrepe", "aro", "valse", "order", "folders", "items"]
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)
# VALSE counts a foil as valid if at least two of three annotators chose the caption and not the foil.
_LEAST_VOTES = 2
_PLACE = "{}"
# None stands for an entry that is no item.
_Items: TypeAlias = Iterator["ChoiceItem | None"]


@dataclass(frozen=True, kw_only=True)
class ChoiceItem:
    """An image with candidate texts.

    Attributes:
        key: Name in its file; unique within its kind.
        kind: What is asked: the file's name, a relation, a class. Accuracies are those of kinds.
        image: Where the image is.
        texts: The true text, then one or more that are not true; none of these equals it.
    """

    key: str
    kind: str
    image: ImagePlace
    texts: tuple[str, ...]

    def of_kind(self, kind: str) -> ChoiceItem:
        """Return the item under a different kind, with the former in its key."""
        return self if kind == self.kind else replace(self, kind=kind, key=f"{self.kind}-{self.key}")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The items of a benchmark.

    Attributes:
        items: In the order of their files.
        left_out: Number of entries that are no items: foils that annotators did not confirm, and texts equal to the
            true one.
    """

    items: tuple[ChoiceItem, ...]
    left_out: int


def read_choices(
    benchmark: Benchmark, source: Path, images: Path, *, template: str = "an aerial image of {}.", seed: int = 0
) -> Choices:
    """Return the items of a benchmark's file or folder.

    - `sugarcrepe`: `add_att.json` and the others, each a table of `filename`, `caption`, `negative_caption`; the kind
      is the file's name.
    - `aro`: `visual_genome_relation.json` or `visual_genome_attribution.json`, a list of `image_path`, `bbox_x` to
      `bbox_h`, `true_caption`, `false_caption`, and `relation_name` or two `attributes`, which are the kind. The mean
      over kinds is ARO's score of one file, so each is evaluated by itself; ARO leaves out relations without direction
      and rare kinds, and here none are.
    - `valse`: `existence.json` and the others, each a table of `image_file`, `dataset`, `caption`, `foil`, and `mturk`,
      the annotators' votes; the kind is the file's name. Images lie in the folder or in one named as the `dataset`.
    - `order`: lists of `image` and `caption`, one or several, as Karpathy's splits of COCO and Flickr30k have them;
      false are four reorderings of the words (`rs_adapt.datasets.captions.order`), of which ARO has its own draws.
    - `folders`: a folder of images for each class; the texts are the names of all classes in `template`, the kind is
      the class. It is zero-shot classification.
    - `items`: your own, a list of `image`, `kind` and `texts`, the true one first.

    Args:
        benchmark: Which of them.
        source: The JSON file, a folder of such files, or for `folders` the folder of the classes.
        images: Folder of the images; not used by `folders`.
        template: For `folders`, a sentence with `{}` for the name.
        seed: Seed of the reorderings.

    Raises:
        ConfigError: The benchmark is unknown, or the template has no place.
        DataNotFound: A file, or an image, is missing.
        DataError: A file is damaged or is not that of the benchmark, or no item is left.
    """
    if benchmark not in BENCHMARKS:
        raise ConfigError(f"The benchmark is {benchmark!r}. Allowed: {', '.join(BENCHMARKS)}.")
    if benchmark == "folders":
        return Choices(items=tuple(_folders(source, template)), left_out=0)
    items: list[ChoiceItem] = []
    left_out = 0
    kinds_of_files = len(paths := _files(source)) > 1
    for path in paths:
        for item in _READERS[benchmark](path, images, seed):
            texts = () if item is None else _distinct(item.texts)
            if item is not None and (marked := [text for text in item.texts if mark_in(text)]):
                raise DataError(
                    f"{path}: the text {marked[0][:80]!r} of the item {item.key} holds CLIP's own mark of start or "
                    "end: remove it."
                )
            if item is None or len(texts) < 2:
                left_out += 1
                continue
            kind = f"{path.stem}/{item.kind}" if kinds_of_files and benchmark == "aro" else item.kind
            items.append(replace(item, texts=texts, kind=kind))
    if not items:
        raise DataError(f"{source} holds no item of {benchmark}.")
    return Choices(items=tuple(items), left_out=left_out)


def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the true text and those that differ from it."""
    return texts[0], *(text for text in texts[1:] if normalized(text) != normalized(texts[0]))


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        if files := sorted(source.glob("*.json")):
            return files
        raise DataNotFound(f"{source} holds no files *.json.")
    if not source.is_file():
        raise DataNotFound(f"There is no file or folder {source}.")
    return [source]


def _entries(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    content = read_json(path, error=DataError)
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else None
    if pairs is None:
        raise DataError(f"{path} holds neither a table nor a list of items.")
    for key, entry in pairs:
        if not isinstance(entry, dict):
            raise DataError(f"{path}: the item {key} is no table.")
        yield str(key), entry


def _text(path: Path, key: str, entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{path}: the item {key} has no {name}. Is it a file of this benchmark?")
    return value


def _image(path: Path, key: str, images: Path, *relative: str) -> Path:
    tried = [path_below(images, name, what=f"{path}: the image of {key}", error=DataError) for name in relative]
    found = next((place for place in tried if place.is_file()), None)
    if found is None:
        raise DataNotFound(f"{path}: there is no image {' or '.join(map(str, tried))} (item {key}).")
    return found


def _sugarcrepe(path: Path, images: Path, seed: int) -> _Items:
    for key, entry in _entries(path):
        image = _image(path, key, images, _text(path, key, entry, "filename"))
        texts = _text(path, key, entry, "caption"), _text(path, key, entry, "negative_caption")
        yield ChoiceItem(key=key, kind=path.stem, image=ImagePlace(path=image), texts=texts)


def _aro(path: Path, images: Path, seed: int) -> _Items:
    for key, entry in _entries(path):
        image = _image(path, key, images, _text(path, key, entry, "image_path"))
        texts = _text(path, key, entry, "true_caption"), _text(path, key, entry, "false_caption")
        box = [entry.get(f"bbox_{name}") for name in ("x", "y", "w", "h")]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in box):
            raise DataError(f"{path}: the item {key} has no bbox_x, bbox_y, bbox_w and bbox_h.")
        x, y, width, height = (round(value) for value in box if value is not None)
        attributes = entry.get("attributes")
        if isinstance(attributes, list) and attributes:
            kind = " and ".join(map(str, attributes))
        else:
            kind = _text(path, key, entry, "relation_name")
        place = ImagePlace(path=image, box=(max(x, 0), max(y, 0), width, height))
        yield ChoiceItem(key=key, kind=kind, image=place, texts=texts)


def _valse(path: Path, images: Path, seed: int) -> _Items:
    for key, entry in _entries(path):
        texts = _text(path, key, entry, "caption"), _text(path, key, entry, "foil")
        votes = entry.get("mturk")
        confirmed = votes.get("caption") if isinstance(votes, dict) else None
        if not isinstance(confirmed, int | float):
            raise DataError(f"{path}: the item {key} has no votes mturk.caption. Is it a file of VALSE?")
        name = _text(path, key, entry, "image_file")
        if confirmed < _LEAST_VOTES:
            yield None
            continue
        image = _image(path, key, images, name, f"{entry.get('dataset') or '.'}/{name}")
        yield ChoiceItem(key=key, kind=path.stem, image=ImagePlace(path=image), texts=texts)


def _order(path: Path, images: Path, seed: int) -> _Items:
    for key, entry in _entries(path):
        image = _image(path, key, images, _text(path, key, entry, "image"))
        captions = entry.get("caption")
        for number, caption in enumerate(captions if isinstance(captions, list) else [captions]):
            if not isinstance(caption, str) or not caption.strip():
                raise DataError(f"{path}: the item {key} has no caption.")
            name = f"{key}/{number}"
            texts = (caption, *perturbations(caption, sample_draws(seed, f"{path.stem}/{name}")))
            yield ChoiceItem(key=name, kind="order", image=ImagePlace(path=image), texts=texts)


def _folders(source: Path, template: str) -> Iterator[ChoiceItem]:
    if template.count(_PLACE) != 1:
        raise ConfigError(f"The template is {template!r}; give a sentence with {_PLACE} once, in place of the class.")
    if not source.is_dir():
        raise DataNotFound(f"There is no folder {source}.")
    folders = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{source} needs a folder of images for each of two classes or more.")
    texts = [template.replace(_PLACE, " ".join(f.name.replace("_", " ").replace("-", " ").split())) for f in folders]
    for number, folder in enumerate(folders):
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
        if not files:
            raise DataError(f"The folder {folder} of a class has no images ({', '.join(SUFFIXES)}).")
        others = texts[:number] + texts[number + 1 :]
        for file in files:
            item_texts = (texts[number], *others)
            yield ChoiceItem(key=file.name, kind=folder.name, image=ImagePlace(path=file), texts=item_texts)


def _items(path: Path, images: Path, seed: int) -> _Items:
    for key, entry in _entries(path):
        image = _image(path, key, images, _text(path, key, entry, "image"))
        texts = entry.get("texts")
        if not isinstance(texts, list) or len(texts) < 2 or not all(isinstance(t, str) and t.strip() for t in texts):
            raise DataError(f"{path}: the item {key} has no texts: give two or more, the true one first.")
        kind = _text(path, key, entry, "kind")
        yield ChoiceItem(key=key, kind=kind, image=ImagePlace(path=image), texts=tuple(texts))


_READERS: Mapping[str, Callable[[Path, Path, int], _Items]] = {
    "sugarcrepe": _sugarcrepe,
    "aro": _aro,
    "valse": _valse,
    "order": _order,
    "items": _items,
}
