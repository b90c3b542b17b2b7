"""DINOv3 ViT-L, patch 16, pre-trained on 1 689 million web images (LVD-1689M).

Weights: DINOv3 License, gated. Ask Meta for access and supply the file with `--weights`. The licence is no open-source
one: redistribution only under the same licence with a copy of it, acknowledgement in publications, no military use.
"""

backbone = dict(
    name="dinov3_l",
    title="DINOv3 ViT-L (gated)",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth",
        url="https://dl.fbaipublicfiles.com/dinov3/dinov3_vitl16/dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth",
        bytes=None,
        # Its first 8 digits are the end of the file's name.
        sha256=None,
        licence="DINOv3 License",
        gated="https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/",
        alternative="dinov2_l_reg",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov3",
        embed_dim=1024,
        depth=24,
        num_heads=16,
        patch_px=16,
        out_layers=[7, 11, 15, 23],
        level_scales=[4.0, 2.0, 1.0, 0.5],
        mlp_dim=4096,
        gated_mlp=False,
        num_registers=4,
    ),
)
