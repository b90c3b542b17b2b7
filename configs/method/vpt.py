"""Visual prompt tuning, deep form (ECCV 2022, arXiv 2203.12119): learnable tokens before every block.

    rs-adapt train --bench loveda-da --method vpt

2 457 600 parameters on DINOv2-L. Published with DINOv2-L and Mask2Former (mIoU in %, one seed, settings unknown):
adaptation P2V 66.2, V2P 59.3, R2U 55.3, U2R 48.0; generalization P2V 59.2, V2P 52.3, R2U 57.4, U2R 44.9
(Earth-Adapter's main table).
"""

_base_ = "_recipe.py"

method = dict(
    name="vpt",
    title="VPT (deep)",
    paper="https://arxiv.org/abs/2203.12119",
    adds_tokens=True,
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Vpt",
            embed_dim=None,
            depth=None,
            patch_px=None,
            num_tokens=100,
            dropout=0.0,
        ),
        frozen=True,
    ),
)
