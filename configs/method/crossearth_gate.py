"""CrossEarth-Gate (CVPR 2026, arXiv 2511.20302): LoRA, parallel adapters and Earth-Adapter in every block, gated.

    rs-adapt train --bench loveda-da --method crossearth_gate

14 331 744 parameters on DINOv2-L, of which 18 of 72 modules (k = 25 %) are active at a time. Known of the paper: LoRA
of rank 64 on q and v, a parallel GELU adapter of width 64 at the MLP, Earth-Adapter of rank 32 at the block's output,
in every block; k = 18; a choice every 50 iterations for adaptation and every 100 for generalization (--set
model.backbone.adapter.every=100). Other values are those of `lora`, `adaptformer` and `earth_adapter` here, except that
all blocks have the experts of both frequencies. What else is not known is in docs/guides/methods.md. Published: P2V
68.2, V2P 62.4, R2U 56.5, U2R 49.1 (mIoU in %).

`crossearth_gate_off` has the same modules without the gate.
"""

_base_ = "_recipe.py"

method = dict(
    name="crossearth_gate",
    title="CrossEarth-Gate",
    paper="https://arxiv.org/abs/2511.20302",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Gate",
            embed_dim=None,
            depth=None,
            patch_px=None,
            mlp_dim=None,
            gated_mlp=None,
            k="25%",
            every=50,
            measure=3,
            compare="method",
            host=dict(
                type="rs_adapt.Stack",
                embed_dim=None,
                depth=None,
                patch_px=None,
                mlp_dim=None,
                gated_mlp=None,
                adapters=dict(
                    lora=dict(
                        type="rs_adapt.Lora",
                        embed_dim=None,
                        depth=None,
                        mlp_dim=None,
                        rank=64,
                        alpha=64.0,
                        targets=["attn_q", "attn_v"],
                        dropout=0.0,
                    ),
                    adaptformer=dict(
                        type="rs_adapt.AdaptFormer",
                        embed_dim=None,
                        depth=None,
                        rank=64,
                        scale=0.1,
                        dropout=0.1,
                        tap="pre_norm",
                        after_layerscale=True,
                        activation="gelu",
                    ),
                    earth_adapter=dict(
                        type="rs_adapt.EarthAdapter",
                        embed_dim=None,
                        depth=None,
                        rank=32,
                        frequency_layers="all",
                        cutoff=0.3,
                        scale_init=0.1,
                    ),
                ),
            ),
        ),
        frozen=True,
    ),
)
