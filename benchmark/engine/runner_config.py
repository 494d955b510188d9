"""From a resolved cell config to the configs of MMEngine's two runners: one trains, another tests.

Testing never happens in the training runner: its hooks would run again and replace averaged by raw weights, and a
checkpoint that was not loaded from disk is not the one that a reader of the record can load.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

META_KEYS = ("img_id", "ori_shape", "count_shape", "img_shape", "text", "scene")
BEST_METRIC = "irstd/iou"
IN_ORDER = dict(type="DefaultSampler", shuffle=False, round_up=False)
"""Every image once, in any number of processes: a share may be shorter than another, none repeats an image."""


def train_config(config: dict[str, Any], *, root: Path, folder: Path, cell_id: str, device: str,
                 resume_from: Path | None, parts: int = 1, processes: int = 1) -> dict[str, Any]:
    """Config of the training runner, which resumes from ``resume_from`` where there is one.

    Args:
        config: Resolved config of a trainable cell.
        root: Data root.
        folder: Work folder of this training; checkpoints and ``curve.jsonl`` go there.
        cell_id: Names the runner and its visualizer, which are singletons of the process.
        device: ``'cpu'`` or ``'cuda'``.
        resume_from: A checkpoint of the same training, or None to start.
        parts: Into how many micro-batches each batch is cut (see ``benchmark.engine.memory``).
        processes: That train together; each takes its share of the batch, which they divide evenly.
    """
    epochs, interval = config["train_cfg"]["max_epochs"], config["train_cfg"]["val_interval"]
    loader = config["train_dataloader"]
    often = dict(keep_decoded=True, num_workers=loader["num_workers"], persistent_workers=False)
    validation: dict[str, Any] = {}
    checkpoint = dict(type="CheckpointHook", interval=1, max_keep_ckpts=2, save_last=True)
    if config["selection"] != "last":
        part = "val" if config["selection"] == "val-best" else "test"
        checkpoint |= dict(save_best=BEST_METRIC, rule="greater")
        validation = dict(
            val_cfg=dict(), val_evaluator=_evaluator(config, roc=False),
            val_dataloader=_loader(config, root, part, test_pipeline(config), batch_size=1, sampler=IN_ORDER,
                                   **often),
        )
    batches = dict(type="WholeBatchSampler", batch_size=loader["batch_size"])
    return _common(config, folder, f"{cell_id}-train") | together(processes, device) | validation | dict(
        train_cfg=dict(max_epochs=epochs, val_interval=interval if validation else epochs + 1) | (
            dict(by_epoch=True) if parts == 1 else dict(type="MicroBatchLoop", parts=parts)),
        train_dataloader=_loader(config, root, "train", train_pipeline(config),
                                 batch_size=loader["batch_size"] // processes, sampler=batches, drop_last=True,
                                 **often),
        optim_wrapper=_optim_wrapper(config, device, parts),
        param_scheduler=copy.deepcopy(config["param_scheduler"]) or None,
        default_hooks=_default_hooks(checkpoint=checkpoint),
        custom_hooks=[
            dict(type="EpochSeedHook"), dict(type="PlainCheckpointHook"), dict(type="ShortHistoryHook"),
            dict(type="FiniteLossHook"), dict(type="CurveHook", folder=str(folder)),
        ],
        load_from=str(resume_from) if resume_from else None, resume=resume_from is not None,
    )


def test_config(config: dict[str, Any], *, root: Path, folder: Path, cell_id: str, checkpoint: Path, device: str,
                processes: int = 1) -> dict[str, Any]:
    """Config of the test runner: loads ``checkpoint`` and evaluates the test part, one image at a time."""
    loader = _loader(config, root, "test", test_pipeline(config), batch_size=1, sampler=IN_ORDER, num_workers=0)
    condition = config.get("test", {})
    loader["dataset"] |= {name: copy.deepcopy(condition[name]) for name in ("dataset", "split", "corruption")
                          if name in condition}
    return _common(config, folder, f"{cell_id}-test") | together(processes, device) | dict(
        test_cfg=dict(), test_dataloader=loader, test_evaluator=_evaluator(config, roc=True),
        default_hooks=_default_hooks(checkpoint=None),
        custom_hooks=[dict(type="PlainCheckpointHook"), dict(type="CurveHook", folder=str(folder))],
        load_from=str(checkpoint),
    )


def together(processes: int, device: str) -> dict[str, Any]:
    """What a runner's config has besides where ``processes`` run it together; see ``shared_batch``."""
    if processes == 1:
        return {}
    # some networks leave out a part of themselves where an image has nothing for it
    wrapper = dict(type="MMDistributedDataParallel", broadcast_buffers=False, find_unused_parameters=True)
    if device == "cpu":
        return dict(launcher="pytorch", model_wrapper_cfg=wrapper | dict(type="CPUDistributedModel"))
    return dict(launcher="pytorch", model_wrapper_cfg=wrapper, sync_bn="torch")


