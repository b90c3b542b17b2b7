"""The image encoder of SAM, ViT-H: patch 16, attention in windows of 14 x 14 tokens but in four blocks.

Made for 1024 px images; for others, positions are interpolated in each forward. Prompt methods (vpt, dcpl, qnet) do not
work. Weights: Apache-2.0; the checksum of the file is not known.
"""

backbone = dict(
    name="sam_h",
    title="SAM ViT-H, image encoder",
    embed_dim=1280,
    depth=32,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    # Its windows of patches have no place for the tokens of prompt methods.
    takes_tokens=False,
    weights=dict(
        file="sam_vit_h_4b8939.pth",
        url="https://dl.fbaipublicfiles.com/segment_anything/sam_vit_h_4b8939.pth",
        bytes=None,
        sha256=None,
        licence="Apache-2.0",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Sam",
        embed_dim=1280,
        depth=32,
        num_heads=16,
        patch_px=16,
        image_px=1024,
        out_layers=[7, 15, 23, 31],
        level_scales=[4.0, 2.0, 1.0, 0.5],
        window=14,
        global_layers=[7, 15, 23, 31],
    ),
)
