"""WHU building, whatever the direction: buildings in aerial and satellite images, tiles of 512 px.

Files: `whu_building/{aerial,satellite}/{train,test}/{img_dir,ann_dir}/X.tif`. Label values are uncertain, see
data/whu_building.toml: a run checks them before it starts. mIoU is the mean of background and building; the IoU of
buildings stands beside it.
"""

_base_ = "_crossearth.py"

bench = dict(
    family="whu",
    data="whu_building",
    classes=["background", "building"],
    palette=[[200, 200, 200], [220, 40, 40]],
    reduce_zero_label=False,
    gsd_m=None,
    img_suffix=".tif",
    ann_suffix=".tif",
)
