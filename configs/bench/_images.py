"""What benches of colour images share: super-resolution by two of crops, scored by means over images.

See docs/guides/flow-super-resolution.md.
"""

_base_ = "_flow.py"

bench = dict(
    family="images",
    data="images",
    classes=["red", "green", "blue"],
    palette=[[220, 40, 40], [50, 160, 70], [40, 90, 220]],
    img_suffix=".png",
    # Side of an image, which may be any, and of the crops that are learnt.
    tile_px=128,
    crop_px=48,
    scale=2,
    # 8 crops x 300 iterations = 2 400 crops.
    schedule=dict(iters=300, eval_every=300, batch_size=dict(sr=8)),
    defaults=dict(method="swin", backbone="swin_flow", head="subpixel"),
)
