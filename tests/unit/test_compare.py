"""Comparing methods from their per-image counts: seeds are no images, and a verdict needs more than chance."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmark import compare
from benchmark.cli import run_main
from benchmark.errors import ConfigError
from benchmark.metrics.summary import figures
from benchmark.metrics.target import ImageCounts
from benchmark.records import CellKey, Metric, Record, RecordStore


def image(index, tp, fp=2):
    return ImageCounts(f"im{index}", "standard", pixels=1000, tp=tp, fp=fp, fn=20 - tp, targets=1, paired=int(tp > 0),
                       predicted=1, fa_pixels=fp, fa_area=1000, fa_components=0, pair_iou_sum=0.5)


def test_figures_over_seeds_are_those_that_reports_average():
    runs = [[image(0, 10), image(1, 4)], [image(0, 20, fp=0), image(1, 20, fp=20)]]
    found = figures(compare.over_seeds(runs).sum(axis=0))
    # of each image in each run: 10/22, 4/22, 20/20, 20/40
    assert found["niou"] == pytest.approx((10 / 22 + 4 / 22 + 1 + 0.5) / 4)
    assert found["iou"] == pytest.approx((10 + 4 + 20 + 20) / (22 + 22 + 20 + 40))
    lacking = compare.over_seeds([[image(0, 1)], [replace(image(0, 1), pair_iou_sum=None)]])
    assert figures(lacking.sum(axis=0))["hiou"] != figures(lacking.sum(axis=0))["hiou"]  # NaN: undefined


@pytest.mark.parametrize("other", [[image(1, 10)], [image(0, 10), image(1, 10)]])
def test_runs_on_different_images_are_not_summed(other):
    with pytest.raises(ConfigError, match="different images"):
        compare.over_seeds([[image(0, 10)], other])


def test_more_seeds_do_not_make_an_interval_narrower():
    better, worse = [image(index, 10 + index % 5) for index in range(30)], [image(index, 9) for index in range(30)]

    def width(seeds):
        counts = {"a": compare.over_seeds([better] * seeds), "b": compare.over_seeds([worse] * seeds)}
        (row,) = compare.compare(counts, "a", ["iou"])
        return row["high"] - row["low"]

    assert width(3) == pytest.approx(width(1))


def test_the_command_says_plainly_who_is_better(tmp_path, capsys):
    store = RecordStore(tmp_path)
    methods = {"good": [image(index, 15) for index in range(40)], "same": [image(index, 15) for index in range(40)],
               "poor": [image(index, 5, fp=30) for index in range(40)]}
    for name, counts in methods.items():
        for seed in (0, 1):
            key = CellKey(name, "toy", "official", "fast", seed)
            record = Record(id="x", key=key, config={}, metrics={"iou": Metric(0.5)})
            store.put(record, [row.to_dict() for row in counts])
    command = ["good", "same", "poor", "--dataset", "toy", "--seeds", "0,1", "--work-dir", str(tmp_path)]
    assert run_main(compare.main, command) == 0
    out = capsys.readouterr().out
    # IoU of good is 15 / 22, of poor 5 / 50; the smallest p of 2000 resamples, times two comparisons
    assert "2 seeds, 40 test images" in out
    assert "iou   against poor: +58.18 [+58.18, +58.18] points of IoU, p = 0.002: good is better" in out
    assert "fa    against poor: -28000.00" in out and out.count("good is better") == 3  # IoU, nIoU and Fa
    assert out.count("no difference beyond chance") == 5
    assert run_main(compare.main, [*command, "--json", "--metrics", "iou"]) == 0
    assert [row["against"] for row in json.loads(capsys.readouterr().out)] == ["same", "poor"]


def test_split_and_profile_are_found_where_there_is_one_choice_and_asked_for_where_not(tmp_path, capsys):
    store = RecordStore(tmp_path)
    for method, split, profile in (("a", "official", "cpu"), ("b", "official", "cpu"), ("b", "paper", "cpu"),
                                   ("c", "paper", "cpu")):
        record = Record(id="x", key=CellKey(method, "toy", split, profile, 0), config={}, metrics={"iou": Metric(0.5)})
        store.put(record, [image(index, 9).to_dict() for index in range(4)])

    def said(*arguments: str) -> tuple[int, str]:
        code = run_main(compare.main, [*arguments, "--dataset", "toy", "--work-dir", str(tmp_path)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    code, text = said("a", "b")
    assert code == 0 and "a on toy (official, cpu)" in text
    for arguments, message in [
        (("a", "b", "--seeds", "7"), "no finished cell of a with dataset toy, seeds 7; there are a, b, c"),
        (("a", "b", "--profile", "fast"), "no finished cell of a with dataset toy, profile fast, seeds 0; there are"),
        (("a", "c"), "no split and profile in which all of a, c were run"),
        (("b", "b"), "use --split and --profile: official, cpu; paper, cpu"),
    ]:
        code, text = said(*arguments)
        assert code == 2 and message in text and text.count("\n") == 1
    assert said("b", "c", "--split", "paper")[0] == 0
