"""CLIP's visual ViT-B/32, 32 px patches, on 512 px images (token grid 16 x 16).

Weights: MIT. The file is a TorchScript archive, of which only tensors are read; nothing in it is run. transformers'
files work too (`--weights FOLDER`).
"""

backbone = dict(
    name="clip_b_32",
    title="CLIP ViT-B/32, visual tower",
    embed_dim=768,
    depth=12,
    patch_px=32,
    # CLIP's own: 255 times (0.48145466, 0.4578275, 0.40821073) and (0.26862954, 0.26130258, 0.27577711).
    mean=[122.7709383, 116.7460125, 104.09373615],
    std=[68.5005327, 66.6321579, 70.32316305],
    weights=dict(
        file="ViT-B-32.pt",
        url="https://openaipublic.azureedge.net/clip/models/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        bytes=None,
        sha256="40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
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
        patch_px=32,
        image_px=512,
        out_layers=[2, 5, 8, 11],
        level_scales=[8.0, 4.0, 2.0, 1.0],
    ),
)
