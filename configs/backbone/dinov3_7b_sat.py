"""DINOv3 ViT-7B, patch 16, pre-trained on 493 million satellite images (SAT-493M), with their own mean and deviation.

Weights: DINOv3 License, gated. Ask Meta for access and supply the file with `--weights`. The licence is no open-source
one: redistribution only under the same licence with a copy of it, acknowledgement in publications, no military use.
27 GB in fp32: for large GPUs only.
"""

backbone = dict(
    name="dinov3_7b_sat",
    title="DINOv3 ViT-7B, satellite images (gated)",
    embed_dim=4096,
    depth=40,
    patch_px=16,
    # Of SAT-493M: 255 times (0.430, 0.411, 0.296) and (0.213, 0.156, 0.143).
    mean=[109.65, 104.805, 75.48],
    std=[54.315, 39.78, 36.465],
    weights=dict(
        file="dinov3_vit7b16_pretrain_sat493m-a6675841.pth",
        url="https://dl.fbaipublicfiles.com/dinov3/dinov3_vit7b16/dinov3_vit7b16_pretrain_sat493m-a6675841.pth",
        bytes=None,
        # Its first 8 digits are the end of the file's name.
        sha256=None,
        licence="DINOv3 License",
        gated="https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/",
        alternative="dinov2_g_reg",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov3",
        embed_dim=4096,
        depth=40,
        num_heads=32,
        patch_px=16,
        out_layers=[9, 19, 29, 39],
        level_scales=[4.0, 2.0, 1.0, 0.5],
        mlp_dim=8192,
        gated_mlp=True,
        num_registers=4,
    ),
)
