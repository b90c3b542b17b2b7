"""What every run shares: logging, hooks and precision."""

default_scope = "mmseg"
custom_imports = dict(imports=["rs_adapt.registry"], allow_failed_imports=False)
# cuDNN's benchmark picks other kernels from run to run, so equal seeds would give unequal numbers.
# opencv_num_threads=0: each loader worker is a process of its own already.
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
log_level = "INFO"
log_processor = dict(by_epoch=False)
visualizer = dict(type="Visualizer", vis_backends=[])
default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    # The sampler draws by itself, and nothing is drawn on images.
    sampler_seed=None,
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="rs_adapt.StateHook"),
)
# One recorder does the work of the state, metrics and selection hooks; all three names stay, because a run is resumed
# only if its configuration has the same text.
custom_hooks = [dict(type="rs_adapt.MetricsHook"), dict(type="rs_adapt.SelectionHook")]
# base_precision: "bf16" stores the linear weights of a frozen ViT in bf16 alone, where precision is that too. memory:
# "low" computes each ViT block again in the backward pass instead of saving what it needs. sharding: "fsdp" shards the
# frozen base over the processes of a run (docs/guides/scale-out.md). compile: "blocks" generates code for the
# blocks of the ViT. tf32, fused_adamw and deformable_gather change rounding; pin_memory concerns the way of batches to
# a GPU (docs/guides/training-speed.md).
runtime = dict(
    precision="fp32",
    base_precision="fp32",
    num_workers=2,
    memory="normal",
    sharding="none",
    compile="none",
    tf32=False,
    fused_adamw=False,
    deformable_gather=False,
    pin_memory=False,
)
