"""Drawn tiles with captions of their objects, and texts that turn such captions around.

Launch: `rs-adapt train --bench synthetic-compose-dg` (no download, no GPU). 1200 captions to train on; to
score, 200 items of each kind in styles that no training has: relations turned around, colours of two objects exchanged,
a colour replaced, an object replaced. Beside them, and in no mean, stands zero-shot classification of the main cover
of a tile, which no caption names: what fine-tuning forgets. Scores here say nothing about real images.
"""

_base_ = "_captions.py"

bench = dict(
    name="synthetic_compose",
    family="synthetic_compose",
    direction="compose",
    title="Synthetic captions: relations, colours, objects",
    default=True,
    settings=["dg"],
    data="synthetic",
    source=dict(region="drawn", title="drawn tiles"),
    target=dict(region="unseen_styles", title="drawn tiles in other styles"),
    classes=["relation", "attribute", "colour", "object", "zero_shot", "wrong"],
    tile_px=64,
    crop_px=64,
    inference=dict(crop_px=64, stride_px=64),
    prepare=dict(
        kind="synthetic_compose", seed=0, pairs=1200, items=dict(val=80, test=200), num_scenes=24, scene_px=320
    ),
    captions=dict(
        train="train.jsonl",
        val=[dict(benchmark="items", source="val.json")],
        test=[dict(benchmark="items", source="test.json")],
        beside=["zero_shot"],
    ),
    schedule=dict(iters=300, eval_every=100, batch_size=dict(dg=32)),
    defaults=dict(backbone="nano_clip"),
)
# By hand, before any score: a tenth of the rate that the nano CLIP was trained with.
optim = dict(lr=1e-4)
