"""Twelve pairs of synthetic regions whose differences are drawn, to develop adaptation on and to test it.

Launch: `rs-adapt train --bench shifts-da --direction dev2`; without `--direction`, dev1 (no download, no GPU).
Source and target of a pair are one random region with three to seven factors drawn again: season (colours of soil and
plants), pixel size (1.25 to 2 times), haze and sun, sensor (gain, blur, noise), buildings, class shares, roads
(rs_adapt/datasets/synthetic/shifts.py). Settings are chosen on dev1 to dev6 alone; test1 to test6 are other draws of
the same distribution and are scored once, at the end. 8 training, 3 validation and 4 test scenes of 512 x 512 px a
region, cut into tiles of 128 px, as in `synthetic`. Scores here say nothing about real regions.

Pair   GSD, m       Factors that differ
dev1   0.34 > 0.58  season, pixel size, buildings
dev2   0.30 > 0.52  season, pixel size, sensor, buildings, class shares
dev3   0.49 > 0.49  season, haze and sun, sensor, buildings, class shares
dev4   0.41 > 0.26  pixel size, buildings, class shares, roads
dev5   0.35 > 0.60  season, pixel size, buildings, roads
dev6   0.39 > 0.71  season, pixel size, haze and sun, buildings, class shares
test1  0.57 > 0.35  season, pixel size, haze and sun, sensor, buildings
test2  0.39 > 0.30  pixel size, haze and sun, sensor, buildings, class shares, roads
test3  0.51 > 0.51  season, sensor, buildings, class shares
test4  0.69 > 0.69  season, haze and sun, class shares, roads
test5  0.60 > 0.38  season, pixel size, haze and sun, sensor, buildings
test6  0.39 > 0.39  season, haze and sun, buildings, class shares, roads
"""

_base_ = "_synthetic.py"

