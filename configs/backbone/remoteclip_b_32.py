"""RemoteCLIP ViT-B/32: CLIP, trained further on remote-sensing images with captions (arXiv 2306.11029).

Exact GELU: the authors' example loads the file into open_clip's `ViT-B-32`, which has it; whether it was also trained
so was not checked. `--set model.backbone.activation=quick_gelu` is OpenAI's. The address is in public code that uses
the file, and was not tried here; the licence was not checked. Size and checksum are not known.
"""

backbone = dict(
    name="remoteclip_b_32",
    title="RemoteCLIP ViT-B/32, visual tower",
    embed_dim=768,
    depth=12,
    patch_px=32,
    # CLIP's own: 255 times (0.48145466, 0.4578275, 0.40821073) and (0.26862954, 0.26130258, 0.27577711).
    mean=[122.7709383, 116.7460125, 104.09373615],
    std=[68.5005327, 66.6321579, 70.32316305],
    weights=dict(
        file="RemoteCLIP-ViT-B-32.pt",
        url="https://huggingface.co/chendelong/RemoteCLIP/resolve/main/RemoteCLIP-ViT-B-32.pt",
        bytes=None,
        sha256=None,
        licence="Apache-2.0, unverified",
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
        activation="gelu",
    ),
)
