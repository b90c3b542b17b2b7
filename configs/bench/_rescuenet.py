"""Potsdam to RescueNet, whatever the bands: what both name of a town, before and after a hurricane; tiles of 512 px.

Files: `potsdam_res/{rgb,irrg}/img_dir/X.png` with `potsdam_res/ann_dir/X.png`, and
`rescuenet/test/{img_dir,ann_dir}/X.png`; for adaptation also `rescuenet/train/img_dir`. Label values are uncertain, see
data/rescuenet.toml: a run checks them before it starts. mIoU over all five classes, clutter among them.
"""

_base_ = "_crossearth.py"

bench = dict(
    family="rescuenet",
    data=["potsdam_res", "rescuenet"],
    classes=["impervious_surface", "building", "vegetation", "car", "clutter"],
    palette=[[255, 255, 255], [0, 0, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0]],
    gsd_m=None,
    target=dict(
        region="rescuenet",
        bands="RGB",
        train=dict(img_dir="rescuenet/train/img_dir", ann_dir="rescuenet/train/ann_dir"),
        val=dict(img_dir="rescuenet/test/img_dir", ann_dir="rescuenet/test/ann_dir"),
    ),
)