bench = dict(
    family="shifts",
    data="shifts",
    # Of each region, see below.
    gsd_m=None,
    regions=dict(
        dev1_source=dict(
            gsd_m=0.34,
            train=dict(img_dir="dev1_source/train/img_dir", ann_dir="dev1_source/train/ann_dir"),
            val=dict(img_dir="dev1_source/val/img_dir", ann_dir="dev1_source/val/ann_dir"),
            test=dict(img_dir="dev1_source/test/img_dir", ann_dir="dev1_source/test/ann_dir"),
        ),
        dev1_target=dict(
            gsd_m=0.58,
            train=dict(img_dir="dev1_target/train/img_dir", ann_dir="dev1_target/train/ann_dir"),
            val=dict(img_dir="dev1_target/val/img_dir", ann_dir="dev1_target/val/ann_dir"),
            test=dict(img_dir="dev1_target/test/img_dir", ann_dir="dev1_target/test/ann_dir"),
        ),
        dev2_source=dict(
            gsd_m=0.3,
            train=dict(img_dir="dev2_source/train/img_dir", ann_dir="dev2_source/train/ann_dir"),
            val=dict(img_dir="dev2_source/val/img_dir", ann_dir="dev2_source/val/ann_dir"),
            test=dict(img_dir="dev2_source/test/img_dir", ann_dir="dev2_source/test/ann_dir"),
        ),
        dev2_target=dict(
            gsd_m=0.52,
            train=dict(img_dir="dev2_target/train/img_dir", ann_dir="dev2_target/train/ann_dir"),
            val=dict(img_dir="dev2_target/val/img_dir", ann_dir="dev2_target/val/ann_dir"),
            test=dict(img_dir="dev2_target/test/img_dir", ann_dir="dev2_target/test/ann_dir"),
        ),
        dev3_source=dict(
            gsd_m=0.49,
            train=dict(img_dir="dev3_source/train/img_dir", ann_dir="dev3_source/train/ann_dir"),
            val=dict(img_dir="dev3_source/val/img_dir", ann_dir="dev3_source/val/ann_dir"),
            test=dict(img_dir="dev3_source/test/img_dir", ann_dir="dev3_source/test/ann_dir"),
        ),
        dev3_target=dict(
            gsd_m=0.49,
            train=dict(img_dir="dev3_target/train/img_dir", ann_dir="dev3_target/train/ann_dir"),
            val=dict(img_dir="dev3_target/val/img_dir", ann_dir="dev3_target/val/ann_dir"),
            test=dict(img_dir="dev3_target/test/img_dir", ann_dir="dev3_target/test/ann_dir"),
        ),
        dev4_source=dict(
            gsd_m=0.41,
            train=dict(img_dir="dev4_source/train/img_dir", ann_dir="dev4_source/train/ann_dir"),
            val=dict(img_dir="dev4_source/val/img_dir", ann_dir="dev4_source/val/ann_dir"),
            test=dict(img_dir="dev4_source/test/img_dir", ann_dir="dev4_source/test/ann_dir"),
        ),
        dev4_target=dict(
            gsd_m=0.26,
            train=dict(img_dir="dev4_target/train/img_dir", ann_dir="dev4_target/train/ann_dir"),
            val=dict(img_dir="dev4_target/val/img_dir", ann_dir="dev4_target/val/ann_dir"),
            test=dict(img_dir="dev4_target/test/img_dir", ann_dir="dev4_target/test/ann_dir"),
        ),
        dev5_source=dict(
            gsd_m=0.35,
            train=dict(img_dir="dev5_source/train/img_dir", ann_dir="dev5_source/train/ann_dir"),
            val=dict(img_dir="dev5_source/val/img_dir", ann_dir="dev5_source/val/ann_dir"),
            test=dict(img_dir="dev5_source/test/img_dir", ann_dir="dev5_source/test/ann_dir"),
        ),
        dev5_target=dict(
            gsd_m=0.6,
            train=dict(img_dir="dev5_target/train/img_dir", ann_dir="dev5_target/train/ann_dir"),
            val=dict(img_dir="dev5_target/val/img_dir", ann_dir="dev5_target/val/ann_dir"),
            test=dict(img_dir="dev5_target/test/img_dir", ann_dir="dev5_target/test/ann_dir"),
        ),
        dev6_source=dict(
            gsd_m=0.39,
            train=dict(img_dir="dev6_source/train/img_dir", ann_dir="dev6_source/train/ann_dir"),
            val=dict(img_dir="dev6_source/val/img_dir", ann_dir="dev6_source/val/ann_dir"),
            test=dict(img_dir="dev6_source/test/img_dir", ann_dir="dev6_source/test/ann_dir"),
        ),
        dev6_target=dict(
            gsd_m=0.71,
            train=dict(img_dir="dev6_target/train/img_dir", ann_dir="dev6_target/train/ann_dir"),
            val=dict(img_dir="dev6_target/val/img_dir", ann_dir="dev6_target/val/ann_dir"),
            test=dict(img_dir="dev6_target/test/img_dir", ann_dir="dev6_target/test/ann_dir"),
        ),
        test1_source=dict(
            gsd_m=0.57,
            train=dict(img_dir="test1_source/train/img_dir", ann_dir="test1_source/train/ann_dir"),
            val=dict(img_dir="test1_source/val/img_dir", ann_dir="test1_source/val/ann_dir"),
            test=dict(img_dir="test1_source/test/img_dir", ann_dir="test1_source/test/ann_dir"),
        ),
        test1_target=dict(
            gsd_m=0.35,
            train=dict(img_dir="test1_target/train/img_dir", ann_dir="test1_target/train/ann_dir"),
            val=dict(img_dir="test1_target/val/img_dir", ann_dir="test1_target/val/ann_dir"),
            test=dict(img_dir="test1_target/test/img_dir", ann_dir="test1_target/test/ann_dir"),
        ),
        test2_source=dict(
            gsd_m=0.39,
            train=dict(img_dir="test2_source/train/img_dir", ann_dir="test2_source/train/ann_dir"),
            val=dict(img_dir="test2_source/val/img_dir", ann_dir="test2_source/val/ann_dir"),
            test=dict(img_dir="test2_source/test/img_dir", ann_dir="test2_source/test/ann_dir"),
        ),
        test2_target=dict(
            gsd_m=0.3,
            train=dict(img_dir="test2_target/train/img_dir", ann_dir="test2_target/train/ann_dir"),
            val=dict(img_dir="test2_target/val/img_dir", ann_dir="test2_target/val/ann_dir"),
            test=dict(img_dir="test2_target/test/img_dir", ann_dir="test2_target/test/ann_dir"),
        ),
        test3_source=dict(
            gsd_m=0.51,
            train=dict(img_dir="test3_source/train/img_dir", ann_dir="test3_source/train/ann_dir"),
            val=dict(img_dir="test3_source/val/img_dir", ann_dir="test3_source/val/ann_dir"),
            test=dict(img_dir="test3_source/test/img_dir", ann_dir="test3_source/test/ann_dir"),
        ),
        test3_target=dict(
            gsd_m=0.51,
            train=dict(img_dir="test3_target/train/img_dir", ann_dir="test3_target/train/ann_dir"),
            val=dict(img_dir="test3_target/val/img_dir", ann_dir="test3_target/val/ann_dir"),
            test=dict(img_dir="test3_target/test/img_dir", ann_dir="test3_target/test/ann_dir"),
        ),
        test4_source=dict(
            gsd_m=0.69,
            train=dict(img_dir="test4_source/train/img_dir", ann_dir="test4_source/train/ann_dir"),
            val=dict(img_dir="test4_source/val/img_dir", ann_dir="test4_source/val/ann_dir"),
            test=dict(img_dir="test4_source/test/img_dir", ann_dir="test4_source/test/ann_dir"),
        ),
        test4_target=dict(
            gsd_m=0.69,
            train=dict(img_dir="test4_target/train/img_dir", ann_dir="test4_target/train/ann_dir"),
            val=dict(img_dir="test4_target/val/img_dir", ann_dir="test4_target/val/ann_dir"),
            test=dict(img_dir="test4_target/test/img_dir", ann_dir="test4_target/test/ann_dir"),
        ),
        test5_source=dict(
            gsd_m=0.6,
            train=dict(img_dir="test5_source/train/img_dir", ann_dir="test5_source/train/ann_dir"),
            val=dict(img_dir="test5_source/val/img_dir", ann_dir="test5_source/val/ann_dir"),
            test=dict(img_dir="test5_source/test/img_dir", ann_dir="test5_source/test/ann_dir"),
        ),
        test5_target=dict(
            gsd_m=0.38,
            train=dict(img_dir="test5_target/train/img_dir", ann_dir="test5_target/train/ann_dir"),
            val=dict(img_dir="test5_target/val/img_dir", ann_dir="test5_target/val/ann_dir"),
            test=dict(img_dir="test5_target/test/img_dir", ann_dir="test5_target/test/ann_dir"),
        ),
        test6_source=dict(
            gsd_m=0.39,
            train=dict(img_dir="test6_source/train/img_dir", ann_dir="test6_source/train/ann_dir"),
            val=dict(img_dir="test6_source/val/img_dir", ann_dir="test6_source/val/ann_dir"),
            test=dict(img_dir="test6_source/test/img_dir", ann_dir="test6_source/test/ann_dir"),
        ),
        test6_target=dict(
            gsd_m=0.39,
            train=dict(img_dir="test6_target/train/img_dir", ann_dir="test6_target/train/ann_dir"),
            val=dict(img_dir="test6_target/val/img_dir", ann_dir="test6_target/val/ann_dir"),
            test=dict(img_dir="test6_target/test/img_dir", ann_dir="test6_target/test/ann_dir"),
        ),
    ),
    directions=dict(
        dev1=dict(
            title="Drawn shift dev1: season, pixel size, buildings",
            source="dev1_source",
            target="dev1_target",
            prepare=dict(regions=["dev1_source", "dev1_target"]),
        ),
        dev2=dict(
            title="Drawn shift dev2: season, pixel size, sensor, buildings, class shares",
            source="dev2_source",
            target="dev2_target",
            prepare=dict(regions=["dev2_source", "dev2_target"]),
        ),
        dev3=dict(
            title="Drawn shift dev3: season, haze and sun, sensor, buildings, class shares",
            source="dev3_source",
            target="dev3_target",
            prepare=dict(regions=["dev3_source", "dev3_target"]),
        ),
        dev4=dict(
            title="Drawn shift dev4: pixel size, buildings, class shares, roads",
            source="dev4_source",
            target="dev4_target",
            prepare=dict(regions=["dev4_source", "dev4_target"]),
        ),
        dev5=dict(
            title="Drawn shift dev5: season, pixel size, buildings, roads",
            source="dev5_source",
            target="dev5_target",
            prepare=dict(regions=["dev5_source", "dev5_target"]),
        ),
        dev6=dict(
            title="Drawn shift dev6: season, pixel size, haze and sun, buildings, class shares",
            source="dev6_source",
            target="dev6_target",
            prepare=dict(regions=["dev6_source", "dev6_target"]),
        ),
        test1=dict(
            title="Drawn shift test1: season, pixel size, haze and sun, sensor, buildings",
            source="test1_source",
            target="test1_target",
            prepare=dict(regions=["test1_source", "test1_target"]),
        ),
        test2=dict(
            title="Drawn shift test2: pixel size, haze and sun, sensor, buildings, class shares, roads",
            source="test2_source",
            target="test2_target",
            prepare=dict(regions=["test2_source", "test2_target"]),
        ),
        test3=dict(
            title="Drawn shift test3: season, sensor, buildings, class shares",
            source="test3_source",
            target="test3_target",
            prepare=dict(regions=["test3_source", "test3_target"]),
        ),
        test4=dict(
            title="Drawn shift test4: season, haze and sun, class shares, roads",
            source="test4_source",
            target="test4_target",
            prepare=dict(regions=["test4_source", "test4_target"]),
        ),
        test5=dict(
            title="Drawn shift test5: season, pixel size, haze and sun, sensor, buildings",
            source="test5_source",
            target="test5_target",
            prepare=dict(regions=["test5_source", "test5_target"]),
        ),
        test6=dict(
            title="Drawn shift test6: season, haze and sun, buildings, class shares, roads",
            source="test6_source",
            target="test6_target",
            prepare=dict(regions=["test6_source", "test6_target"]),
        ),
    ),
)
