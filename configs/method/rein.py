"""Rein (CVPR 2024, arXiv 2312.04265): 100 tokens a layer of rank 16, linked to the queries of Mask2Former.

    rs-adapt train --bench loveda-dg --method rein

2 990 081 parameters on DINOv2-L with the link, 2 530 817 without. Published with DINOv2-L and Mask2Former in the
Earth-Adapter paper's main table (mIoU in %, best of ten evaluations on labelled target images, one seed):
adaptation P2V 60.2, V2P 60.9, R2U 52.8, U2R 26.0; generalization P2V 60.8, V2P 52.5, R2U 55.8, U2R 43.4.
"""

_base_ = "_recipe.py"

method = dict(
    name="rein",
    title="Rein",
    paper="https://arxiv.org/abs/2312.04265",
    requires=dict(
        head=["mask2former", "mask2former_small"],
        unless={"model.backbone.adapter.query_dim": None},
        reason="its tokens become the queries of the decode head, and this head has none",
    ),
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Rein",
            embed_dim=None,
            depth=None,
            patch_px=None,
            num_tokens=100,
            token_rank=16,
            query_dim=256,
            scale_init=1e-3,
        ),
        frozen=True,
    ),
)
