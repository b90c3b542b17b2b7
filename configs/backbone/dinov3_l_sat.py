"""DINOv3 ViT-L, patch 16, pre-trained on 493 million satellite images (SAT-493M), with their own mean and deviation.

Weights: DINOv3 License, gated. Ask Meta for access and supply the file with `--weights`. The licence is no open-source
one: redistribution only under the same licence with a copy of it, acknowledgement in publications, no military use.
"""

backbone = dict(
    name="dinov3_l_sat",
    title="DINOv3 ViT-L, satellite images (gated)",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    # Of SAT-493M: 255 times (0.430, 0.411, 0.296) and (0.213, 0.156, 0.143).
    mean=[109.65, 104.805, 75.48],
    std=[54.315, 39.78, 36.465],
    weights=dict(
        file="dinov3_vitl16_pretrain_sat493m-eadcf0ff.pth",
        url="https://dl.fbaipublicfiles.com/dinov3/dinov3_vitl16/dinov3_vitl16_pretrain_sat493m-eadcf0ff.pth",
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
