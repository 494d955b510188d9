"""A network that cannot learn eight real images by heart will not learn a dataset: minutes of training, run on demand.

``python -m pytest -m long tests/integration/test_overfit.py -s`` prints the figure, the steps and the time.
"""

from __future__ import annotations

import time

import pytest

from benchmark.datasets.catalog import data_root

IMAGES, STEPS, CHECK_EVERY, GOAL = 8, 600, 20, 0.90


@pytest.mark.long
@pytest.mark.realdata
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("method", ["saist_t"])
def test_eight_real_images_are_learned_by_heart(method, stack):
    import torch
    from mmengine.dataset import pseudo_collate
    from mmengine.registry import init_default_scope
    from mmseg.registry import DATASETS, MODELS

    import benchmark.datasets.mm_dataset
    import benchmark.datasets.transforms  # noqa: F401
    import models.saist  # noqa: F401
    from benchmark import configs
    from benchmark.datasets.catalog import load_dataset_config

    init_default_scope("mmseg")
    config = configs.load("methods", method)
    dataset = DATASETS.build(dict(
        type="IRSTDDataset", dataset=load_dataset_config("nuaa-sirst"), root=str(data_root(None)), split="official",
        seed=0, part="train", pipeline=[
            dict(type="LoadSample"), dict(type="SceneView", size=(224, 224)),
            dict(type="ResizeView", size=(256, 256), mask=True),
            dict(type="PackSegInputs", meta_keys=("img_id", "img_shape", "count_shape", "text", "scene"))]))
    torch.manual_seed(0)
    model = MODELS.build(config["model"])
    batch = pseudo_collate([dataset[index] for index in range(IMAGES)])
    images = torch.stack(batch["inputs"]).float()
    masks = torch.stack([sample.gt_sem_seg.data for sample in batch["data_samples"]]).bool().numpy()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=5e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 20)
    started = time.perf_counter()
    iou = 0.0
    for step in range(1, STEPS + 1):
        model.train()
        loss = sum(model.loss(images, batch["data_samples"]).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step % CHECK_EVERY == 0:
            with torch.no_grad():
                found = (model.eval().logits(images, batch["data_samples"]) > 0).numpy()
            iou = (found & masks).sum() / (found | masks).sum()
            print(f"step {step}: loss {loss.item():.4f}, IoU {iou:.4f}, {time.perf_counter() - started:.0f} s")
            if iou >= GOAL:
                break
    assert iou >= GOAL, f"IoU {iou:.4f} after {STEPS} steps"
