"""Scale-MAE ViT-L, pre-trained on the satellite images of fMoW-RGB (arXiv 2212.14532): positions in ground distance.

The size of a pixel is the bench's (`bench.gsd_m`, or the finer one where regions are matched). A bench that states none
gets 1 m, the reference at which positions are those of MAE, and training says so. `--set model.backbone.gsd_m=0.3` sets
it. Tensors have the names of MAE's: only the file's name tells them apart.

The address is that of torchgeo's copy, in its code; it was not tried here. The licence was not checked; size and
checksum are not known (the name ends with the first 8 digits). The authors' own file, scalemae-vitlarge-800.pth, has a
decoder beside it, whose names are not checked here.
"""

backbone = dict(
    name="scale_mae_l",
    title="Scale-MAE ViT-L, fMoW-RGB",
    embed_dim=1024,
    depth=24,
    patch_px=16,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file="vit_large_patch16_224_fmow_rgb_scalemae-98ed9821.pth",
        url="https://hf.co/torchgeo/vit_large_patch16_224_fmow_rgb_scalemae/resolve/9dc7f569424baeb780698352cf6e87638c882123/vit_large_patch16_224_fmow_rgb_scalemae-98ed9821.pth",
        bytes=None,
        sha256=None,
        licence="CC-BY-NC-4.0, unverified",
    ),
    level_strides=[4, 8, 16, 32],
)

model = dict(
    backbone=dict(
        type="rs_adapt.ScaleMae",
        embed_dim=1024,
        depth=24,
        num_heads=16,
        patch_px=16,
        out_layers=[7, 11, 15, 23],
        level_scales=[4.0, 2.0, 1.0, 0.5],
        # Filled in from the bench.
        gsd_m=None,
    ),
)
