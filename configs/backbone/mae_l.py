"""MAE ViT-L, pre-trained on ImageNet-1k without labels (arXiv 2111.06377).

The address is in public code that uses the file, and was not tried here; the licence was not checked. Size and checksum
are not known. transformers' folder (facebook/vit-mae-large) works too (`--weights FOLDER`).
"""

backbone = dict(
    name="mae_l",
    title="MAE ViT-L",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="mae_pretrain_vit_large.pth",
        url="https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth",
        bytes=None,
        sha256=None,
        licence="CC-BY-NC-4.0, unverified",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.PlainVit",
        embed_dim=1024,
        depth=24,
        num_heads=16,
        patch_px=16,
        image_px=512,
        out_layers=[7, 11, 15, 23],
        level_scales=[4.0, 2.0, 1.0, 0.5],
    ),
)
