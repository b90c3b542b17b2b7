"""CASID's facts, whatever the climates: land cover in four climates, tiles of 1024 px, as CrossEarth cuts them.

Files: `casid/{sub,tem,tms,trf}/{train,test}/{img_dir/X.png,ann_dir/X-label.png}`. Label values are uncertain, see
data/casid.toml: a run checks them before it starts. CrossEarth trains on crops of 1024 px
(`--set bench.crop_px=1024 --set bench.inference.crop_px=1024`); here they are 512 px, as in the other benches.
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
)
