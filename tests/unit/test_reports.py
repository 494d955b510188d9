"""Tables, their formats and the PDF, from made-up records: what is printed is what was measured, and explained."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from pypdf import PdfReader

from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult
from reports import figures
from reports.build import build_report
from reports.formats import to_csv, to_json, to_latex, to_markdown
from reports.metric_styles import NOT_RUN
from reports.origin import origins
from reports.published import load_printed, load_published
from reports.tables import build_table

METHODS = {"ipi": "IPI", "top_hat": "Top-Hat", "acm": "ACM", "gcinet": "GCI-Net", "saist": "SAIST"}
NASTY = r"a_b 100% & #1 $x$ {y} \alpha ~ ^ <script>alert('x')</script> |pipe| *star* `tick` [[1]] @ref"


def record(method="acm", dataset="nuaa-sirst", seed=0, iou=0.7123, dirty=False, commit="c" * 40, **metrics) -> Record:
    values = {"iou": Metric(iou, iou - 0.02, iou + 0.03), "niou": Metric(0.65, 0.6, 0.7), "pd": Metric(0.95, 0.9, 0.99),
              "fa": Metric(21.456, 11.1, 40.2), "target_auc": Metric(0.99), "pixel_auc": Metric(0.97)}
    steps = [index / 10 for index in range(11)]
    training = {} if method in ("ipi", "top_hat") else {
        "epochs": 45, "epoch": 45, "selection": "last", "curve": [{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.7}]}
    return Record(
        id="0123456789abcdef", key=CellKey(method, dataset, "official", "fast", seed), config={},
        metrics=values | metrics,
        roc={"thresholds": steps, "tpr": steps[::-1], "fpr": steps[::-1], "pd": steps[::-1],
             "fa": [value / 1000 for value in steps[::-1]]},
        cost={"params": 385637, "trainable_params": 385637, "macs": 3940000000, "macs_input": [256, 256],
              "latency_ms": 63.5, "train_seconds": 1234.0, "peak_memory_mb": 800.0},
        training=training,
        provenance={"git": {"commit": commit, "dirty": dirty}, "versions": {"python": "3.11.7", "torch": "2.13.0"},
                    "hardware": {"cpu": "Test CPU", "cores": 2, "memory_gb": 24.0, "gpu": []}, "device": "cpu",
                    "threads": 2, "data": {"fingerprint": "f" * 16, "real": True}, "weights": {"kind": "random"},
                    "started": "2026-01-02T03:04:05Z", "finished": "2026-01-02T04:04:05Z"})


def result(outcomes, datasets=("nuaa-sirst",), metrics=("iou", "niou", "pd", "fa"), seeds=(0,), notes=(),
           methods=tuple(METHODS)) -> SuiteResult:
    suite = {
        "name": "table1", "title": "Comparison", "published": "table1", "metrics": list(metrics), "seeds": list(seeds),
        "methods": [{"name": name, "title": METHODS[name], "type": "CNN", "reconstruction": name == "gcinet"}
                    for name in methods],
        "datasets": [{"name": name, "title": name.upper(), "real": True, "split": "official"} for name in datasets],
        "profile": "fast", "profile_title": "fast", "protocol": "standard", "notes": list(notes)}
    return SuiteResult(suite, outcomes)


def done(**values) -> Outcome:
    found = record(**values)
    return Outcome(found.key, Status.DONE, record=found)


def missing(method, status, reason="", dataset="nuaa-sirst") -> Outcome:
    return Outcome(CellKey(method, dataset, "official", "fast", 0), status, reason)


def mixed() -> SuiteResult:
    return result([
        done(method="ipi", iou=0.5), done(method="top_hat", iou=0.6), done(method="acm", iou=0.7),
        missing("gcinet", Status.FAILED, NASTY), missing("saist", Status.SKIPPED, "not implemented in this version")])


def cell(table, method, metric="iou", dataset="nuaa-sirst"):
    (row,) = [row for row in table.rows if row.method == method]
    return row.values[dataset, metric]


def test_numbers_are_scaled_and_rounded_once_and_kept_unrounded():
    found = cell(build_table(result([done(iou=0.712345)]), {}), "acm")
    assert (found.text, found.value) == ("71.23", 0.712345)
    assert found.interval == "[69.23, 74.23]"
    assert cell(build_table(result([done()]), {}), "acm", "fa").text == "21.46"


def test_best_is_bold_and_second_best_underlined_among_measured_values():
    table = build_table(mixed(), load_printed())
    assert [cell(table, name).rank for name in METHODS] == [0, 2, 1, 0, 0]
    markdown, latex = to_markdown(table), to_latex(table)
    assert "**70.00**" in markdown and "<u>60.00</u>" in markdown
    assert r"\textbf{70.00}" in latex and r"\underline{60.00}" in latex


def test_less_false_alarm_is_better_and_equal_prints_are_marked_equally():
    outcomes = [done(method="ipi", fa=Metric(9.991)), done(method="top_hat", fa=Metric(10.5)),
                done(method="acm", fa=Metric(30.0)), done(method="saist", fa=Metric(9.9912))]
    table = build_table(result(outcomes), {})
    assert [cell(table, name, "fa").rank for name in ("ipi", "saist", "top_hat", "acm")] == [1, 1, 2, 0]
    assert cell(build_table(result([done()]), {}), "acm").rank == 0  # alone is not best


def test_the_fa_of_a_method_that_found_nothing_is_not_the_best():
    table = build_table(result([
        done(method="ipi", fa=Metric(0.0), pd=Metric(0.0)), done(method="top_hat", fa=Metric(2.0)),
        done(method="acm", fa=Metric(3.0))]), {})
    assert [cell(table, name, "fa").rank for name in ("ipi", "top_hat", "acm")] == [0, 1, 2]
    assert cell(table, "ipi", "fa").text == "0.00"


def test_one_seed_that_found_nothing_keeps_a_mean_of_fa_from_being_the_best():
    table = build_table(result([
        done(method="ipi", fa=Metric(2.0)), done(method="ipi", seed=1, fa=Metric(0.0), pd=Metric(0.0)),
        *(done(method=name, seed=seed, fa=Metric(fa)) for name, fa in (("top_hat", 3.0), ("acm", 4.0))
          for seed in (0, 1))], seeds=(0, 1)), {})
    assert [cell(table, name, "fa").rank for name in ("ipi", "top_hat", "acm")] == [0, 1, 2]


def test_a_table_without_trained_methods_names_no_recipe():
    untrained, trained = result([done(method="ipi")]), result([done(method="ipi"), done(method="acm")])
    for one in (untrained, trained):
        one.suite["recipe"] = "common"
    assert "Trained by" not in build_table(untrained, {}).caption
    assert "Trained by one common recipe." in build_table(trained, {}).caption


def test_a_table_of_two_recipes_says_so_in_words():
    both = result([done(method="acm")])
    both.suite["recipe"] = "authors and common"
    assert ("Trained by different recipes (each method's own recipe where it has one; one common recipe), as the "
            "provenance says of each.") in build_table(both, {}).caption


def test_what_did_not_run_is_a_dash_with_its_reason_and_one_reason_is_one_footnote():
    outcomes = [missing("saist", Status.SKIPPED, "no data"), missing("gcinet", Status.SKIPPED, "no data"),
                missing("acm", Status.PENDING), missing("ipi", Status.FAILED, "out of memory")]
    table = build_table(result(outcomes), {})
    assert table.footnotes == ["failed: out of memory", "not part of this suite", "not run yet", "not run: no data"]
    assert (cell(table, "saist").text, cell(table, "saist").note) == (NOT_RUN, 4)
    assert cell(table, "gcinet").note == 4


def test_an_undefined_metric_says_why():
    table = build_table(result([done(pd=Metric(None, reason="no target in the set"))]), {})
    found = cell(table, "acm", "pd")
    assert found.value is None and table.footnotes[found.note - 1] == "no target in the set"


def test_several_seeds_become_mean_and_spread_with_their_number():
    outcomes = [done(seed=0, iou=0.70), done(seed=1, iou=0.72), done(seed=2, iou=0.74)]
    found = cell(build_table(result(outcomes, seeds=(0, 1, 2)), {}), "acm")
    assert (found.text, found.interval, found.seeds) == ("72.00", "± 2.00 (n=3)", (0, 1, 2))


def test_mixed_commits_uncommitted_changes_and_test_selection_are_told():
    chosen = record(method="saist", iou=0.8)
    chosen.training["selection"] = "test-best"
    outcomes = [done(method="ipi", commit="a" * 40), done(method="acm", commit="b" * 40, dirty=True),
                Outcome(chosen.key, Status.DONE, record=chosen)]
    notes = " ".join(build_table(result(outcomes), {}).footnotes)
    assert "more than one commit" in notes and "uncommitted changes" in notes and "chosen on test images" in notes


def test_published_figures_stay_in_a_table_of_their_own():
    table = build_table(mixed(), load_printed())
    assert {row.method: row.values["nuaa-sirst", "iou"] for row in table.published}["saist"] == "80.82"
    measured = to_markdown(table).split("## As published")[0]
    assert "80.82" not in measured and "80.82" in to_markdown(table)
    assert not any("80.82" in line for line in to_csv(table, mixed()).splitlines())


def test_demonstration_notes_head_every_format(tmp_path):
    found = result([done()], notes=["Demonstration: small runs"])
    table = build_table(found, {})
    assert to_markdown(table).splitlines()[2] == "> **Demonstration: small runs**"
    assert "Demonstration: small runs" in to_latex(table) and "Demonstration" in to_json(table)
    pdf = build_report(found, tmp_path, formats=["pdf"])["pdf"]
    assert "Demonstration: small runs" in PdfReader(pdf).pages[0].extract_text()


def test_csv_has_a_line_for_each_cell_with_value_and_provenance():
    rows = list(csv.DictReader(io.StringIO(to_csv(build_table(mixed(), {}), mixed()))))
    assert len(rows) == 5 * 4
    acm = next(row for row in rows if (row["method"], row["metric"]) == ("acm", "iou"))
    assert (acm["text"], float(acm["value"]), acm["status"], acm["seeds"]) == ("70.00", 0.7, "done", "0")
    assert (acm["weights"], acm["epochs"], acm["device"], acm["real"]) == ("random", "45", "cpu", "True")
    failed = next(row for row in rows if row["method"] == "gcinet")
    assert failed["value"] == "" and failed["reason"] == f"failed: {NASTY}"


def test_a_network_that_ran_in_half_precision_says_so_and_no_other():
    half, plain = done(method="acm"), done(method="saist")
    half.record.config["model"], half.record.provenance["finished"] = {"autocast": "bfloat16"}, "2026-01-03T00:00:00Z"
    found = result([half, plain], methods=("acm", "saist"))
    assert [origin["device"] for origin in origins(found)] == ["cpu, bfloat16", "cpu"]
    rows = csv.DictReader(io.StringIO(to_csv(build_table(found, {}), found)))
    assert {row["method"]: row["precision"] for row in rows} == {"acm": "bfloat16", "saist": ""}


def test_json_holds_no_nan_and_reads_back():
    content = json.loads(to_json(build_table(mixed(), load_printed())))
    assert content["rows"][2]["values"]["nuaa-sirst/iou"]["value"] == 0.7


def test_latex_is_balanced_and_escaped():
    latex = to_latex(build_table(mixed(), load_printed()))
    assert r"100\%" in latex and r"a\_b" in latex and r"\textbackslash{}alpha" in latex
    unescaped = re.sub(r"\\[{}]", "", latex.replace(r"\\", ""))
    assert unescaped.count("{") == unescaped.count("}")
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {5}  # method, type and four metrics
    for name in ("table*", "tabular"):
        assert latex.count(rf"\begin{{{name}}}") == latex.count(rf"\end{{{name}}}") == 2


def test_markdown_escapes_what_would_be_markup():
    footnotes = to_markdown(build_table(mixed(), {}))
    assert "<script>" not in footnotes and "\\|pipe\\|" in footnotes and "\\*star\\*" in footnotes


def test_every_number_of_the_csv_stands_in_the_pdf_and_two_builds_are_equal_byte_for_byte(tmp_path):
    first, second = (build_report(mixed(), tmp_path / name) for name in ("one", "two"))
    assert set(first) == {"md", "csv", "tex", "json", "pdf", "html"}
    for kind in first:
        assert first[kind].read_bytes() == second[kind].read_bytes(), kind
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(first["pdf"]).pages).split())
    for row in csv.DictReader(io.StringIO(first["csv"].read_text())):
        assert row["text"] in text
    assert "0123456789abcdef" in text and "ffffffffffffffff" in text and "385,637" in text  # where it comes from, cost
    assert "<script>" in text and "80.82" in text  # shown as text, not run; published apart


def test_no_line_leads_where_no_threshold_was_measured(monkeypatch, tmp_path):
    saturated = record()
    saturated.roc.update(thresholds=[0.0, 0.5, 1.0], fa=[2e-3, 1e-5, 0.0], pd=[0.9, 0.8, 0.0],
                         fpr=[0.3, 0.0, 0.0], tpr=[0.9, 0.6, 0.0])
    drawn = {}
    monkeypatch.setattr(figures, "save", lambda figure, folder, name: drawn.update({name: figure}))
    figures.draw_figures(result([Outcome(saturated.key, Status.DONE, record=saturated)]), tmp_path)
    for name, points in (("roc_target", [(2e-3, 0.9), (1e-5, 0.8)]),
                         ("roc_pixel", [(1.0, 1.0), (0.3, 0.9), (figures.RATE_FLOOR, 0.6)])):
        (line,) = drawn[name].axes[0].lines
        assert [tuple(point) for point in line.get_xydata()] == points


def test_times_of_different_processors_are_not_offered_for_comparison(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "save", lambda *_: None)
    outcomes = [done(method="acm"), done(method="saist")]

    def caption() -> str:
        return next(figure["caption"] for figure in figures.draw_figures(result(outcomes), tmp_path)
                    if figure["name"] == "speed")

    assert "not comparable" not in caption()
    outcomes[1].record.provenance["hardware"]["cpu"] = "Another CPU"
    assert "different processors" in caption()


def test_nothing_done_still_makes_a_report(tmp_path):
    outcomes = [missing(name, Status.PENDING) for name in METHODS]
    written = build_report(result(outcomes), tmp_path)
    assert all(path.stat().st_size > 100 for path in written.values())
    assert NOT_RUN in PdfReader(written["pdf"]).pages[0].extract_text()


def test_three_datasets_stand_side_by_side_on_one_page(tmp_path):
    datasets = ("nudt-sirst", "irstd-1k", "nuaa-sirst")
    outcomes = [done(method=method, dataset=dataset, iou=0.5 + index / 100)
                for index, (method, dataset) in enumerate((m, d) for m in METHODS for d in datasets)]
    written = build_report(result(outcomes, datasets=datasets), tmp_path)
    first = PdfReader(written["pdf"]).pages[0].extract_text()
    assert all(f"{50 + index}.00" in first for index in range(15)) and all(name.upper() in first for name in datasets)


# Typed from the paper, independently of the file.
@pytest.mark.parametrize(("path", "printed"), [
    ("table1.saist.nuaa-sirst.iou", 80.82), ("table1.saist.nudt-sirst.fa", 1.31), ("table1.saist.irstd-1k.pd", 96.18),
    ("table1.ipi.nuaa-sirst.iou", 1.09), ("table1.ipi.nuaa-sirst.fa", 30467), ("table1.top_hat.nudt-sirst.fa", 174.1),
    ("table1.mslstipt.nuaa-sirst.pd", 0.052), ("table1.acm.irstd-1k.iou", 62.41),
    ("table1.fc3net.nudt-sirst.fa", 23.922), ("table1.dnanet.irstd-1k.pd", 93.3),
    ("table1.gcinet.nudt-sirst.iou", 92.43),
    ("table1.sam_hq.nuaa-sirst.fa", 6.87),
    ("table1.sctransnet.nuaa-sirst.iou", 77.50), ("table2.wo_cg_sam.nuaa-sirst.fa", 8.53),
    ("table3.sam_clip.trainable_params_m", 383.28), ("table3.saist.inference_s", 0.081), ("table3.saist.avg_fa", 2.31),
    ("table4.coop.nuaa-sirst.pd", 98.56), ("table5.hq_sam.nuaa-sirst.iou", 79.45), ("table5.sam.nuaa-sirst.fa", 5.23),
])
def test_published_figures_are_the_papers(path, printed):
    node = load_published()
    for key in path.split("."):
        node = node[key]
    assert node == printed


def test_published_table_1_is_complete():
    table = load_published()["table1"]
    assert list(table) == ["ipi", "top_hat", "mslstipt", "acm", "alcnet", "fc3net", "isnet", "dnanet", "uiunet",
                           "dim2clear", "gcinet", "iaanet", "sctransnet", "sam", "sam_hq", "saist"]
    for row in table.values():
        assert list(row) == ["nudt-sirst", "irstd-1k", "nuaa-sirst"]
        assert all(set(figures) == {"iou", "pd", "fa"} for figures in row.values())
