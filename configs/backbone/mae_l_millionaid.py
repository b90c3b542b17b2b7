"""MAE ViT-L, pre-trained on the aerial images of MillionAID by the authors of RVSA and MTP (arXiv 2403.13430).

The plain ViT, after 1600 epochs; rotated windows (RVSA) are put in for fine-tuning and are not part of the file. No
stable address of it is known, so none is here: `rs-adapt weights fetch mae-l-millionaid --from FILE`. The
licence is not known here. The file's name is in public code that uses it; size and checksum are not known, and the mean
and deviation are those of MAE's code.
"""

backbone = dict(
    name="mae_l_millionaid",
    title="MAE ViT-L, MillionAID",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="vit-l-mae-checkpoint-1599.pth",
        bytes=None,
        sha256=None,
        licence="not known: see the authors' repository",
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
