"""LoveDA's images of 1024 px as they come, as CrossEarth uses them.

Files: `loveda_1024/{rural,urban}/{train,val}/{img_dir,ann_dir}`, which `rs-adapt data prepare loveda-1024` writes.
CrossEarth trains on crops of 1024 px (`--set bench.crop_px=1024 --set bench.inference.crop_px=1024`); here they are
512 px, as in the other benches.
"""

_base_ = "_crossearth.py"

bench = dict(
    family="loveda_1024",
    data="loveda",
    classes=["background", "building", "road", "water", "barren", "forest", "agricultural"],
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
    tile_px=1024,
)
