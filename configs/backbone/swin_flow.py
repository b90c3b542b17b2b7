"""Residual Swin layers of Swin2SR (arXiv 2209.11345), small, with random weights: features of velocity images.

rs-adapt train --bench flow-sr
"""

backbone = dict(
    name="swin_flow",
    title="Swin layers for velocity images, small",
    task="super-resolution",
    embed_dim=36,
    depth=4,
    patch_px=1,
    takes_adapters=True,
    mean=[0.0, 0.0, 0.0],
    std=[1.0, 1.0, 1.0],
    weights=None,
)

model = dict(backbone=dict(embed_dim=36, depths=[2, 2], num_heads=4, window_px=4, mlp_ratio=2.0))
