"""The facts of ISPRS Potsdam and Vaihingen as in `_isprs.py`, with CrossEarth's schedule."""

_base_ = "_crossearth.py"

bench = dict(
    data=["potsdam", "vaihingen"],
    # What the names of the tiles tell: the scene, and the window in it.
    scene_pattern=r"(?P<scene>area\d+|\d+_\d+)_\d+_\d+_\d+_\d+",
    classes=["impervious_surface", "building", "low_vegetation", "tree", "car", "clutter"],
    palette=[[255, 255, 255], [0, 0, 255], [0, 255, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0]],
)
