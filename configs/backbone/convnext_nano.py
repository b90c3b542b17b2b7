"""A ConvNeXt of 0.8 M parameters for small machines and for students of `dinov2-nano`; random weights.

    rs-adapt train --bench synthetic-da --backbone convnext-nano --strategy distill --teacher RUN

Of the nano ViT's operations it does a tenth (docs/guides/students.md). It takes no adapter: --method full (the default
here) or frozen.
"""

backbone = dict(
    name="convnext_nano",
    title="ConvNeXt-shaped nano, random weights",
    embed_dim=192,
    depth=7,
    patch_px=32,
    takes_adapters=False,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=None,
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.ConvNext",
        widths=[32, 64, 128, 192],
        depths=[2, 2, 2, 1],
    ),
)
