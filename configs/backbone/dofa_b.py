"""DOFA ViT-B, pre-trained on images of five sensors (arXiv 2403.15356), on RGB of 0.665, 0.56 and 0.49 micrometres.

Its patch embedding is generated from wavelengths; here it is computed once, when the file is read. DOFA normalises each
sensor by its own statistics; those of ImageNet stand here, which was not checked against the authors'.

The address is that of torchgeo's copy, in its code; it was not tried here. The licence was not checked; size and
checksum are not known (the name ends with the first 8 digits).
"""

backbone = dict(
    name="dofa_b",
    title="DOFA ViT-B",
    embed_dim=768,
    depth=12,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="dofa_base_patch16_224-a0275954.pth",
        url="https://hf.co/torchgeo/dofa/resolve/b8db318b64a90b9e085ec04ba8851233c5893666/dofa_base_patch16_224-a0275954.pth",
        bytes=None,
        sha256=None,
        licence="CC-BY-4.0, unverified",
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
        origin="dofa",
    ),
)
