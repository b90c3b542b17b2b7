"""DCPL (AAAI 2024, arXiv 2310.07730): prompts of both towers, controlled by a frozen model of the domain.

    rs-adapt train --bench aid-b2n --method dcpl-names

3 621 696 parameters with CLIP ViT-B/16 and a domain feature of 512. `--method dcpl` is its visual side alone, for
segmentation. The model of the domain is a backbone: `--set model.backbone.adapter.domain=mae-b-millionaid`.
"""

_base_ = "_recipe.py"

method = dict(
    name="dcpl_names",
    title="DCPL (both towers)",
    paper="https://arxiv.org/abs/2310.07730",
    task="classification",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.DomainControlled",
            # A backbone; None for that of the bench.
            domain=None,
            embed_dim=None,
            depth=None,
            text_width=None,
            text_depth=None,
            text_dim=None,
            domain_dim=None,
            num_context=2,
            prompt_depth=9,
            hidden=32,
            noise="train",
            start_words="a photo of a",
        ),
        frozen=True,
    ),
)
