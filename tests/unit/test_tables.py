"""What the table says beyond single numbers: missing seeds, row footnotes, demonstration, published block."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult
from reports.metric_styles import NOT_RUN, metric_head
from reports.published import load_printed
from reports.tables import build_table

METHODS = {"top_hat": ("Top-Hat", "Traditional"), "acm": ("ACM", "CNN"), "saist": ("SAIST", "CLIP + SAM")}


def done(method="acm", dataset="nuaa-sirst", seed=0, commit="c" * 40, dirty=False, selection="last", day=1,
         **metrics) -> Outcome:
    """A made-up finished cell."""
    found = {"iou": Metric(0.7, 0.6, 0.8), "fa": Metric(10.0, 5.0, 20.0)} | metrics
    key = CellKey(method, dataset, "official", "fast", seed)
    training = {} if method == "top_hat" else {"epochs": 9, "epoch": 9, "selection": selection}
    return Outcome(key, Status.DONE, record=Record("1" * 16, key, {}, found, training=training, provenance={
        "git": {"commit": commit, "dirty": dirty}, "weights": {"kind": "random"}, "finished": f"2026-01-{day:02d}"}))


def missing(status, reason="", method="acm", seed=0) -> Outcome:
    return Outcome(CellKey(method, "nuaa-sirst", "official", "fast", seed), status, reason)


def table(outcomes, datasets=("nuaa-sirst",), seeds=(0,), published="table1", profile="fast", notes=(), real=True):
    suite = {"name": "t", "title": "T", "published": published, "metrics": ("iou", "fa"), "seeds": list(seeds),
             "methods": [{"name": name, "title": title, "type": kind, "reconstruction": False}
                         for name, (title, kind) in METHODS.items()],
             "datasets": [{"name": name, "title": name.upper(), "real": real, "split": "official"}
                          for name in datasets],
             "profile": profile, "protocol": "standard", "notes": list(notes)}
    return build_table(SuiteResult(suite, outcomes), load_printed())


def cell(built, method="acm", metric="iou", dataset="nuaa-sirst"):
    (row,) = [row for row in built.rows if row.method == method]
    return row.values[dataset, metric]


def row_notes(built, method):
    (row,) = [row for row in built.rows if row.method == method]
    return [built.footnotes[number - 1] for number in row.notes]


def test_seeds_that_are_missing_from_a_mean_are_told_with_their_reasons():
    outcomes = [done(seed=0, iou=Metric(0.70)), done(seed=1, iou=Metric(0.74)),
                missing(Status.FAILED, "out of memory", seed=2), missing(Status.PENDING, seed=3)]
    built = table(outcomes, seeds=(0, 1, 2, 3))
    found = cell(built)
    assert (found.text, found.interval, found.seeds) == ("72.00", "± 2.83 (n=2)", (0, 1))
    assert found.spread == pytest.approx(0.0282842712)
    assert built.footnotes[found.note - 1] == "without seed 2 (failed: out of memory); seed 3 (not run yet)"


def test_one_finished_seed_of_several_keeps_its_interval_and_is_not_called_a_mean():
    built = table([done(seed=0), missing(Status.PENDING, seed=1)], seeds=(0, 1))
    assert cell(built).interval == "[60.00, 80.00]" and cell(built).spread is None
    assert built.footnotes[cell(built).note - 1] == "without seed 1 (not run yet)"
    assert "over n of 2 seeds" in built.caption and "one seed alone" in built.caption


def test_seeds_that_are_all_missing_for_different_reasons_are_told_one_by_one():
    built = table([missing(Status.FAILED, "a", seed=0), missing(Status.FAILED, "a", seed=1),
                   missing(Status.STALE, "config changed", seed=2)], seeds=(0, 1, 2))
    assert cell(built).text == NOT_RUN
    assert built.footnotes[cell(built).note - 1] == "seeds 0, 1 (failed: a); seed 2 (stale: config changed)"


def test_a_metric_that_a_record_lacks_is_a_dash_and_not_a_crash():
    outcome = done()
    del outcome.record.metrics["fa"]
    built = table([outcome])
    assert built.footnotes[cell(built, metric="fa").note - 1] == "not in this record"


def test_footnotes_about_a_whole_row_are_attached_to_that_row():
    built = table([done("top_hat", commit="a" * 40, day=1), done("acm", dirty=True, day=2),
                   done("saist", selection="test-best", day=2)])
    assert ["more than one commit" in text for text in row_notes(built, "top_hat")] == [True]
    assert "uncommitted changes" in row_notes(built, "acm")[-1]
    assert "chosen on test images" in row_notes(built, "saist")[-1]
    used = {number for row in built.rows for number in row.notes} | {
        value.note for row in built.rows for value in row.values.values() if value.note is not None}
    assert used == set(range(1, len(built.footnotes) + 1))  # no footnote without its place


def test_a_row_that_was_trained_in_another_precision_than_float32_says_so():
    half = done("acm")
    half = replace(half, record=replace(half.record, config={"model": {"autocast": "bfloat16"}}))
    assert row_notes(table([half]), "acm") == ["random initial weights; 9 epochs on NUAA-SIRST (last); in bfloat16"]


def test_trained_rows_say_with_what_they_began_and_how_long():
    built = table([done("top_hat"), done("acm")])
    assert row_notes(built, "acm") == ["random initial weights; 9 epochs on NUAA-SIRST (last)"]
    assert row_notes(built, "top_hat") == []


@pytest.mark.parametrize(("real", "profile"), [(False, "fast"), (True, "demo"), (False, "demo")])
def test_generated_images_and_the_demo_profile_are_headed_as_a_demonstration(real, profile):
    (note,) = table([done()], real=real, profile=profile).notes
    assert note.startswith("Demonstration: ")


def test_a_demonstration_notice_of_the_suite_is_not_doubled_and_real_runs_have_none():
    assert table([done()], real=False, notes=["Demonstration: mine"]).notes == ["Demonstration: mine"]
    assert table([done()]).notes == []


def test_published_figures_are_those_of_the_datasets_that_were_asked_for():
    built = table([], datasets=("irstd-1k", "nuaa-sirst"))
    assert {dataset for dataset, _ in built.published_columns()} == {"irstd-1k", "nuaa-sirst"}
    assert "not our measurement" in built.published_caption and "Table 1" in built.published_caption


def test_beside_other_data_all_published_figures_are_shown_and_called_incomparable():
    built = table([], datasets=("synth-sirst",), real=False)
    assert built.published_groups() == [("NUDT-SIRST", 3), ("IRSTD-1k", 3), ("NUAA-SIRST", 3)]
    assert "nothing in the two tables can be compared" in built.published_caption


def test_tables_without_datasets_in_the_paper_are_published_too():
    built = table([], published="table3")
    (row,) = built.published
    assert row.values["", "trainable_params_m"] == "389.57"
    assert [metric_head(metric) for _, metric in built.published_columns()][0] == "Trainable (M)"


def test_nothing_is_published_where_the_suite_names_no_table():
    assert table([done()], published=None).published == []


def test_padding_brings_decimal_points_under_each_other():
    built = table([done("top_hat", fa=Metric(1234.5)), done("acm", fa=Metric(9.0)), done("saist", fa=Metric(56.0))])
    assert built.padding()["nuaa-sirst", "fa"] == {"top_hat": 0, "acm": 3, "saist": 2}


def test_every_finished_cell_leaves_its_provenance_in_the_table():
    (origin,) = table([done(dirty=True)]).origins
    assert (origin["method"], origin["data"], origin["weights"], origin["seed"]) == ("ACM", "real", "random", 0)
    assert (origin["epochs"], origin["commit"]) == ("9 of 9, last", "c" * 10 + "+")
