"""SatMAE ViT-L on RGB, pre-trained on the satellite images of fMoW-RGB (arXiv 2207.08051).

A plain MAE: the model of several dates and those of Sentinel-2's ten bands are others and do not fit. Address, mean and
deviation are in public code that uses the file, and the address was not tried here; the licence was not checked. Size
and checksum are not known.
"""

backbone = dict(
    name="satmae_l",
    title="SatMAE ViT-L, fMoW-RGB",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    # Of fMoW-RGB: 255 times (0.4182007, 0.4214799, 0.3991276) and (0.2877428, 0.2754177, 0.2764018).
    mean=[106.641, 107.477, 101.778],
    std=[73.374, 70.232, 70.482],
    weights=dict(
        file="fmow_pretrain.pth",
        url="https://zenodo.org/record/7369797/files/fmow_pretrain.pth",
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
