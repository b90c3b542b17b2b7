"""CASID, land cover in four climates, tiles of 1024 px: twelve directions, as CrossEarth cuts them.

Launch: `rs-adapt train --bench casid-dg --direction sub2tms`; without `--direction`, sub2tem.

Files: `casid/{sub,tem,tms,trf}/{train,test}/{img_dir/X.png,ann_dir/X-label.png}`. Label values are uncertain, see
data/casid.toml: a run checks them before it starts. CrossEarth trains on crops of 1024 px
(`--set bench.crop_px=1024 --set bench.inference.crop_px=1024`); here they are 512 px, as in the other benches. Scores
are the mean IoU over all five classes.

Region                   Tiles to train on   Scored on (test)
sub  subtropical monsoon              4900               2200
tem  temperate monsoon                5025               2075
tms  tropical monsoon                 3400               1650
trf  tropical rainforest              3700               1550

Published mIoU (read from a figure of CrossEarth; it has no others):

            sub2tem  sub2tms  sub2trf  tem2trf  tms2sub  tms2tem  tms2trf  trf2sub
Rein           46.4     59.7     63.4     55.9     68.6     37.2     59.7     67.6
CrossEarth     48.1     64.6     64.2     57.8     69.1     40.5     60.7     67.9
"""

_base_ = "_crossearth.py"

bench = dict(
    family="casid",
    data="casid",
    classes=["background", "building", "forest", "road", "water"],
    palette=[[0, 0, 0], [255, 255, 0], [85, 255, 0], [255, 0, 0], [0, 112, 255]],
    reduce_zero_label=False,
    gsd_m=None,
    tile_px=1024,
    ann_suffix="-label.png",
    regions=dict(
        sub=dict(
            train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
            val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
        ),
        tem=dict(
            train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
            val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
        ),
        tms=dict(
            train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
            val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
        ),
        trf=dict(
            train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
            val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
        ),
    ),
    directions=dict(
        sub2tem=dict(title="CASID, subtropical monsoon to temperate monsoon", source="sub", target="tem"),
        sub2tms=dict(title="CASID, subtropical monsoon to tropical monsoon", source="sub", target="tms"),
        sub2trf=dict(title="CASID, subtropical monsoon to tropical rainforest", source="sub", target="trf"),
        tem2sub=dict(title="CASID, temperate monsoon to subtropical monsoon", source="tem", target="sub"),
        tem2tms=dict(title="CASID, temperate monsoon to tropical monsoon", source="tem", target="tms"),
        tem2trf=dict(title="CASID, temperate monsoon to tropical rainforest", source="tem", target="trf"),
        tms2sub=dict(title="CASID, tropical monsoon to subtropical monsoon", source="tms", target="sub"),
        tms2tem=dict(title="CASID, tropical monsoon to temperate monsoon", source="tms", target="tem"),
        tms2trf=dict(title="CASID, tropical monsoon to tropical rainforest", source="tms", target="trf"),
        trf2sub=dict(title="CASID, tropical rainforest to subtropical monsoon", source="trf", target="sub"),
        trf2tem=dict(title="CASID, tropical rainforest to temperate monsoon", source="trf", target="tem"),
        trf2tms=dict(title="CASID, tropical rainforest to tropical monsoon", source="trf", target="tms"),
    ),
)
