"""Prithvi-EO-2.0 300M (ViT-L), pre-trained on Landsat and Sentinel-2 scenes of six bands (arXiv 2412.02732), on RGB.

Of its bands (blue, green, red, NIR narrow, SWIR 1, SWIR 2) the first three are used, on one date; the others count as
their mean. Mean and deviation are those of its config, reflectance times 10 000, for images whose value 255 is a
reflectance of 1: an image that was stretched for the eye is brighter than what the model knows.

Size and checksum are in public code that pins the file; the address was not tried here.
"""

backbone = dict(
    name="prithvi_2_l",
    title="Prithvi-EO-2.0 300M, RGB of six bands",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    # Of red, green and blue: 0.0255 times (1433, 1342, 1087) and (2178, 2179, 2248).
    mean=[36.5415, 34.221, 27.7185],
    std=[55.539, 55.5645, 57.324],
    weights=dict(
        file="Prithvi_EO_V2_300M.pt",
        url="https://huggingface.co/ibm-nasa-geospatial/Prithvi-EO-2.0-300M/resolve/9eb1b1102806593963daa333bcc491b1c6f8562f/Prithvi_EO_V2_300M.pt",
        bytes=1_326_658_396,
        sha256="faab2c8b776f0723f93431747603a7ec586a54fc45473613b4322c29752486e7",
        licence="Apache-2.0",
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
        origin="prithvi",
    ),
)
