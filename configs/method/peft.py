"""Methods of the library peft (https://github.com/huggingface/peft), each as `peft:<kind>`.

    rs-adapt train --bench loveda-da --method peft:dora

`options` are the library's own, checked by it; targets are handles of the backbone. Needs `pip install rs-adapt[peft]`.
"""

_base_ = "_recipe.py"

method = dict(
    name="peft",
    title="Methods of peft",
    paper=None,
    kinds=dict(
        adalora=dict(
            title="AdaLoRA",
            paper="https://arxiv.org/abs/2303.10512",
            options=dict(init_r=48, target_r=32, lora_alpha=32, deltaT=10, orth_reg_weight=0.5),
            # Ranks fall between the first tenth and the last three tenths of the schedule.
            adapter=dict(type="rs_adapt.PeftAdaLora", total_iters=None, first_share=0.1, last_share=0.3),
        ),
        boft=dict(title="BOFT", paper="https://arxiv.org/abs/2311.06243", options=dict(boft_block_size=8)),
        dora=dict(title="DoRA", paper="https://arxiv.org/abs/2402.09353", options=dict(r=32, lora_alpha=32)),
        # scaling: None for 150 at a width of 768 and the same size of change at others; see `PeftAdapter`.
        fourierft=dict(
            title="FourierFT", paper="https://arxiv.org/abs/2405.03003", options=dict(n_frequency=1000, scaling=None)
        ),
        hra=dict(title="HRA", paper="https://arxiv.org/abs/2405.17484", options=dict(r=8)),
        ia3=dict(title="IA3", paper="https://arxiv.org/abs/2205.05638", options=dict()),
        lora=dict(title="LoRA", paper="https://arxiv.org/abs/2106.09685", options=dict(r=32, lora_alpha=32)),
        oft=dict(
            title="OFT",
            paper="https://arxiv.org/abs/2306.07280",
            options=dict(r=0, oft_block_size=32, use_cayley_neumann=True),
        ),
        vera=dict(
            title="VeRA",
            paper="https://arxiv.org/abs/2310.11454",
            options=dict(r=256, projection_prng_key=0, d_initial=0.1),
        ),
    ),
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.PeftAdapter",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            kind=None,
            targets=["attn_q", "attn_v"],
            options=dict(),
        ),
        frozen=True,
    ),
)
