"""MiT-B0, the smallest encoder of SegFormer: convolutions and attention in four stages, for small machines.

    rs-adapt train --bench loveda-da --backbone mit-b0 --strategy distill --teacher RUN

It takes no adapter: --method full (the default here) or frozen. The published weights (ImageNet-1k) are for
non-commercial use; --weights random needs none.
"""

backbone = dict(
    name="mit_b0",
    title="MiT-B0 (SegFormer)",
    embed_dim=256,
    depth=8,
    patch_px=32,
    takes_adapters=False,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="mit_b0.bin",
        url="https://huggingface.co/nvidia/mit-b0/resolve/main/pytorch_model.bin",
        bytes=None,
        sha256=None,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Mit",
        widths=[32, 64, 160, 256],
        depths=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
    ),
)
