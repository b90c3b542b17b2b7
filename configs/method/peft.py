"""Methods of the library peft (https://github.com/huggingface/peft), each as `peft:<kind>`.

    rs-adapt train --bench loveda-da --method peft:dora

    rs-adapt train --bench loveda-da --method peft:lora --set method.options.init_lora_weights=pissa

`options` are the library's own, checked by it: all of them can be set. Targets are handles of the backbone. Needs
`pip install rs-adapt[peft]`.
"""

_base_ = "_recipe.py"

method = dict(
    name="peft",
    title="Methods of peft",
    paper=None,
    # Tuners of peft that are no methods here, each with the reason.
    refused=dict(
        adaption_prompt="it puts prompts into the attention of language models: --method vpt has prompts",
        adamss="the shapes of its tensors follow from clusters of the weights, which counts and plans do not have",
        cartridge="it trains the key-value cache of a language model",
        cpt="it puts prompts before the words of a language model: --method vpt has prompts",
        frod="its fixed factors take minutes to compute over all blocks at every start, and are not saved",
        ln_tuning="it trains norms: --method norm does that",
        multitask_prompt_tuning="it puts prompts before the words of a language model: --method vpt has prompts",
        p_tuning="it puts prompts before the words of a language model: --method vpt has prompts",
        poly="it needs the number of a task with every image",
        prefix_tuning="it trains the key-value cache of a language model",
        prompt_tuning="it puts prompts before the words of a language model: --method vpt has prompts",
        shadow="it runs a second language model beside the first",
        trainable_tokens="it trains rows of a word embedding table",
        xlora="it mixes LoRA adapters that are already trained",
    ),
    # `tuner`: the method of peft that the options set up, where its name is another; `form`: the options that make it.
    kinds=dict(
        adalora=dict(
            title="AdaLoRA",
            paper="https://arxiv.org/abs/2303.10512",
            options=dict(init_r=48, target_r=32, lora_alpha=32, deltaT=10, orth_reg_weight=0.5),
            # Ranks fall between the first tenth and the last three tenths of the schedule.
            adapter=dict(type="rs_adapt.PeftAdaLora", total_iters=None, first_share=0.1, last_share=0.3),
        ),
        beft=dict(title="BEFT", paper="https://arxiv.org/abs/2509.15974", options=dict()),
        boft=dict(title="BOFT", paper="https://arxiv.org/abs/2311.06243", options=dict(boft_block_size=8)),
        c3a=dict(title="C3A", paper="https://arxiv.org/abs/2407.19342", options=dict(block_size=64, init_weights=True)),
        deft=dict(title="DEFT", paper=None, options=dict(r=8)),
        delora=dict(title="DeLoRA", paper="https://arxiv.org/abs/2503.18225", options=dict(r=32)),
        dora=dict(title="DoRA", paper="https://arxiv.org/abs/2402.09353", options=dict(r=32, lora_alpha=32)),
        # A from the inputs of the layers: `eva_config.whiten`, `eva_config.tau`; ranks stay as they are.
        eva=dict(
            title="EVA",
            paper="https://arxiv.org/abs/2410.07170",
            options=dict(r=32, lora_alpha=32, init_lora_weights="eva"),
            tuner="lora",
            form=("init_lora_weights",),
        ),
        # scaling: None for 150 at a width of 768 and the same size of change at others; see `PeftAdapter`.
        fourierft=dict(
            title="FourierFT", paper="https://arxiv.org/abs/2405.03003", options=dict(n_frequency=1000, scaling=None)
        ),
        glora=dict(title="GLoRA", paper=None, options=dict(r=8)),
        gralora=dict(title="GraLoRA", paper=None, options=dict(r=32, alpha=32)),
        hira=dict(title="HiRA", paper=None, options=dict(r=32)),
        hra=dict(title="HRA", paper="https://arxiv.org/abs/2405.17484", options=dict(r=8)),
        ia3=dict(title="IA3", paper="https://arxiv.org/abs/2205.05638", options=dict()),
        lily=dict(title="Lily", paper="https://arxiv.org/abs/2407.09946", options=dict(r=32)),
        loha=dict(title="LoHa", paper="https://arxiv.org/abs/2108.06098", options=dict(r=16, alpha=16)),
        lokr=dict(title="LoKr", paper="https://arxiv.org/abs/2108.06098", options=dict(r=16, alpha=16)),
        lora=dict(title="LoRA", paper="https://arxiv.org/abs/2106.09685", options=dict(r=32, lora_alpha=32)),
        # B with 16 times the rate of A, the ratio that its authors recommend.
        lora_plus=dict(
            title="LoRA+",
            paper="https://arxiv.org/abs/2402.12354",
            options=dict(r=32, lora_alpha=32),
            tuner="lora",
            adapter=dict(b_lr_mult=16.0),
        ),
        mica=dict(
            title="MiCA",
            paper="https://arxiv.org/abs/2604.01694",
            options=dict(r=32, lora_alpha=32, init_lora_weights="mica"),
            tuner="lora",
            form=("init_lora_weights",),
        ),
        miss=dict(title="MiSS", paper="https://arxiv.org/abs/2409.15371", options=dict(r=64)),
        oft=dict(
            title="OFT",
            paper="https://arxiv.org/abs/2306.07280",
            options=dict(r=0, oft_block_size=32, use_cayley_neumann=True),
        ),
        olora=dict(
            title="OLoRA",
            paper="https://arxiv.org/abs/2406.01775",
            options=dict(r=32, lora_alpha=32, init_lora_weights="olora"),
            tuner="lora",
            form=("init_lora_weights",),
        ),
        osf=dict(title="OSF", paper=None, options=dict()),
        peanut=dict(title="PEANuT", paper="https://arxiv.org/abs/2410.01870", options=dict(r=32)),
        pissa=dict(
            title="PiSSA",
            paper="https://arxiv.org/abs/2404.02948",
            options=dict(r=32, lora_alpha=32, init_lora_weights="pissa"),
            tuner="lora",
            form=("init_lora_weights",),
        ),
        psoft=dict(title="PSOFT", paper=None, options=dict(r=32)),
        pvera=dict(
            title="PVeRA",
            paper="https://arxiv.org/abs/2512.07703",
            options=dict(r=256, projection_prng_key=0, d_initial=0.1),
        ),
        randlora=dict(
            title="RandLoRA", paper="https://arxiv.org/abs/2502.00987", options=dict(r=32, projection_prng_key=0)
        ),
        road=dict(title="RoAd", paper="https://arxiv.org/abs/2409.00119", options=dict(group_size=64)),
        rslora=dict(
            title="rsLoRA",
            paper="https://arxiv.org/abs/2312.03732",
            options=dict(r=32, lora_alpha=32, use_rslora=True),
            tuner="lora",
            form=("use_rslora",),
        ),
        shira=dict(title="SHiRA", paper="https://arxiv.org/abs/2406.13175", options=dict(r=32, random_seed=0)),
        supertuning=dict(title="Super-Tuning", paper="https://arxiv.org/abs/2607.09287", options=dict()),
        tinylora=dict(title="TinyLoRA", paper="https://arxiv.org/abs/2602.04118", options=dict()),
        unilora=dict(
            title="Uni-LoRA", paper="https://arxiv.org/abs/2506.00799", options=dict(r=4, theta_d_length=4096)
        ),
        vblora=dict(
            title="VB-LoRA",
            paper="https://arxiv.org/abs/2405.15179",
            options=dict(r=4, vector_length=64, num_vectors=256),
        ),
        vera=dict(
            title="VeRA",
            paper="https://arxiv.org/abs/2310.11454",
            options=dict(r=256, projection_prng_key=0, d_initial=0.1),
        ),
        waveft=dict(title="WaveFT", paper=None, options=dict(n_frequency=1000)),
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
            # Any option of the library's configuration can be set; the library knows them.
            options=dict(_open_=True),
        ),
        frozen=True,
    ),
)
