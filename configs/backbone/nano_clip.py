"""A CLIP of 3.6 M parameters for small machines: 8 px patches, 64 px images, both towers in the package.

Trained on drawn tiles of many styles with captions by a grammar; no style is near the regions of the synthetic benches.
`rs-adapt weights build nano-clip` rebuilds the file; docs/project/nano-clip.md has the recipe, the words that it knows,
and what it measures. `--head text` takes the text tower of the same file.
"""

backbone = dict(
    name="nano_clip",
    title="CLIP-shaped nano, pre-trained on drawn tiles with captions",
    embed_dim=192,
    depth=6,
    patch_px=8,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="nano_clip.safetensors",
        # In the package: nothing has to be fetched.
        shipped=True,
        bytes=7187882,
        # Of the file.
        sha256="0b2cf6b85de82f792246351c0e6d32986cf88131bad316769c66d324dfb438d2",
        # Over the tensors of the visual tower, as adapter packs name their base.
        base_sha256="e10759ab7e2c476678370a8a36d33f0ee8ded97a60b325599e94777828fb8141",
        licence="Apache-2.0",
    ),
    level_strides=[4, 8, 16, 32],
    # Of the text tower, for scene classification by class names.
    text=dict(width=128, depth=4),
)

model = dict(
    backbone=dict(
        type="rs_adapt.Clip",
        embed_dim=192,
        depth=6,
        num_heads=3,
        patch_px=8,
        image_px=64,
        out_layers=[1, 2, 4, 5],
        level_scales=[2.0, 1.0, 0.5, 0.25],
        # As the blocks of dinov2_nano, from which the visual tower starts.
        activation="gelu",
    ),
)
