"""H-CLIP whole (CVPR 2025, arXiv 2405.18840): one tensor transforms the attention of both towers of CLIP.

    rs-adapt train --bench loveda-ov --backbone clip-b-16 --head cost --method hclip-both

7 867 824 parameters on CLIP ViT-B/16. `model.backbone.adapter.relations` is `released`, as in the released code,
`paper`, as in equation 17, or `none`.
"""

_base_ = "_recipe.py"

method = dict(
    name="hclip_both",
    title="H-CLIP (both towers)",
    paper="https://arxiv.org/abs/2405.18840",
    # As in the released code (2e-6 beside 2e-4): the blocks multiply whole weights.
    paramwise=dict(adapter_lr_mult=0.01),
    requires=dict(
        strategy=["source_only", "source_styled"],
        reason="the vectors of the class names move with the text tower, and a teacher would need vectors of its own",
    ),
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.HClipBoth",
            embed_dim=None,
            depth=None,
            # Of the text tower of the backbone's model.
            text_embed_dim=None,
            text_depth=None,
            # The paper's 128, or the largest common divisor of both widths below it.
            block_dim=None,
            relations="released",
        ),
        frozen=True,
    ),
)
