"""What a report shows of a store: places of the suite's grid, from the records alone."""

from __future__ import annotations

from pathlib import Path

from benchmark.collect import collect
from benchmark.records import CellKey, Metric, Record, RecordStore, Status
from benchmark.suites import Selection, load_suite


def test_seeds_are_those_of_a_suites_own_methods(tmp_path):
    store = RecordStore(tmp_path)
    for method, seeds in (("saist_t", (0, 1)), ("alcnet", (0,))):
        for seed in seeds:
            key = CellKey(method, "nuaa-sirst", "official", "cpu", seed)
            store.put(Record(id="x", key=key, config={}, metrics={"iou": Metric(0.5)}))

    def seeds_of(suite: str, **asked) -> set[int]:
        result = collect(load_suite(suite), store, Selection(profile="cpu", data_root=Path(), **asked))
        assert sum(outcome.status is Status.DONE for outcome in result.outcomes) > 0
        return {outcome.key.seed for outcome in result.outcomes}

    assert seeds_of("measured_ablations") == {0, 1}
    assert seeds_of("measured_networks") == {0}
    assert seeds_of("measured_networks", seeds=[0, 3]) == {0, 3}
