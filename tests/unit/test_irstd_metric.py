"""The adapter to MMEngine gives the figures of ``summarise`` for data samples, whatever process they come from."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.evaluation import Evaluation


@pytest.fixture()
def torch(stack):
    import torch

    return torch


@pytest.fixture()
def metric(stack):
    from benchmark.metrics.irstd_metric import IRSTDMetric

    return IRSTDMetric


def arrays(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.random((20, 30), dtype=np.float32), generator.random((20, 30)) > 0.9


def sample(torch, name: str, score: np.ndarray, mask: np.ndarray):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    element = SegDataSample(metainfo={"img_id": name})
    element.pred_score = PixelData(data=torch.from_numpy(score)[None])
    element.gt_sem_seg = PixelData(data=torch.from_numpy(mask.astype(np.uint8))[None])
    return element


def test_figures_equal_an_evaluation_of_the_same_arrays(torch, metric):
    adapter, expected = metric(threshold=0.6, roc_thresholds=10), Evaluation(0.6, roc_thresholds=10)
    for seed in range(3):
        element = sample(torch, str(seed), *arrays(seed))
        adapter.process({}, [element if seed else element.to_dict()])
        expected.add(str(seed), *arrays(seed))
    found = adapter.evaluate(size=3)
    summary = expected.summary(resamples=0)
    assert found == {f"irstd/{name}": summary[name]["value"] for name in (key.split("/")[1] for key in found)}
    assert adapter.evaluation.rows() == expected.rows()
    assert adapter.evaluation.roc_lists() == expected.roc_lists()


def test_a_second_evaluation_starts_anew(torch, metric):
    adapter = metric()
    for name in ("first", "second"):
        adapter.process({}, [sample(torch, name, *arrays(0))])
        assert adapter.evaluate(size=1)["irstd/images"] == 1
    assert [counts.image_id for counts in adapter.evaluation.counts] == ["second"]


def test_an_image_that_pads_the_share_of_a_process_is_counted_once(torch, metric):
    adapter = metric(roc_thresholds=5)
    adapter.process({}, [sample(torch, name, *arrays(int(name))) for name in ("0", "1", "0")])
    assert adapter.compute_metrics(adapter.results)["images"] == 2


def test_the_metric_is_registered_and_builds_from_its_config(stack, metric):
    from mmseg.registry import METRICS

    built = METRICS.build(dict(type="IRSTDMetric", threshold=0.3, protocol="dnanet", roc_thresholds=None))
    assert isinstance(built, metric)
    assert (built.evaluation.threshold, built.evaluation.protocol, built.prefix) == (0.3, "dnanet", "irstd")


@pytest.mark.parametrize(("score", "mask", "message"), [
    (np.full((4, 4), np.nan, np.float32), np.zeros((4, 4)), "image 'bad': score map holds NaN"),
    (np.full((4, 4), 3, np.float32), np.zeros((4, 4)), "image 'bad': .*apply a sigmoid"),
    (np.zeros((4, 4), np.float32), np.full((4, 4), 255), "image 'bad': mask holds 255"),
    (np.zeros((4, 4), np.float32), np.zeros((4, 5)), "image 'bad': .*one size"),
])
def test_wrong_samples_are_refused_by_name(torch, metric, score, mask, message):
    with pytest.raises(ValueError, match=message):
        metric().process({}, [sample(torch, "bad", score, mask)])
