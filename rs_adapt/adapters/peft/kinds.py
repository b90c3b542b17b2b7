"""The tuners of peft that change linear layers, and what the bridge has to know about each."""

from __future__ import annotations

import dataclasses

from rs_adapt.adapters.contract.adapter import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Facts about a tuner that its configuration in peft does not tell.

    Attributes:
        name: The name in peft.
        zero_grad: Parts of the names of the tensors whose gradient is zero in the first step.
        identity: Whether the features start as the frozen ones.
        one_graph: Whether its code compiles into one graph; where not, torch.compile still works, in pieces.
        unmergeable: Why it is no change of a weight, or None.
        from_weights: Parts of the names of fixed tensors that peft computes from the weights and would not save. They
            are saved here: a decomposition has other signs on another machine. What follows from a seed is not.
        own: Options that the bridge itself needs.
        without: Options that its configuration inherits from LoRA and that have no meaning, or another, for it.
        examples: Small settings for the contract test: the options, and `targets` where not the default ones.
    """

    name: str
    zero_grad: tuple[str, ...] = ()
    identity: bool = True
    one_graph: bool = True
    unmergeable: str | None = None
    from_weights: tuple[str, ...] = ()
    own: Settings = dataclasses.field(default_factory=dict)
    without: tuple[str, ...] = ()
    examples: tuple[Settings, ...] = ({},)


# Of LoRA; AdaLoRA has a start and a form of its own.
_OF_LORA: tuple[str, ...] = (
    *("init_lora_weights", "eva_config", "corda_config", "lora_ga_config", "kasa_config", "velora_config"),
    *("monteclora_config", "use_dora", "use_rslora", "use_bdlora"),
)

KINDS = {
    # With its schedule of ranks: `PeftAdaLora`.
    "adalora": Kind(name="ADALORA", zero_grad=("lora_A", "lora_B"), without=("r", *_OF_LORA), examples=()),
    "beft": Kind(name="BEFT"),
    "boft": Kind(name="BOFT", examples=({"options": {"boft_block_size": 8}},)),
    "c3a": Kind(
        name="C3A",
        identity=False,
        examples=({"options": {"block_size": 8}}, {"options": {"block_size": 8, "init_weights": True}}),
    ),
    "deft": Kind(name="DEFT", examples=({"options": {"r": 4}},)),
    "delora": Kind(name="DELORA", zero_grad=("delora_A", "delora_lambda"), examples=({"options": {"r": 4}},)),
    "dora": Kind(
        name="LORA",
        zero_grad=("lora_A",),
        one_graph=False,
        own={"use_dora": True},
        examples=({"options": {"r": 4}, "targets": ("attn_q", "fc1")},),
    ),
    # Its random start moves the features at once; options init_weights=True starts from zero.
    "fourierft": Kind(
        name="FOURIERFT",
        identity=False,
        examples=(
            {"options": {"n_frequency": 50, "scaling": 1.0}},
            {"options": {"n_frequency": 50, "scaling": 1.0, "init_weights": True}},
        ),
    ),
    "glora": Kind(name="GLORA", zero_grad=("Xu",), examples=({"options": {"r": 4, "config_D_E": "none"}},)),
    "gralora": Kind(name="GRALORA", zero_grad=("gralora_A",), examples=({"options": {"r": 4}},)),
    "hira": Kind(name="HIRA", zero_grad=("hira_A",), examples=({"options": {"r": 4}},)),
    "hra": Kind(name="HRA", examples=({"options": {"r": 4}},)),
    "ia3": Kind(name="IA3", own={"feedforward_modules": []}),
    "lily": Kind(
        name="LILY",
        zero_grad=("lily_A", "lily_router"),
        unmergeable="the update of a layer is chosen by its input",
        examples=({"options": {"r": 4}},),
    ),
    "loha": Kind(
        name="LOHA",
        one_graph=False,
        zero_grad=("hada_w1_a", "hada_w1_b", "hada_w2_a"),
        examples=({"options": {"r": 4}},),
    ),
    "lokr": Kind(name="LOKR", one_graph=False, zero_grad=("lokr_w2",), examples=({"options": {"r": 4}},)),
    "lora": Kind(
        name="LORA",
        zero_grad=("lora_A",),
        examples=(
            {"options": {"r": 4}},
            {"options": {"r": 4, "init_lora_weights": "pissa"}},
            {"options": {"r": 4, "init_lora_weights": "olora"}, "targets": ("attn_q", "fc1", "fc2")},
            {"options": {"r": 4, "init_lora_weights": "mica"}},
            {"options": {"r": 4, "init_lora_weights": "eva"}},
            {"options": {"r": 4, "init_lora_weights": "orthogonal", "use_rslora": True}},
            {"options": {"r": 4}, "b_lr_mult": 16.0},
        ),
    ),
    "miss": Kind(name="MISS", examples=({"options": {"r": 4}},)),
    "oft": Kind(name="OFT", examples=({"options": {"r": 0, "oft_block_size": 8}},)),
    "osf": Kind(name="OSF", from_weights=("_osf_",)),
    "peanut": Kind(name="PEANUT", zero_grad=("peanut_A",), examples=({"options": {"r": 4}},)),
    "psoft": Kind(name="PSOFT", from_weights=("_cache",), examples=({"options": {"r": 4}},)),
    # Adds noise in training, so the contract test, which compares outputs in training, does not hold it.
    "pvera": Kind(name="PVERA", own={"save_projection": False}, examples=()),
    "randlora": Kind(
        name="RANDLORA",
        zero_grad=("randlora_gamma",),
        own={"save_projection": False},
        examples=({"options": {"r": 4, "randlora_alpha": 4}},),
    ),
    "road": Kind(name="ROAD", examples=({"options": {"group_size": 8}},)),
    "shira": Kind(name="SHIRA", one_graph=False, examples=({"options": {"r": 4, "random_seed": 0}},)),
    "supertuning": Kind(name="SUPERTUNING", examples=({"options": {"sparsity": 0.9}},)),
    "tinylora": Kind(name="TINYLORA", own={"save_projection": True}),
    "unilora": Kind(name="UNILORA", identity=False, examples=({"options": {"r": 4, "theta_d_length": 64}},)),
    "vblora": Kind(
        name="VBLORA", one_graph=False, identity=False, examples=({"options": {"vector_length": 8, "num_vectors": 16}},)
    ),
    # The random projections follow from a seed: they need not be saved.
    "vera": Kind(
        name="VERA",
        zero_grad=("vera_lambda_d",),
        own={"save_projection": False},
        examples=({"options": {"r": 16}},),
    ),
    "waveft": Kind(name="WAVEFT", one_graph=False, examples=({"options": {"n_frequency": 50}},)),
}
