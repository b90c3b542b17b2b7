"""DINOv3 ViT-S, patch 16, pre-trained on 1 689 million web images (LVD-1689M).

Weights: DINOv3 License, gated. Ask Meta for access and supply the file with `--weights`. The licence is no open-source
one: redistribution only under the same licence with a copy of it, acknowledgement in publications, no military use.
"""

backbone = dict(
    name="dinov3_s",
    title="DINOv3 ViT-S (gated)",
    embed_dim=384,
    depth=12,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="dinov3_vits16_pretrain_lvd1689m-08c60483.pth",
        url="https://dl.fbaipublicfiles.com/dinov3/dinov3_vits16/dinov3_vits16_pretrain_lvd1689m-08c60483.pth",
        bytes=None,
        # Its first 8 digits are the end of the file's name.
        sha256=None,
        licence="DINOv3 License",
        gated="https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/",
        alternative="dinov2_s_reg",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov3",
        embed_dim=384,
        depth=12,
        num_heads=6,
        patch_px=16,
        out_layers=[2, 5, 8, 11],
        level_scales=[4.0, 2.0, 1.0, 0.5],
        mlp_dim=1536,
        gated_mlp=False,
        num_registers=4,
    ),
)