def train_pipeline(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Transforms of a training image: the view, then all eight orientations at random."""
    view = config["view"]
    if view["train"] == "crop":
        look = dict(type="TargetCrop", size=view["size"], positive=view["positive_crop"],
                    pad_value=config["dataset"]["mean"])
    else:
        look = dict(type="ResizeView", size=view["size"], mask=True)
    flips = [dict(type="mmcv.RandomFlip", prob=0.5, direction=direction) for direction in ("horizontal", "vertical")]
    transpose = [dict(type="RandomTranspose", prob=0.5)] if view["size"][0] == view["size"][1] else []
    return [*_load(view), look, *flips, *transpose, _pack()]


def test_pipeline(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Transforms of a validation or test image; its mask is resized only where counting happens at input size."""
    view = config["view"]
    at_input_size = config["evaluation"]["space"] == "input"
    look = [] if view["test"] == "native" else [dict(type="ResizeView", size=view["size"], mask=at_input_size)]
    return [*_load(view), *look, _pack()]


def _load(view: dict[str, Any]) -> list[dict[str, Any]]:
    # only methods that look at the whole scene have this key; others are spared the copy
    scene = [dict(type="SceneView", size=view["scene"])] if "scene" in view else []
    return [dict(type="LoadSample"), *scene]


def _pack() -> dict[str, Any]:
    return dict(type="PackSegInputs", meta_keys=META_KEYS)


def _loader(config: dict[str, Any], root: Path, part: str, pipeline: list[dict[str, Any]], *, batch_size: int,
            sampler: dict[str, Any], num_workers: int, persistent_workers: bool = False, keep_decoded: bool = False,
            **more: Any) -> dict[str, Any]:
    dataset = dict(type="IRSTDDataset", dataset=copy.deepcopy(config["dataset"]), root=str(root),
                   split=config["split"], seed=config["seed"], part=part, pipeline=pipeline,
                   keep_decoded=keep_decoded)
    return dict(batch_size=batch_size, num_workers=num_workers, persistent_workers=persistent_workers, dataset=dataset,
                sampler=dict(sampler), **more)


def _evaluator(config: dict[str, Any], *, roc: bool) -> dict[str, Any]:
    evaluation = config["evaluation"]
    # "gpu" is MMEngine's word for the processes' own channel, gloo on CPUs; "cpu" would be files in the current folder
    return dict(type="IRSTDMetric", threshold=evaluation["threshold"], protocol=evaluation["protocol"],
                roc_thresholds=evaluation["roc_thresholds"] if roc else None, collect_device="gpu")


def _optim_wrapper(config: dict[str, Any], device: str, parts: int) -> dict[str, Any]:
    wrapper = copy.deepcopy(config["optim_wrapper"])
    if parts > 1:
        wrapper["accumulative_counts"] = wrapper.get("accumulative_counts", 1) * parts
    if device == "cpu" and wrapper.get("type") == "AmpOptimWrapper":  # MMEngine asserts a GPU for it
        wrapper = {name: value for name, value in wrapper.items() if name not in ("dtype", "loss_scale", "use_fp64")}
        wrapper["type"] = "OptimWrapper"
    return wrapper


def model_config(config: dict[str, Any]) -> dict[str, Any]:
    """The method's model with the preprocessor that brings images into the form it was made for."""
    mean, std = config["dataset"]["mean"], config["dataset"]["std"]
    preprocessor = dict(type="SegDataPreProcessor", mean=[float(mean)], std=[float(std)], bgr_to_rgb=False,
                        pad_val=0, seg_pad_val=0, size=tuple(config["view"]["size"]))
    if config["method"].get("greys"):  # the method normalises by itself
        preprocessor |= dict(mean=None, std=None)
    return copy.deepcopy(config["model"]) | dict(data_preprocessor=preprocessor)


def _common(config: dict[str, Any], folder: Path, name: str) -> dict[str, Any]:
    return dict(
        default_scope="mmseg", experiment_name=name, work_dir=str(folder), log_level="WARNING",
        model=model_config(config),
        randomness=dict(seed=config["seed"]), env_cfg=dict(cudnn_benchmark=False),
        visualizer=dict(type="Visualizer", name=name, save_dir=str(folder),
                        vis_backends=[dict(type="LocalVisBackend")]),
    )


def _default_hooks(checkpoint: dict[str, Any] | None) -> dict[str, Any]:
    return dict(
        runtime_info=dict(type="RuntimeInfoHook"), timer=dict(type="IterTimerHook"),
        sampler_seed=dict(type="DistSamplerSeedHook"), logger=dict(type="LoggerHook", interval=50),
        param_scheduler=dict(type="ParamSchedulerHook"), checkpoint=checkpoint,
    )
