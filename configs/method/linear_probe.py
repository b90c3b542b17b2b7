"""A linear classifier on CLIP's frozen image vectors, started at the class names (arXiv 2103.00020, section 3.2).

    rs-adapt train --bench synthetic-b2n --method linear-probe

7 680 parameters with CLIP ViT-B/16 and 15 base classes. Novel classes keep their text vectors, so that their
accuracy is that of zero-shot.
"""

_base_ = "_recipe.py"

method = dict(
    name="linear_probe",
    title="linear probe",
    paper="https://arxiv.org/abs/2103.00020",
    task="classification",
    refused_settings=dict(xd="it has a weight for each trained class, and the scored classes are others"),
)

model = dict(backbone=dict(adapter=dict(type="rs_adapt.LinearProbe", text_dim=None, num_trained=None), frozen=True))
