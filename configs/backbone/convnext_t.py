"""ConvNeXt-T, a convolutional network of 28 M parameters.

    rs-adapt train --bench loveda-da --backbone convnext-t --strategy distill --teacher RUN

It takes no adapter: --method full (the default here) or frozen. The published weights are of ImageNet-1k.
"""

backbone = dict(
    name="convnext_t",
    title="ConvNeXt-T",
    embed_dim=768,
    depth=18,
    patch_px=32,
    takes_adapters=False,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="convnext_tiny_1k_224_ema.pth",
        url="https://dl.fbaipublicfiles.com/convnext/convnext_tiny_1k_224_ema.pth",
        bytes=None,
        sha256=None,
        licence="MIT",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.ConvNext",
        widths=[96, 192, 384, 768],
        depths=[3, 3, 9, 3],
    ),
)
