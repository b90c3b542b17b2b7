"""The facts of ISPRS Potsdam and Vaihingen as in `_isprs.py`, with CrossEarth's schedule."""

_base_ = "_crossearth.py"

bench = dict(
    data=["potsdam", "vaihingen"],
    classes=["impervious_surface", "building", "low_vegetation", "tree", "car", "clutter"],
    palette=[[255, 255, 255], [0, 0, 255], [0, 255, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0]],
)
