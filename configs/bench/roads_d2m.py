"""Roads, DeepGlobe to Massachusetts.

Launch: `rs-adapt train --bench roads-dg`.
Trained on 6226 images of 1024 px at 0.5 m, scored on 49 (test) of 1500 px, which are predicted at their own size. mIoU
is the mean of background and road; the IoU of roads stands beside it. Files:
`deepglobe_roads/train/{img_dir/X_sat.png,ann_dir/X_mask.png}` and `massachusetts_roads/{train,test}/{img_dir,ann_dir}`
with the same endings, all of them PNG of 8 bit, labels 0 and 1. DeepGlobe has no labelled test images: its
training images serve where the source is scored.
"""

_base_ = "_crossearth.py"

bench = dict(
    name="roads_d2m",
    family="roads",
    direction="d2m",
    default=True,
    title="Roads, DeepGlobe to Massachusetts",
    data=["deepglobe_roads", "massachusetts_roads"],
    classes=["background", "road"],
    palette=[[200, 200, 200], [250, 210, 60]],
    reduce_zero_label=False,
    # Of the source; the target's is 1 m.
    gsd_m=None,
    tile_px=1024,
    img_suffix="_sat.png",
    ann_suffix="_mask.png",
    source=dict(
        region="deepglobe",
        gsd_m=0.5,
        train=dict(img_dir="deepglobe_roads/train/img_dir", ann_dir="deepglobe_roads/train/ann_dir"),
        val=dict(img_dir="deepglobe_roads/train/img_dir", ann_dir="deepglobe_roads/train/ann_dir"),
    ),
    target=dict(
        region="massachusetts",
        train=dict(img_dir="massachusetts_roads/train/img_dir", ann_dir="massachusetts_roads/train/ann_dir"),
        val=dict(img_dir="massachusetts_roads/test/img_dir", ann_dir="massachusetts_roads/test/ann_dir"),
    ),
    inference=dict(resize_px=1500),
)
