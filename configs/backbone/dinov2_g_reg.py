"""DINOv2 ViT-g with 4 registers, published for 14 px patches, run at 16 px on 512 px images (token grid 32 x 32).

Weights: Apache-2.0; size and checksum of the file are not known. SwiGLU blocks.
"""

backbone = dict(
    name="dinov2_g_reg",
    title="DINOv2 ViT-g with registers",
    embed_dim=1536,
    depth=40,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="dinov2_vitg14_reg4_pretrain.pth",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/dinov2_vitg14_reg4_pretrain.pth",
        bytes=None,
        sha256=None,
        licence="Apache-2.0",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov2",
        embed_dim=1536,
        depth=40,
        num_heads=24,
        patch_px=16,
        image_px=512,
        out_layers=[9, 19, 29, 39],
        level_scales=[4.0, 2.0, 1.0, 0.5],
        swiglu=True,
        num_registers=4,
    ),
)
