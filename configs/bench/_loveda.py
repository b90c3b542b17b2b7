"""LoveDA's facts, whatever the direction."""

_base_ = "_paper.py"

bench = dict(
    family="loveda",
    data="loveda",
    # An image of 1024 px is a scene; its number is the first in the names of its tiles.
    scene_pattern=r"(?P<scene>\d+)(_\d+)*",
    classes=["background", "building", "road", "water", "barren", "forest", "agricultural"],
    # Colours of the classes in index order.
    palette=[
        [255, 255, 255],
        [255, 0, 0],
        [255, 255, 0],
        [0, 0, 255],
        [159, 129, 183],
        [0, 255, 0],
        [255, 195, 128],
    ],
    gsd_m=0.3,
    # Setting ov: the split is ours; no published one was found.
    ov=dict(unseen=["water", "barren"], defaults=dict(method="lora", backbone="clip_b_16", head="cost")),
)
