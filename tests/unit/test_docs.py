"""The pages of ``docs/``: as their sources say, none left out, none stale, no figure of others among ours."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import configs, docs, run
from benchmark.docs_pages import measured
from benchmark.docs_pages.commands import command_names
from benchmark.docs_pages.differences import differences_page
from benchmark.docs_pages.markdown import prose, table
from benchmark.docs_pages.pages import all_pages, stale
from benchmark.docs_pages.sources import classes
from reports.differences import CAUSES, NAMES, causes_of
from reports.published import DATASETS, load_originals, load_printed


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return all_pages(docs.DOCS)


def table_rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()
            if line.startswith("| ")]


def test_committed_pages_are_what_the_code_says_now_and_making_them_imports_no_torch(project):
    code = ("import sys; from benchmark.docs import main; code = main(['--check']); "
            "print([name for name in ('torch', 'mmcv', 'mmseg') if name in sys.modules]); sys.exit(code)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project)
    assert result.returncode == 0, f"{result.stdout}{result.stderr}; run `python benchmark/docs.py` and commit docs/"
    assert result.stdout.splitlines()[-1] == "[]"


def test_every_command_method_suite_and_dataset_has_its_page(pages):
    wanted = {"commands": command_names(), "methods": configs.known("methods"), "suites": configs.known("suites"),
              "datasets": configs.known("datasets")}
    found = {file for file in pages if "/" in file and not file.startswith("..")}
    assert found == {f"{folder}/{name}.md" for folder, names in wanted.items() for name in names}
    assert {"run", "tune", "predict", "evaluate", "report", "data", "perf", "docs"} <= set(wanted["commands"])


def test_changed_missing_and_left_over_pages_are_stale_and_written_anew(tmp_path, pages, capsys):
    assert docs.main(["--out", str(tmp_path)]) == 0
    pages = {file: text for file, text in pages.items() if not file.startswith("..")}  # no README lies above tmp_path
    assert stale(tmp_path, pages | {"README.md": (tmp_path / "README.md").read_text()}) == []
    (tmp_path / "methods/acm.md").write_text("by hand")
    (tmp_path / "suites/table1.md").unlink()
    (tmp_path / "methods/gone.md").write_text("of a method that is no more")
    capsys.readouterr()
    assert docs.main(["--check", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    for file in ("methods/acm.md", "suites/table1.md", "methods/gone.md"):
        assert f"stale: {tmp_path}/{file}" in said
    assert (tmp_path / "methods/acm.md").read_text() == "by hand", "--check must not write"
    assert docs.main(["--out", str(tmp_path)]) == 0 and docs.main(["--check", "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "methods/gone.md").exists()


def test_the_page_of_run_names_every_option_with_its_help_and_the_examples(pages):
    page = pages["commands/run.md"]
    flags = {flag for action in run._parser()._actions for flag in action.option_strings} - {"-h", "--help"}
    assert flags and not [flag for flag in flags if f"`{flag}" not in page and f", {flag}" not in page]
    assert "| `--jobs N` | cells side by side (default: 1; with --executor ray as many as the cluster has " in page
    assert "everything this machine can do" in page


def test_no_page_says_where_the_repository_lies(pages, project):
    assert not [file for file, text in pages.items() if str(project) in text or str(Path.home()) + "/" in text]


def test_the_page_of_a_method_holds_its_paper_size_parts_recipe_space_and_figures(pages):
    page = pages["methods/acm.md"]
    for text in ("WACV 2021", "385,637", "3.94 G at 256×256", "reconstruction | no", "baselines/acm.py",
                 "Known differences", "Adagrad, lr 0.05", "one of 2, 4, 8", "61.92 [56.65, 66.78]", "3974805e1ae7fb8f",
                 "b3ad49f712", "| NUAA-SIRST | 70.77 | 93.08 | 9.33 |", "74.4"):
        assert text in page, text
    assert "**yes**" in pages["methods/gcinet.md"] and "[A] stated in the abstract" in pages["methods/gcinet.md"]
    assert "66.65 [61.88, 71.58]" in pages["methods/gcinet.md"]
    assert "Not run on real data" in pages["methods/sam_lora.md"]


def test_every_link_of_readme_and_docs_leads_to_a_file(project):
    broken = []
    for page in [project / "README.md", project / "CHANGELOG.md", *(project / "docs").rglob("*.md")]:
        text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" not in target and not (page.parent / target.partition("#")[0]).exists():
                broken.append(f"{page.relative_to(project)}: {target}")
    assert broken == []


def test_differences_hold_every_method_and_set_with_ours_and_the_papers_in_columns_of_their_own(pages):
    runs = {(run.folder, run.method, run.dataset): run for run in measured.read_runs() if not run.own_lists}
    for dataset, title in DATASETS.items():
        section = pages["differences.md"].split(f"## {title}\n")[1].split("\n## ")[0]
        rows = table_rows(section)[1:]
        names = [re.search(r"\(methods/(\w+)\.md\)", row[0])[1] for row in rows]
        assert set(load_printed()["table1"]) <= set(names)
        shown = [(method, *row[2:5]) for method, row in zip(names, rows, strict=True)]
        assert len(shown) == len(set(shown)), "a record that two studies publish is shown once"
        for method, row in zip(names, rows, strict=True):
            ours, paper = row[2:5], row[5:8]
            own = runs.get((row[1], method, dataset))
            if own is None:
                assert ours == ["not run"] * 3 and row[1] == row[10] == "–"
                assert not [name for _, name, where in runs if (name, where) == (method, dataset)]
            else:
                value = own.records[0].metrics["iou"].value
                assert len(own.records) > 1 or ours[0].startswith(f"{100 * value:.2f} [")
                assert "split" in row[10].split(", ")
            table1 = load_printed()["table1"]  # a variant stands beside its method: sam_zero_shot beside sam
            printed = table1[max((name for name in table1 if method.startswith(name)), key=len)][dataset]
            assert paper == [printed["iou"], printed["pd"], printed["fa"]]


def record(method="acm", **config):
    found = next(run.records[0] for run in measured.read_runs() if (run.folder, run.method, run.dataset) ==
                 ("fast-cpu", method, "nuaa-sirst"))
    return replace(found, config=found.config | config)


def test_a_run_on_lists_of_ones_own_stands_beside_no_printed_figure():
    plain = next(run for run in measured.read_runs() if (run.method, run.dataset) == ("acm", "nuaa-sirst"))
    mine = replace(plain, folder="mine", records=tuple(
        replace(one, key=replace(one.key, split="lists/small")) for one in plain.records))
    assert mine.own_lists and not plain.own_lists
    assert differences_page([mine, plain]) == differences_page([plain])


@pytest.mark.parametrize(("cause", "changed", "options"), [
    ("data", {}, {"real": False}), ("reconstruction", {}, {"reconstruction": True}), ("variant", {}, {"variant": True}),
    ("recipe", {"recipe": "common"}, {}), ("protocol", {"evaluation": {"protocol": "dnanet"}}, {}),
    ("epoch choice", "training", {}), ("weights", "weights", {}), ("decision rule", "top_hat", {}),
])
def test_a_cause_is_named_exactly_where_its_rule_holds(cause, changed, options):
    plain = {"real": True, "reconstruction": False}
    letter = next(key for key, name in NAMES.items() if name == cause)
    before = record()
    assert letter not in causes_of([before], **plain)
    if changed == "training":
        after = replace(before, training=before.training | {"selection": "test-best"})
    elif changed == "weights":
        after = replace(before, provenance=before.provenance | {"weights": {"clip_weights": "random"}})
    else:
        after = record("top_hat") if changed == "top_hat" else record(**changed)
    assert letter in causes_of([after], **plain | options)


def test_a_run_of_the_papers_length_size_and_split_keeps_only_what_the_paper_leaves_open():
    found = record(view={"size": [1024, 1024]})
    found = replace(found, key=replace(found.key, split="paper"), training=found.training | {"epochs": 400})
    assert causes_of([found], real=True, reconstruction=False) == ["U"]
    assert NAMES.keys() == CAUSES.keys()


@pytest.mark.parametrize("method", load_originals())
def test_a_figure_of_a_methods_authors_stands_in_the_header_of_its_module(method, project):
    content = configs.load("methods", method)["model"]
    path = classes()[content.get("network", content)["type"]][0]
    text = path.read_text(encoding="utf-8")
    figures = [figure for entry in load_originals()[method] for name, figure in entry.items() if name in DATASETS]
    assert figures and not [figure for figure in figures if figure not in text]


def test_docstrings_become_markdown_without_losing_a_word():
    assert prose("``a|b`` of <x>\nname: next") == "`a|b` of &lt;x>\\\nname: next"
    assert table(("a",), [("x | y",)]).splitlines()[-1] == r"| x \| y |"
    assert table(("a",), []) == ""
