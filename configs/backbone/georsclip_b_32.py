"""GeoRSCLIP ViT-B/32: CLIP, trained further on RS5M, remote-sensing images with captions (arXiv 2306.11300).

Quick GELU: code that uses the file loads it into open_clip's `ViT-B-32` with `pretrained="openai"`, which has it; that
was not checked against the authors' training. `--set model.backbone.activation=gelu` is the other. The address is in
public code that uses the file, and was not tried here. Licence, size and checksum are not known.
"""

backbone = dict(
    name="georsclip_b_32",
    title="GeoRSCLIP ViT-B/32, visual tower",
    embed_dim=768,
    depth=12,
    patch_px=32,
    # CLIP's own: 255 times (0.48145466, 0.4578275, 0.40821073) and (0.26862954, 0.26130258, 0.27577711).
    mean=[122.7709383, 116.7460125, 104.09373615],
    std=[68.5005327, 66.6321579, 70.32316305],
    weights=dict(
        file="RS5M_ViT-B-32.pt",
        url="https://huggingface.co/Zilun/GeoRSCLIP/resolve/main/ckpt/RS5M_ViT-B-32.pt",
        bytes=None,
        sha256=None,
        licence="not known: see the repository",
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
        activation="quick_gelu",
    ),
)
