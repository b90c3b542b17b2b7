"""A DINOv2-shaped ViT of 2.7 M random parameters for trials without a download: 8 px patches, 128 px images."""

backbone = dict(
    name="dinov2_nano",
    title="DINOv2-shaped nano (random weights)",
    embed_dim=192,
    depth=6,
    patch_px=8,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=None,
    default_weights="random",
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov2",
        embed_dim=192,
        depth=6,
        num_heads=3,
        patch_px=8,
        image_px=128,
        out_layers=[1, 2, 4, 5],
        level_scales=[2.0, 1.0, 0.5, 0.25],
    ),
)
