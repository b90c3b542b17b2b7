"""A DINOv2-shaped ViT of 2.8 M parameters for small machines: 8 px patches, 128 px images, weights in the package.

Pre-trained on synthetic scenes of 600 random styles, none of them near the bench's two regions, to name the material of
every pixel; the head was then discarded. `rs-adapt weights build nano` rebuilds the file; docs/project/nano-weights.md
has the recipe and the measurement that chose it. `--weights random` takes the same ViT without training.
"""

backbone = dict(
    name="dinov2_nano",
    title="DINOv2-shaped nano, pre-trained on synthetic scenes",
    embed_dim=192,
    depth=6,
    patch_px=8,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="dinov2_nano.safetensors",
        # In the package: nothing has to be fetched.
        shipped=True,
        bytes=5526968,
        # Of the file.
        sha256="e66b96845319aec852fa903d27b3570153e5e2528dddc4debce720527a0899c4",
        # Over its tensors, as adapter packs name their base.
        base_sha256="ceb5f48cc7745b70e33ff73b8997e3b4661b55b09fd6ee3124aa99b350ad6667",
        licence="Apache-2.0",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Dinov2",
        embed_dim=192,
        depth=6,
        num_heads=3,
        patch_px=8,
        image_px=128,
        out_layers=[1, 2, 4, 5],
        level_scales=[2.0, 1.0, 0.5, 0.25],
    ),
)
