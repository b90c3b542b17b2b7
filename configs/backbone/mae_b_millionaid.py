"""MAE ViT-B, pre-trained on the aerial images of MillionAID by the authors of RVSA (arXiv 2208.03987), 1600 epochs.

The plain ViT; rotated windows (RVSA) are put in for fine-tuning and are not part of the file. The authors give it out
on drives whose addresses are not stable, so none is here: `rs-adapt weights fetch mae-b-millionaid --from FILE`. The
licence is not known here. The file's name is in public code that uses it; size and checksum are not known, and the mean
and deviation are those of MAE's code.
"""

backbone = dict(
    name="mae_b_millionaid",
    title="MAE ViT-B, MillionAID",
    embed_dim=768,
    depth=12,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="vit-b-checkpoint-1599.pth",
        bytes=None,
        sha256=None,
        licence="not known: see the authors' repository",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.PlainVit",
        embed_dim=768,
        depth=12,
        num_heads=12,
        patch_px=16,
        image_px=512,
        out_layers=[2, 5, 8, 11],
        level_scales=[4.0, 2.0, 1.0, 0.5],
    ),
)
