"""The facts of ISPRS Potsdam and Vaihingen, whatever the direction."""

_base_ = "_paper.py"

bench = dict(
    family="isprs",
    data=["potsdam", "vaihingen"],
    # What the names of the tiles tell: the scene, and the window in it.
    scene_pattern=r"(?P<scene>area\d+|\d+_\d+)_\d+_\d+_\d+_\d+",
    classes=["impervious_surface", "building", "low_vegetation", "tree", "car", "clutter"],
    # Colours of the classes in index order.
    palette=[
        [255, 255, 255],
        [0, 0, 255],
        [0, 255, 255],
        [0, 255, 0],
        [255, 255, 0],
        [255, 0, 0],
    ],
    # Setting ov: the split is ours; no published one was found.
    ov=dict(unseen=["tree", "car"], defaults=dict(method="lora", backbone="clip_b_16", head="cost")),
)
