"""DINOv2 ViT-S, published for 14 px patches, run at 16 px on 512 px images (token grid 32 x 32)."""

backbone = dict(
    name="dinov2_s",
    title="DINOv2 ViT-S",
    embed_dim=384,
    depth=12,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="dinov2_vits14_pretrain.pth",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        bytes=88_283_115,
        sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        licence="Apache-2.0",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov2",
        embed_dim=384,
        depth=12,
        num_heads=6,
        patch_px=16,
        image_px=512,
        out_layers=[2, 5, 8, 11],
        level_scales=[4.0, 2.0, 1.0, 0.5],
    ),
)
