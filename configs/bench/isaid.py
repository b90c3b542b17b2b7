"""iSAID, sixteen classes of objects in aerial images, supervised only: there is no second region.

Launch: `rs-adapt train --bench isaid-ss`.
Images of DOTA v1.0 with the semantic masks of iSAID, in mmsegmentation's tiles of 896 px: 33 978 for training, 11 644
for validation, which are scored, background among the classes (papers often leave it out of the mean: look before
comparing). Earth-Adapter's configuration (VisionXLab/Earth-Adapter @49a8ff8) shrinks tiles to 512 px where it scores
them; here they are predicted at their own size.
"""

_base_ = "_paper.py"

bench = dict(
    name="isaid",
    family="isaid",
    direction="",
    default=True,
    settings=["ss"],
    title="iSAID, objects in aerial images",
    data="isaid",
    # An image is a scene; its number is the first in the names of its tiles.
    scene_pattern=r"(?P<scene>P\d+)_.*",
    classes=[
        "background",
        "ship",
        "store_tank",
        "baseball_diamond",
        "tennis_court",
        "basketball_court",
        "Ground_Track_Field",
        "Bridge",
        "Large_Vehicle",
        "Small_Vehicle",
        "Helicopter",
        "Swimming_pool",
        "Roundabout",
        "Soccer_ball_field",
        "plane",
        "Harbor",
    ],
    palette=[
        [0, 0, 0],
        [0, 0, 63],
        [0, 63, 63],
        [0, 63, 0],
        [0, 63, 127],
        [0, 63, 191],
        [0, 63, 255],
        [0, 127, 63],
        [0, 127, 127],
        [0, 0, 127],
        [0, 0, 191],
        [0, 0, 255],
        [0, 191, 127],
        [0, 127, 191],
        [0, 127, 255],
        [0, 100, 155],
    ],
    reduce_zero_label=False,
    gsd_m=None,
    ann_suffix="_instance_color_RGB.png",
    source=dict(
        region="isaid",
        train=dict(img_dir="isaid/img_dir/train", ann_dir="isaid/ann_dir/train"),
        val=dict(img_dir="isaid/img_dir/val", ann_dir="isaid/ann_dir/val"),
    ),
    target=dict(
        region="isaid",
        train=dict(img_dir="isaid/img_dir/train", ann_dir="isaid/ann_dir/train"),
        val=dict(img_dir="isaid/img_dir/val", ann_dir="isaid/ann_dir/val"),
    ),
    # Eight crops an iteration for 80 000 iterations, as in Earth-Adapter's configuration.
    schedule=dict(iters=80000, eval_every=8000, batch_size=dict(da=8, dg=8, ss=8)),
    inference=dict(resize_px=896),
)
