"""Comparisons and derived values against small cases worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.analysis.comparison import compare
from benchmark.analysis.derived import derive
from benchmark.metrics.evaluation import Evaluation
from benchmark.metrics.target import ImageCounts
from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult


def counts(tps, name="im") -> list[ImageCounts]:
    """Images of 100 pixels with a target of 10, of which so many are hit."""
    return [ImageCounts(f"{name}{index}", "standard", 100, tp, 0, 10 - tp, 1, int(tp > 4), 1, 0, 100, 0, 0.5)
            for index, tp in enumerate(tps)]


def outcome(tmp_path, method, rows, dataset="d", seed=0, cost=None) -> Outcome:
    key = CellKey(method, dataset, "official", "fast", seed)
    evaluation = Evaluation(roc_thresholds=None)
    evaluation.counts = rows
    metrics = {name: Metric(**metric) for name, metric in evaluation.summary(resamples=200).items()}
    folder = tmp_path / key.slot
    folder.mkdir()
    (folder / "per_image.jsonl").write_text("".join(json.dumps(row) + "\n" for row in evaluation.rows()))
    record = Record(f"{method}-{dataset}-{seed}", key, {}, metrics, cost=cost or {}, provenance={
        "data": {"fingerprint": "f" * 16}, "finished": "2026-01-01T00:00:00Z"})
    return Outcome(key, Status.DONE, record=record, folder=folder)


def result(outcomes, kind="grid", metrics=("iou", "pd")) -> SuiteResult:
    names = dict.fromkeys(one.key.method for one in outcomes)
    datasets = dict.fromkeys(one.key.dataset for one in outcomes)
    seeds = sorted({one.key.seed for one in outcomes})
    return SuiteResult({
        "name": "s", "title": "S", "kind": kind, "metrics": metrics, "seeds": seeds,
        "methods": [{"name": name, "title": name, "type": "", "reconstruction": False} for name in names],
        "datasets": [{"name": name, "title": name, "real": True, "split": "official"} for name in datasets]}, outcomes)


def test_a_clear_difference_is_significant_and_an_equal_method_is_not(tmp_path):
    good, bad = [9, 8, 9, 10, 9, 8, 9, 10] * 3, [2, 3, 2, 1, 2, 3, 2, 3] * 3
    found = compare(result([outcome(tmp_path, "good", counts(good)), outcome(tmp_path, "bad", counts(bad)),
                            outcome(tmp_path, "twin", counts(good))]), resamples=500)
    entry = {(one["method"], one["metric"]): one for one in found}
    assert entry["bad", "iou"]["best"] == "good" and ("good", "iou") not in entry
    assert entry["bad", "iou"]["difference"] == pytest.approx((sum(bad) - sum(good)) / 240)
    assert entry["bad", "iou"]["high"] < 0 and entry["bad", "iou"]["p_holm"] == pytest.approx(2 * 2 / 501)
    assert entry["twin", "iou"]["p_holm"] == 1.0 and entry["twin", "iou"]["difference"] == 0


def test_a_method_that_found_nothing_is_neither_the_best_by_fa_nor_compared(tmp_path):
    rows = {"good": [9, 8, 9], "silent": [0, 0, 0], "fair": [5, 6, 5]}
    found = compare(result([outcome(tmp_path, name, counts(tps)) for name, tps in rows.items()],
                           metrics=("iou", "fa")), resamples=200)
    assert "silent" in {one["method"] for one in found if one["metric"] == "iou"}
    assert "silent" not in {name for one in found if one["metric"] == "fa" for name in (one["method"], one["best"])}


def test_a_method_that_found_nothing_with_one_seed_is_not_the_best_by_fa(tmp_path):
    good = [outcome(tmp_path, "good", counts([9, 8, 9]), seed=seed) for seed in (0, 1)]
    fair = [outcome(tmp_path, "fair", counts([5, 6, 5]), seed=seed) for seed in (0, 1)]
    half = [outcome(tmp_path, "half", counts(tps), seed=seed) for seed, tps in enumerate(([9, 9, 9], [0, 0, 0]))]
    found = compare(result([*good, *fair, *half], metrics=("fa",)), resamples=200)
    assert {name for one in found for name in (one["method"], one["best"])} == {"good", "fair"}


def test_other_images_and_uncopied_counts_are_not_compared(tmp_path):
    one, other = outcome(tmp_path, "a", counts([5, 6])), outcome(tmp_path, "b", counts([1, 2], name="other"))
    assert compare(result([one, other])) == []
    (other.folder / "per_image.jsonl").unlink()
    assert compare(result([one, other])) == []


def test_seeds_are_compared_together_and_only_those_of_both(tmp_path):
    found = compare(result([
        *(outcome(tmp_path, "a", counts([9, 9, 8]), seed=seed) for seed in (0, 1)),
        *(outcome(tmp_path, "b", counts([5, 4, 5]), seed=seed) for seed in (0, 1, 2))]), resamples=200)
    assert {tuple(one["seeds"]) for one in found} == {(0, 1)}


def test_a_mean_over_datasets_is_the_mean_and_its_interval_holds_it(tmp_path):
    costs = [{"trainable_params": 2_000_000, "latency_ms": milliseconds} for milliseconds in (50, 70)]
    outcomes = [outcome(tmp_path, "a", counts([5, 6, 7, 5]), "d1", cost=costs[0]),
                outcome(tmp_path, "a", counts([9, 9, 8, 9]), "d2", cost=costs[1])]
    (mean,) = derive(result(outcomes, "average"), lambda _: None).outcomes
    metrics = mean.record.metrics
    assert metrics["iou"].value == pytest.approx((23 / 40 + 35 / 40) / 2)
    assert metrics["iou"].low < metrics["iou"].value < metrics["iou"].high
    assert metrics["trainable_params_m"].value == 2 and metrics["inference_s"].value == pytest.approx(0.06)


def test_a_mean_with_a_missing_dataset_is_no_mean(tmp_path):
    outcomes = [outcome(tmp_path, "a", counts([5, 6]), "d1"),
                Outcome(CellKey("a", "d2", "official", "fast", 0), Status.PENDING)]
    (mean,) = derive(result(outcomes, "average"), lambda _: None).outcomes
    assert mean.record is None and "done on 1 of 2 datasets" in mean.reason


def test_leakage_counts_again_without_the_near_duplicates(tmp_path):
    rows = counts([10, 10, 2, 4])
    names = ("m@all", "m@without", "m@change")
    outcomes = [outcome(tmp_path, name, rows) for name in names]
    found = {one.key.method: one for one in derive(result(outcomes, "leakage"), lambda _: ["im0", "im1"]).outcomes}
    assert found["m@all"].record.metrics["iou"].value == pytest.approx(26 / 40)
    assert found["m@without"].record.metrics["iou"].value == pytest.approx(6 / 20)
    change = found["m@change"].record.metrics["iou"]
    assert change.value == pytest.approx(6 / 20 - 26 / 40) and change.low <= change.value <= change.high
    assert np.isfinite(change.low)


@pytest.mark.parametrize(("leaks", "status", "reason"), [
    (None, Status.PENDING, "have not been looked for"), ([], Status.SKIPPED, "no near-duplicates found")])
def test_leakage_says_why_there_is_nothing_to_leave_out(tmp_path, leaks, status, reason):
    outcomes = [outcome(tmp_path, "m@without", counts([5, 6]))]
    (found,) = derive(result(outcomes, "leakage"), lambda _: leaks).outcomes
    assert found.status is status and reason in found.reason and found.record is None
