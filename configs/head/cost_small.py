"""CAT-Seg's cost aggregation in a size that trains on a CPU: 32 channels, one layer; for trials, not for tables.

$ rs-adapt train --bench synthetic-ov --head cost-small

81 593 parameters train with the nano CLIP.
"""

_base_ = "cost.py"

model = dict(
    decode_head=dict(
        channels=32,
        guide_channels=32,
        num_layers=1,
        num_heads=2,
        mlp_ratio=2,
        window=8,
        decoder_channels=[32, 16],
        decoder_guide_channels=[16, 8],
    )
)
