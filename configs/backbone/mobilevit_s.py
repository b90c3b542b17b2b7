"""MobileViT-S: convolutions with a few transformer blocks between them, 4.8 M parameters.

    rs-adapt train --bench loveda-da --backbone mobilevit-s --strategy distill --teacher RUN

It takes no adapter: --method full (the default here) or frozen. Its batch norms want more than a few images in a batch,
and one process. Pixels are only divided by 255, as for the published weights (ImageNet-1k).
"""

backbone = dict(
    name="mobilevit_s",
    title="MobileViT-S",
    embed_dim=160,
    depth=9,
    patch_px=32,
    takes_adapters=False,
    mean=[0.0, 0.0, 0.0],
    std=[255.0, 255.0, 255.0],
    weights=dict(
        file="mobilevit_s.bin",
        url="https://huggingface.co/apple/mobilevit-small/resolve/main/pytorch_model.bin",
        bytes=None,
        sha256=None,
        licence="Apple Sample Code License",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.MobileVit",
        widths=[64, 96, 128, 160],
        stem_widths=[16, 32],
        block_widths=[144, 192, 240],
        expand_ratio=4.0,
    ),
)
