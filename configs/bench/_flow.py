"""What benches of velocity images share: super-resolution by four, scored by means over snapshots.

Components u, v and w are the three channels; see docs/guides/flow-super-resolution.md.
"""

bench = dict(
    family="flow",
    data="flow",
    task="super-resolution",
    classes=["u", "v", "w"],
    palette=[[220, 40, 40], [50, 160, 70], [40, 90, 220]],
    reduce_zero_label=False,
    ignore_index=255,
    gsd_m=None,
    img_suffix=".npy",
    ann_suffix="",
    # Side of a fine image.
    tile_px=48,
    crop_px=48,
    # Factor between the sides, 2, 4 or 8, and the operator: box or spectral.
    scale=4,
    degradation="box",
    # Snapshots to learn from, the first ones; None for all.
    train_snapshots=None,
    pipeline=dict(resize_ratio=[1.0, 1.0]),
    # 16 images x 300 iterations = 4 800 images.
    schedule=dict(iters=300, eval_every=100, batch_size=dict(sr=16)),
    inference=dict(mode="whole", crop_px=48, stride_px=48),
    defaults=dict(method="fisr", backbone="swin_flow", head="subpixel"),
)
optim = dict(lr=2e-3, weight_decay=1e-4, poly_power=0.9, warmup_iters=50)
