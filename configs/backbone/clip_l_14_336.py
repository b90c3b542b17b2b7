"""CLIP's visual ViT-L/14 at 336 px, published for 14 px patches, run at 16 px on 512 px images (token grid 32 x 32).

Weights: MIT. The file is a TorchScript archive, of which only tensors are read; nothing in it is run. transformers'
files work too (`--weights FOLDER`).
"""

backbone = dict(
    name="clip_l_14_336",
    title="CLIP ViT-L/14 at 336 px, visual tower",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    # CLIP's own: 255 times (0.48145466, 0.4578275, 0.40821073) and (0.26862954, 0.26130258, 0.27577711).
    mean=[122.7709383, 116.7460125, 104.09373615],
    std=[68.5005327, 66.6321579, 70.32316305],
    weights=dict(
        file="ViT-L-14-336px.pt",
        url="https://openaipublic.azureedge.net/clip/models/3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt",
        bytes=None,
        sha256="3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        licence="MIT",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.Clip",
        embed_dim=1024,
        depth=24,
        num_heads=16,
        patch_px=16,
        image_px=512,
        out_layers=[7, 11, 15, 23],
        level_scales=[4.0, 2.0, 1.0, 0.5],
    ),
)
