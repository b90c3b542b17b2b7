"""CLIP's visual ViT-B/16, 16 px patches, on 512 px images (token grid 32 x 32).

Weights: MIT. The file is a TorchScript archive, of which only tensors are read; nothing in it is run. transformers'
files work too (`--weights FOLDER`).
"""

backbone = dict(
    name="clip_b_16",
    title="CLIP ViT-B/16, visual tower",
    embed_dim=768,
    depth=12,
    patch_px=16,
    # CLIP's own: 255 times (0.48145466, 0.4578275, 0.40821073) and (0.26862954, 0.26130258, 0.27577711).
    mean=[122.7709383, 116.7460125, 104.09373615],
    std=[68.5005327, 66.6321579, 70.32316305],
    weights=dict(
        file="ViT-B-16.pt",
        url="https://openaipublic.azureedge.net/clip/models/5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt",
        bytes=None,
        sha256="5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        licence="MIT",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Clip",
        embed_dim=768,
        depth=12,
        num_heads=12,
        patch_px=16,
        image_px=512,
        out_layers=[2, 5, 8, 11],
        level_scales=[4.0, 2.0, 1.0, 0.5],
    ),
)
