"""Configurations of mmcv and mmsegmentation 0.x under the keys that mmengine gave them later."""

from __future__ import annotations

from typing import Any

from rs_adapt.audit.verify.config_tree import Facts

_MMENGINE = {"train_dataloader", "optim_wrapper"}
_MMCV = {"data", "optimizer", "runner", "lr_config", "total_iters"}
_ROLES = ("train", "val", "test")
# Keys that get another place, and of tables the entries that do; what else a table has keeps its key.
_MOVED = {"optimizer", "total_iters"}
_MOVED_OF = {
    "data": {"samples_per_gpu", *_ROLES},
    "evaluation": {"interval"},
    "lr_config": {"policy", "min_lr", "power", "by_epoch", "warmup", "warmup_iters", "warmup_ratio"},
    "optimizer_config": {"type", "grad_clip", "cumulative_iters"},
    "runner": {"max_iters"},
}
_POLICIES = {"poly": "PolyLR", "step": "MultiStepLR", "fixed": "ConstantLR", "CosineAnnealing": "CosineAnnealingLR"}
# The factor of mmcv's linear warm-up where a configuration states none.
_WARMUP_RATIO = 0.1


def is_mmcv(content: Facts) -> bool:
    """Return whether a configuration has the keys of mmcv and none of mmengine's in their place."""
    return not (_MMENGINE & content.keys()) and bool(_MMCV & content.keys())


def as_mmengine(content: Facts) -> Facts:
    """Return a configuration of mmcv with its values under mmengine's keys; what has none there keeps its key.

    Args:
        content: The configuration, with short names of types.
    """
    model = dict(_table(content, "model"))
    found = _without_moved(content)
    if model and "test_cfg" not in model and "mode" in _table(content, "test_cfg"):
        model["test_cfg"] = found.pop("test_cfg")
    data = _table(content, "data")
    for role in _ROLES:
        if role in data:
            found[f"{role}_dataloader"] = {"dataset": _dataset(data[role])}
    if "samples_per_gpu" in data:
        found["train_dataloader"] = {**_table(found, "train_dataloader"), "batch_size": data["samples_per_gpu"]}
    if statistics := _statistics(data.get("train")):
        model.setdefault("data_preprocessor", statistics)
    if model:
        found["model"] = model
    if wrapper := _optim_wrapper(content):
        found["optim_wrapper"] = wrapper
    iters = content.get("total_iters", _table(content, "runner").get("max_iters"))
    loop = {"max_iters": iters, "val_interval": _table(content, "evaluation").get("interval")}
    if loop := {key: value for key, value in loop.items() if value is not None}:
        found["train_cfg"] = loop
    if rate := _table(content, "lr_config"):
        found["param_scheduler"] = _schedulers(rate, iters)
    if "cudnn_benchmark" in content:
        found["env_cfg"] = {**_table(content, "env_cfg"), "cudnn_benchmark": found.pop("cudnn_benchmark")}
    return found


def _without_moved(content: Facts) -> Facts:
    found: Facts = {}
    for key, value in content.items():
        if isinstance(value, dict) and key in _MOVED_OF:
            if rest := {name: entry for name, entry in value.items() if name not in _MOVED_OF[key]}:
                found[key] = rest
        elif key not in _MOVED:
            # Pipelines at the top are variables of the file, and have to stay equal to those within the data sets.
            found[key] = _pipeline(value)
    return found


def _table(content: Facts, key: str) -> dict[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _optim_wrapper(content: Facts) -> Facts:
    optimizer, config = dict(_table(content, "optimizer")), _table(content, "optimizer_config")
    if not optimizer:
        return {}
    half = "fp16" in content or str(config.get("type")) == "Fp16OptimizerHook"
    wrapper: Facts = {"type": "AmpOptimWrapper" if half else "OptimWrapper"}
    if "paramwise_cfg" in optimizer:
        wrapper["paramwise_cfg"] = optimizer.pop("paramwise_cfg")
    if config.get("grad_clip") is not None:
        wrapper["clip_grad"] = config["grad_clip"]
    if "cumulative_iters" in config:
        wrapper["accumulative_counts"] = config["cumulative_iters"]
    return {**wrapper, "optimizer": optimizer}


def _schedulers(rate: dict[str, Any], iters: object) -> list[Facts]:
    policy = str(rate.get("policy"))
    main: Facts = {"type": _POLICIES.get(policy, policy), "begin": 0}
    if iters is not None:
        main["end"] = iters
    if policy in ("poly", "CosineAnnealing"):
        main["eta_min"] = rate.get("min_lr", 0.0)
    for key in ("power", "by_epoch"):
        if key in rate:
            main[key] = rate[key]
    if rate.get("warmup") is None:
        return [main]
    ratio = rate.get("warmup_ratio", _WARMUP_RATIO)
    return [{"type": "LinearLR", "start_factor": ratio, "begin": 0, "end": rate.get("warmup_iters", 0)}, main]


def _dataset(content: Any) -> Any:
    """Return a data set, and those within it, with mmengine's steps and classes; a list joins several."""
    if isinstance(content, list):
        return [_dataset(each) for each in content]
    if not isinstance(content, dict):
        return content
    found: Facts = {key: _dataset(value) if _is_set(value) else value for key, value in content.items()}
    if "classes" in found:
        found["metainfo"] = {**_table(found, "metainfo"), "classes": found.pop("classes")}
    if "pipeline" in content:
        found["pipeline"] = _pipeline(content["pipeline"])
    return found


def _is_set(value: object) -> bool:
    return isinstance(value, dict) and bool({"pipeline", "dataset", "source", "target"} & value.keys())


def _pipeline(value: Any) -> Any:
    return [_step(step) for step in value] if isinstance(value, list) else value


def _step(step: Any) -> Any:
    if not isinstance(step, dict) or "img_scale" not in step:
        return step
    found = {key: value for key, value in step.items() if key not in ("img_scale", "transforms")}
    resized = {"Resize": "RandomResize" if step.get("ratio_range") is not None else "Resize"}
    name = resized.get(str(step.get("type")), "Resize")
    return {**found, "type": name, "scale": step["img_scale"]}


def _statistics(train: object) -> Facts:
    """Mean and standard deviation of the first step that normalises."""
    if not isinstance(train, dict):
        return {}
    for step in train.get("pipeline") or ():
        if isinstance(step, dict) and step.get("type") == "Normalize":
            return {key: step[key] for key in ("mean", "std") if key in step}
    return next((found for value in train.values() if (found := _statistics(value))), {})
