"""Class names for scene classification (arXiv 2103.00020): CLIP's text tower and image projection, frozen.

    rs-adapt train --bench synthetic-b2n --method coop

The method trains the words before a name; the sentences below are those of zero-shot and of methods that train none.
"""

head = dict(task="classification")

model = dict(
    decode_head=dict(
        type="rs_adapt.ClassNames",
        # Ours, for images from above.
        templates=[
            "an aerial image of {}.",
            "a satellite image of {}.",
            "an aerial photograph of {}.",
            "a remote sensing image of {}.",
            "a top-down view of {}.",
            "{} seen from above.",
        ],
        # Sizes of the text tower; None for those of the published CLIP with this backbone's width.
        text_width=None,
        text_dim=None,
        text_depth=None,
        text_heads=None,
        # quick_gelu or gelu; None for that of the backbone.
        activation=None,
    )
)
