"""The words of captions: what a phrase stands for, plurals, numbers, templates."""

from __future__ import annotations

# Phrase: the covers that it stands for. Common names of classes are among them, also as lists of classes write them.
COVER_PHRASES: dict[str, frozenset[str]] = {
    phrase: frozenset(covers)
    for covers, phrases in {
        ("paved ground",): ("paved ground", "pavement", "concrete"),
        ("paved ground", "road"): ("impervious surface", "asphalt and concrete"),
        ("lawn",): ("lawn", "a lawn", "mown grass"),
        ("meadow",): ("meadow", "a meadow"),
        ("lawn", "meadow"): ("grass", "grassland"),
        ("lawn", "meadow", "crops"): ("low vegetation",),
        ("crops",): ("crops", "cropland", "a crop field"),
        ("crops", "ploughed soil"): ("farmland", "agriculture", "fields"),
        ("trees",): ("trees", "tree", "tree crowns"),
        ("lawn", "meadow", "crops", "trees"): ("vegetation", "green plants"),
        ("bare soil",): ("barren land", "barren", "bare land"),
        ("bare soil", "ploughed soil"): ("bare soil", "bare", "bare ground"),
        ("ploughed soil",): ("ploughed soil", "a ploughed field"),
        ("road",): ("road", "a road", "a street"),
        ("water",): ("water", "open water", "a water body"),
        ("buildings",): ("buildings", "building", "roofs"),
        ("snow",): ("snow", "snow-covered ground"),
    }.items()
    for phrase in phrases
}
# True of trees on much of the tile alone.
DENSE_TREES = ("forest", "woodland", "dense trees")
# Season: what follows the phrase.
SEASON_WORDS = {
    "summer": ("in summer",),
    "autumn": ("in autumn", "with autumn leaves"),
    "winter": ("in winter", "after snowfall"),
    "dry season": ("in the dry season", "in a drought"),
}
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
# Fewest and most buildings, houses and warehouses together, that count as such a number.
SPARSE, DENSE = (1, 2), 7
SIZES = ("small", "large")
# What a caption calls an object; the first is the kind itself.
KIND_WORDS = {
    "house": ("house", "home", "residential building"),
    "warehouse": ("warehouse", "industrial building", "hall"),
    "storage tank": ("storage tank", "oil tank"),
    "swimming pool": ("swimming pool", "pool"),
    "tennis court": ("tennis court",),
    "pond": ("pond",),
    "car": ("car", "vehicle"),
    "container": ("container", "shipping container"),
    "boat": ("boat", "ship"),
    "solar panels": ("solar panels",),
}
BUILDING_WORDS = ("one building", "buildings", "few buildings", "sparse buildings", "many buildings", "dense buildings")
# What stands between and before phrases, and roofs.
LINKS = (
    "mostly",
    "some",
    "a",
    "and",
    "with",
    "between",
    "beside",
    "one",
    "with a flat roof",
    "with a pitched roof",
)
RELATIONS = ("left of", "right of", "above", "below", "next to")
OPPOSITES = {"left of": "right of", "above": "below"}
PLACES = ("in the middle", "on the left", "on the right", "at the top", "at the bottom")
# The first six are those of the head `text`.
TEMPLATES = (
    "an aerial image of {}.",
    "a satellite image of {}.",
    "an aerial photograph of {}.",
    "a remote sensing image of {}.",
    "a top-down view of {}.",
    "{} seen from above.",
    "a photo of {}.",
    "an overhead view of {}.",
    "{}.",
    "{}",
)


def plural(kind: str) -> str:
    """Return the plural of a kind of object."""
    return kind if kind.endswith("s") else f"{kind}s"


def singular(kind: str) -> str:
    """Return a kind with its article; panels come as several."""
    return kind if kind.endswith("s") else f"a {kind}"
