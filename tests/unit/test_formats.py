"""What each format adds to the table: escapes, provenance, and numbers that stay what they are."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess

import pytest

from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult
from reports.formats import to_csv, to_json, to_latex, to_markdown
from reports.latex import escape
from reports.published import load_printed
from reports.tables import build_table

NASTY = "a_b 100% & #1 $x$ {y} \\alpha ~ ^ <script> |p| *s* `t` [[1]] \"q\" 'r' 10⁻⁶ ± – →\n\nnext\tline"
DATASETS = ("nudt-sirst", "irstd-1k", "nuaa-sirst")


def result(datasets=("nuaa-sirst",), seeds=(0,), notes=(), reason=NASTY) -> SuiteResult:
    """ACM done on every dataset and seed, GCI-Net failed; made-up values."""
    methods = {"acm": "ACM", "gcinet": "GCI-Net"}
    suite = {"name": "table1", "title": "Title", "published": "table1", "metrics": ("iou", "niou", "pd", "fa"),
             "methods": [{"name": name, "title": title, "type": "CNN", "reconstruction": name == "gcinet"}
                         for name, title in methods.items()],
             "datasets": [{"name": name, "title": name.upper(), "real": True, "split": "official"}
                          for name in datasets],
             "seeds": list(seeds), "profile": "fast", "protocol": "standard", "notes": list(notes)}
    outcomes = []
    for dataset in datasets:
        for seed in seeds:
            key = CellKey("acm", dataset, "official", "fast", seed)
            record = Record("ab" * 8, key, {"seed": seed}, {
                "iou": Metric(0.7123456789 + seed / 100, 0.69, 0.74), "niou": Metric(0.65, 0.6, 0.7),
                "pd": Metric(None, reason="no target in the set"), "fa": Metric(21.456, 11.1, 1040.2)},
                training={"epochs": 45, "epoch": 40, "selection": "val-best"},
                provenance={"git": {"commit": "d" * 40, "dirty": True}, "device": "cpu",
                            "data": {"fingerprint": "f" * 16, "real": True},
                            "weights": {"kind": "pretrained", "name": "vit_b"}, "finished": "2026-01-02T04:04:05Z"})
            outcomes.append(Outcome(key, Status.DONE, record=record))
            outcomes.append(Outcome(CellKey("gcinet", dataset, "official", "fast", seed), Status.FAILED, reason))
    return SuiteResult(suite, outcomes)


def rows_of(found: SuiteResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(build_table(found, {}), found))))


def test_csv_keeps_every_digit_and_says_where_a_number_comes_from():
    row = rows_of(result())[0]
    assert float(row["value"]) == 0.7123456789 and (row["text"], row["unit"]) == ("71.23", "10⁻²")
    expected = {"real": "True", "weights": "pretrained", "epochs": "45", "epoch": "40", "selection": "val-best",
                "n_seeds": "1", "seeds": "0", "device": "cpu", "commit": "d" * 40, "dirty": "True", "data": "f" * 16,
                "records": "ab" * 8, "status": "done"}
    assert {name: row[name] for name in expected} == expected


def test_csv_of_several_seeds_has_a_spread_and_no_interval():
    row = rows_of(result(seeds=(0, 1, 2)))[0]
    assert (row["n_seeds"], row["seeds"], row["low"], row["high"]) == ("3", "0 1 2", "", "")
    assert float(row["spread"]) == pytest.approx(0.01)


def test_csv_says_why_there_is_no_value_and_carries_the_notes():
    rows = rows_of(result(notes=["Demonstration: no result"]))
    pd = next(row for row in rows if (row["method"], row["metric"]) == ("acm", "pd"))
    assert (pd["value"], pd["text"], pd["reason"]) == ("", "–", "no target in the set")
    failed = next(row for row in rows if row["method"] == "gcinet")
    assert failed["reason"] == f"failed: {NASTY}" and failed["n_seeds"] == "0"
    assert all(row["notes"] == "Demonstration: no result" for row in rows)


def test_markdown_has_as_many_columns_in_every_row_of_every_table():
    text = to_markdown(build_table(result(DATASETS), load_printed()))
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "pretrained vit\\_b" in blocks[2] and "40 of 45, val-best" in blocks[2] and "d" * 10 + "+" in blocks[2]


def test_markdown_text_opens_no_markup_and_no_formula():
    line = next(line for line in to_markdown(build_table(result(), {})).splitlines() if "failed:" in line)
    for raw in ("<", " |p", " *s", " `t", " [[", " $x$", "a_b"):
        assert raw not in line
    assert "next line" in line and "\\$x\\$" in line


def test_json_reads_back_with_provenance_and_without_nan():
    content = json.loads(to_json(build_table(result(), load_printed())))
    assert content["rows"][0]["values"]["nuaa-sirst/iou"]["value"] == 0.7123456789
    assert content["origins"][0]["weights"] == "pretrained vit_b"
    assert content["published"][0]["values"]["nuaa-sirst/iou"] == "70.77"


def test_latex_escapes_are_one_paragraph_and_balanced():
    shown = escape(NASTY)
    assert "\n" not in shown and "\t" not in shown
    bare = re.sub(r"\\[{}]", "", shown)
    assert bare.count("{") == bare.count("}")
    for special in "%&#_":
        assert not re.search(rf"(?<!\\){special}", shown)
    assert escape("in 10⁻⁶") == "in 10$^{-6}$" and escape("[a]") == "{[}a{]}"


@pytest.mark.parametrize("datasets", [("nuaa-sirst",), DATASETS])
def test_latex_rows_have_as_many_cells_as_the_tabular_has_columns(datasets):
    latex = to_latex(build_table(result(datasets), load_printed()))
    tabulars = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", latex, flags=re.S)
    assert len(tabulars) == 2
    for columns, body in tabulars:
        for line in body.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines():
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
    assert (r"\resizebox" in latex) == ("graphicx" in latex.splitlines()[0]) == (len(datasets) > 2)


def test_latex_tells_the_provenance_in_comments_and_the_demonstration_first():
    latex = to_latex(build_table(result(notes=["Demonstration: no result"]), {}))
    assert re.search(r"^% ACM \| NUAA-SIRST \| 0 \| real \| pretrained vit_b \| 40 of 45", latex, flags=re.M)
    assert r"\caption{\textbf{Demonstration: no result} " in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine")
def test_latex_compiles_with_booktabs_and_graphicx_alone(tmp_path):
    found = result(DATASETS, notes=[NASTY.replace("→", "")])
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}" + "\n"
        + to_latex(build_table(found, load_printed())) + r"\end{document}", encoding="utf-8")
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "t.tex"],
                          cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
