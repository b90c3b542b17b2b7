"""DLRSD, seventeen classes on the images of UC Merced, supervised only: there is no second region.

Launch: `rs-adapt train --bench dlrsd-ss`.
2100 images of about 256 px at 0.3 m with 17 classes of land cover, every pixel labelled. The split is ours, because
none is published: of each of the 21 folders of 100 images, those whose number ends in 4 or 9 are scored (420), the
others trained on (1680).
"""

_base_ = "_dlrsd.py"

bench = dict(
    name="dlrsd",
    family="dlrsd",
    direction="",
    default=True,
    settings=["ss"],
    title="DLRSD, land cover of UC Merced",
    data="dlrsd",
    classes=[
        "airplane",
        "bare soil",
        "buildings",
        "cars",
        "chaparral",
        "court",
        "dock",
        "field",
        "grass",
        "mobile home",
        "pavement",
        "sand",
        "sea",
        "ship",
        "tanks",
        "trees",
        "water",
    ],
    palette=[
        [166, 202, 240],
        [128, 128, 0],
        [0, 0, 128],
        [255, 0, 0],
        [0, 128, 0],
        [128, 0, 0],
        [255, 233, 233],
        [160, 160, 164],
        [0, 128, 128],
        [90, 87, 255],
        [255, 255, 0],
        [255, 192, 0],
        [0, 0, 255],
        [255, 0, 192],
        [128, 0, 128],
        [0, 255, 0],
        [0, 255, 255],
    ],
    gsd_m=0.3,
    source=dict(
        region="dlrsd",
        train=dict(img_dir="dlrsd/img_dir/train", ann_dir="dlrsd/ann_dir/train"),
        val=dict(img_dir="dlrsd/img_dir/val", ann_dir="dlrsd/ann_dir/val"),
    ),
    target=dict(
        region="dlrsd",
        train=dict(img_dir="dlrsd/img_dir/train", ann_dir="dlrsd/ann_dir/train"),
        val=dict(img_dir="dlrsd/img_dir/val", ann_dir="dlrsd/ann_dir/val"),
    ),
)
