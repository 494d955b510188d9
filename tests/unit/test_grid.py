"""Rows, columns and places: which cell fills a place, what suites share, and what may not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import configs, grid
from benchmark.errors import ConfigError
from benchmark.records import CellKey, Outcome, Status
from benchmark.suites import Selection, expand, expand_all, lay_out, load_suite, members
from reports.metric_styles import STYLES

NOWHERE = Path("no-data-here")


def plan(name: str, **more):
    return expand(load_suite(name), Selection("demo", NOWHERE, **more))


def cell_at(found, row: str, column: str = "synth-sirst") -> CellKey:
    (place,) = [place for place in found.places if (place.shown.method, place.shown.dataset) == (row, column)]
    return place.cell


@pytest.mark.parametrize("name", configs.known("suites"))
def test_every_suite_plans_its_cells_without_data_of_ones_own(name):
    for member in members(load_suite(name)):
        found = expand(member, Selection("demo", NOWHERE))
        assert found.cells and len({cell.key for cell in found.cells}) == len(found.cells)
        assert {place.cell for place in found.places} == {cell.key for cell in found.cells} | {
            outcome.key for outcome in found.skipped}


def test_a_method_without_settings_keeps_its_name_and_a_variant_adds_a_hash_of_them():
    row = grid.Row("any", "Any", "", "saist", None)
    assert row.method == "saist"
    settings = {"model.prompts": dict(type="CLIPPrompts", _delete_=True)}
    variant = grid.Row("any", "Any", "", "saist", None, settings)
    renamed = grid.Row("other", "Other", "", "saist", None, dict(settings))
    assert variant.method == renamed.method == "saist+8ac72e23"  # frozen: a new hash would orphan finished cells
    assert grid.Row("any", "Any", "", "saist_b", None, settings).method != variant.method


def test_the_same_cell_in_two_suites_has_one_folder_and_one_identity():
    two, four, five = plan("table2"), plan("table4"), plan("table5")
    assert cell_at(two, "wo_sr_clip") == cell_at(four, "clip")
    assert cell_at(two, "wo_cg_sam") == cell_at(five, "sam")
    assert cell_at(two, "saist") == cell_at(four, "sr_clip") == cell_at(five, "cg_sam")
    by_key = {cell.key: cell.id for found in (two, four, five) for cell in found.cells}
    assert all(by_key[cell.key] == cell.id for found in (two, four, five) for cell in found.cells)


def test_the_suite_of_all_suites_runs_a_shared_cell_once():
    plans = expand_all(members(load_suite("all")), Selection("demo", NOWHERE))
    places = sum(len(found.places) for found in plans)
    cells = {cell.key for found in plans for cell in found.cells}
    shared = {place.cell for found in plans for place in found.places if place.cell in cells}
    assert cells == shared and len(cells) < 0.75 * places
    assert len({cell.id for found in plans for cell in found.cells}) == len(cells)


def test_a_variant_changes_what_it_names_and_nothing_else():
    found = plan("table2")
    full, variant = ({cell.key.method: cell for cell in found.cells}[cell_at(found, row).method].config
                     for row in ("saist", "wo_sr_clip"))
    assert variant["model"]["prompts"] == {"type": "CLIPPrompts"}
    variant["model"]["prompts"] = full["model"]["prompts"]
    assert variant == full


def test_a_setting_that_the_method_does_not_have_is_refused():
    profile, dataset = configs.load("profiles", "demo"), configs.load("datasets", "synth-sirst")["dataset"]
    with pytest.raises(ConfigError, match="saist: its config has no model.promts; did you mean model.prompts"):
        configs.merge(profile=profile, method=configs.load("methods", "saist"), dataset=dataset, split="generated",
                      seed=0, protocol=None, settings={"model.promts": 1})


@pytest.mark.parametrize(("suite", "condition"), [
    ("robustness", "synth-sirst+noise-3"), ("scr", "synth-sirst+scr-5"), ("protocols", "synth-sirst+by-opdc")])
def test_a_condition_shares_the_training_of_its_home_cell_and_is_another_cell(suite, condition):
    found = plan(suite, methods=["acm"])
    (derived,) = [cell for cell in found.cells if cell.key.dataset == condition]
    (home,) = plan("table1", methods=["acm"]).cells
    assert derived.home == home.key and not derived.is_home and home.is_home
    assert derived.training_id == home.training_id and derived.id != home.id


def test_trained_here_and_tested_there_reads_both_sets(tmp_path):
    from PIL import Image

    for name in ("one", "two"):
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
            for index in range(20):
                grey = index * (1 if name == "one" else 2)
                Image.new("L", (16, 16), grey).save(tmp_path / name / part / f"{index}.png")
    paths = [str(tmp_path / name) for name in ("one", "two")]
    found = expand(load_suite("cross"), Selection("fast", tmp_path, methods=["acm"], datasets=paths))
    keys = {cell.key.dataset: cell for cell in found.cells}
    assert set(keys) == {"one", "two", "one+on-two", "two+on-one"}
    crossed = keys["one+on-two"]
    assert crossed.training_id == keys["one"].training_id and crossed.home == keys["one"].key
    assert crossed.test_fingerprint == keys["two"].data_fingerprint != crossed.data_fingerprint


def test_an_untrained_method_has_one_row_for_all_training_sets():
    layout = lay_out(load_suite("cross"), Selection("demo", NOWHERE, methods=["top_hat"]))
    assert [(row.name, row.type) for row in layout.rows] == [("top_hat", "nothing")]


def test_outcomes_are_shown_under_the_names_of_the_suite():
    found = plan("table4")
    outcomes = {cell.key: Outcome(cell.key, Status.PENDING) for cell in found.cells}
    assert [outcome.key.method for outcome in found.ordered(outcomes)] == ["clip", "coop", "sr_clip"]


def test_unknown_kinds_and_fields_are_refused():
    base = dict(name="x", title="X", metrics=("iou",), methods=("acm",))
    with pytest.raises(ConfigError, match="unknown kind 'robust'; did you mean robustness"):
        grid.check_suite(base | dict(kind="robust"), "x.py")
    with pytest.raises(ConfigError, match="a variant is a dict with name, base and title"):
        grid.check_suite(base | dict(methods=(dict(name="a", base="acm", title="A", colour="red"),)), "x.py")


def test_the_metrics_of_a_suite_are_those_that_a_table_can_show():
    assert set(grid.METRICS) == set(STYLES)


def test_a_suite_of_suites_holds_no_other_one():
    with pytest.raises(ConfigError, match="all is itself a suite of suites"):
        members(dict(name="more", title="More", suites=("table1", "all")))


@pytest.mark.realdata
def test_cells_that_were_measured_keep_their_identity(project, real_data_root):
    from benchmark.records import RecordStore

    store = RecordStore(project / "reports/measured/fast-cpu", writable=False)
    found = expand(load_suite("table1"), Selection("fast", real_data_root, methods=["top_hat", "ipi", "acm"],
                                                   split="official", seeds=[0]))
    assert {store.outcome(cell.key, cell.id).status for cell in found.cells} == {Status.DONE}
