"""Names, titles and reasons that hold markup: every format shows them as text, and none of them becomes markup."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdf
import pytest
import typst
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.captioning.pages import statistics_page
from benchmark.captioning.statistics import statistics
from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult
from reports.build import FORMATS, build_report
from reports.formats import to_csv, to_json, to_markdown
from reports.html import to_html
from reports.latex import escape, to_latex
from reports.parts import Part
from reports.pdf import to_pdf
from reports.style import apply_style, plain
from reports.tables import Table, build_table

FUZZ = settings.get_profile("fuzz")
NASTY = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.lists(st.sampled_from([
    "<script>alert(1)</script>", "</script>", "<!--", "-->", "]]>", "<img src=x onerror=y>", "\"'><b a=", "&amp;",
    "&#60;",
    "\\input{x}", "\\write18{x}", "\\end{tabular}", "$x^$", "%", "#eval(1)", "#import \"x\"", "*b*", "_i_", "`c`", "|",
    "[a](b)",
    "{{ 7*7 }}", "{% x %}", "@cite", "= h", "\n= h", "\r\n", "\t", "~", "^", "\\", "//", "/*", "<label>", "\u2028",
    "\u202e",
    "=1+1", "javascript:x", "é", "日本"]), min_size=1, max_size=3).map("".join)
CLEAN = "Plain"


def table_of(texts: dict[str, str]) -> tuple[Table, SuiteResult]:
    """A result with one method on one dataset, whose texts are these, and the table of it."""
    key = CellKey("method", "dataset", texts["split"], "demo", 0)
    record = Record("0" * 16, key, {"split": texts["split"]}, {"iou": Metric(0.5, 0.4, 0.6)},
                    cost={"params": 3}, training={"epochs": 2, "epoch": 1, "selection": texts["selection"]},
                    provenance={"git": {"commit": texts["commit"], "dirty": True}, "command": texts["command"],
                                "device": texts["device"], "weights": {"kind": texts["weights"]}, "finished": "2026",
                                "versions": {"python": texts["version"]}, "hardware": {"cpu": texts["cpu"]}})
    suite = {"name": "mine", "title": texts["title"], "metrics": ["iou"], "published": None, "seeds": [0],
             "methods": [{"name": name, "title": texts[name], "type": texts["type"], "reconstruction": False}
                         for name in ("method", "other")],
             "datasets": [{"name": "dataset", "title": texts["dataset"], "real": True, "split": texts["split"]}],
             "profile": "demo", "protocol": "standard", "notes": [texts["note"]], "row_head": texts["head"]}
    result = SuiteResult(suite, [Outcome(key, Status.DONE, record=record),
                                 Outcome(replace(key, method="other"), Status.FAILED, texts["reason"])])
    return build_table(result, {}), result


FIELDS = ("split", "selection", "commit", "command", "device", "weights", "version", "cpu", "title", "method", "other",
          "type",
          "dataset", "note", "head", "reason")
TEXTS = st.fixed_dictionaries(dict.fromkeys(FIELDS, NASTY))


def texts(**some: str) -> dict[str, str]:
    """All texts, clean but for some."""
    return {name: f"{CLEAN} {name}" for name in FIELDS} | some


class Tags(HTMLParser):
    """Every tag with the names of its attributes, every text of an element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.inside = ""
        self.words: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attributes)))
        self.inside = tag

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", ()))

    def handle_data(self, data: str) -> None:
        self.words.append((self.inside, data))

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def text_of(self, tag: str) -> str:
        """What stands in the first element of that name."""
        return "".join(data for name, data in self.words if name == tag)


@pytest.fixture(scope="module")
def clean_tags(scratch: Path) -> list[tuple[str, tuple[str, ...]]]:
    """The page's own markup."""
    return Tags(page_of(texts(), scratch)).found


def page_of(own: dict[str, str], folder: Path) -> str:
    """The HTML page of a report with these texts."""
    table, result = table_of(own)
    return to_html([Part(result, table, [{"name": "iou", "file": "", "caption": own["note"]}], folder)], "mine",
                   own["title"])


@settings(FUZZ, max_examples=160)
@given(TEXTS)
@example(texts(title="</title><script>alert(1)</script>", command="</script><!--<script>"))
def test_no_text_becomes_markup_of_the_page(scratch, clean_tags, own: dict[str, str]) -> None:
    tags = Tags(page_of(own, scratch))
    assert tags.found == clean_tags
    (embedded,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page_of(own, scratch),
                             re.DOTALL)
    content = json.loads(embedded)
    assert content["title"] == own["title"]
    assert content["parts"][0]["rows"][0]["title"] == own["method"]
    assert tags.text_of("h1").strip() == own["title"].replace("\r\n", "\n").strip() or "\r" in own["title"]


@settings(FUZZ, max_examples=150)
@given(TEXTS)
@example(texts(method="a|b", dataset="<script>", reason="`x` [a](b) $y$"))
def test_markdown_keeps_its_columns_and_holds_no_tag_but_its_own(own: dict[str, str]) -> None:
    table, _ = table_of(own)
    shown, clean = to_markdown(table), to_markdown(table_of(texts())[0])
    own_tags = {tag for tag, _ in Tags(clean).found}
    assert {tag for tag, _ in Tags(shown).found} <= own_tags
    for line, model in zip(shown.splitlines(), clean.splitlines(), strict=True):
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == len(re.findall(r"(?<!\\)(?:\\\\)*\|", model)), line


@settings(FUZZ, max_examples=140)
@given(NASTY)
@example("\\write18{x}")
@example("x\n%y\n")
def test_a_text_has_no_command_of_its_own_in_latex(text: str) -> None:
    shown = escape(text)
    assert "\n" not in shown
    allowed = r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textasciigrave|dots)\{\}"
    allowed += r"|\\[{}&%$#_]|\$\\(?:pm|times|cdot|rightarrow|approx|geq|uparrow|downarrow)\$"
    rest = re.sub(allowed + r"|\$\^\{[-\d]+\}\$|\{[\[\]]\}", "", shown)
    assert not set(rest) & set("\\{}%$#&_^~"), rest


@settings(FUZZ, max_examples=150)
@given(TEXTS)
@example(texts(command="x\n\\input{/etc/passwd}", reason="\\end{table*}"))
def test_latex_keeps_its_lines_and_environments(own: dict[str, str]) -> None:
    shown, clean = (to_latex(table_of(one)[0]) for one in (own, texts()))
    pattern = r"\\(?:begin|end|input|write\d*|include|caption|label|multicolumn)\{"
    lines = [[line for line in text.splitlines() if not line.startswith("%")] for text in (shown, clean)]
    assert re.findall(pattern, "\n".join(lines[0])) == re.findall(pattern, "\n".join(lines[1]))
    assert len(shown.split("\n")) == len(clean.split("\n"))


@settings(FUZZ, max_examples=150)
@given(TEXTS)
def test_csv_and_json_give_back_what_was_put_in(own: dict[str, str]) -> None:
    table, result = table_of(own)
    rows = list(csv.DictReader(io.StringIO(to_csv(table, result), newline="")))
    assert [row["title"] for row in rows] == [own["method"], own["other"]]
    assert rows[0]["type"] == own["type"]
    assert json.loads(to_json(table))["title"] == own["title"]


@settings(FUZZ, max_examples=12)
@given(TEXTS)
@example(texts(title="#eval(\"1 + 1\") $x^$ *b* _i_ `c` <l> @r", note="\\ #set page(width: 1pt)",
               method="= head [x](y)"))
def test_the_pdf_prints_texts_as_they_are(scratch, own: dict[str, str]) -> None:
    table, result = table_of(own)
    content = to_pdf([Part(result, table, [], scratch)], "mine", own["title"])
    printed = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    kept = [character for character in own["title"]
            if character.isascii() and not character.isspace() and character not in "'\"-"]
    place = 0
    for character in kept:  # hyphenation, ligatures and quotation marks apart: the title's characters in their order
        place = printed.index(character, place) + 1


@settings(FUZZ, max_examples=6)
@given(TEXTS, st.sampled_from(FIELDS))
@example(texts(), "split")
@example(texts(), "command")
def test_every_format_is_written_whatever_bytes_a_name_holds(scratch, no_figures, own, field: str) -> None:
    _, result = table_of(own | {field: own[field] + "\udcff"})
    written = build_report(result, scratch / "report", FORMATS)
    assert set(written) == set(FORMATS)
    assert all(path.stat().st_size for path in written.values())


@pytest.fixture(scope="module")
def no_figures() -> Iterator[None]:
    """Drawing takes seconds; ``plain`` has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.build.draw_figures", lambda *arguments, **more: [])
        yield


@settings(FUZZ, max_examples=60)
@given(st.dictionaries(NASTY, NASTY, min_size=1, max_size=4))
@example({"a": "#panic()", "b": "\"]); #import \"x\""})
def test_a_text_that_reaches_typst_as_data_is_data(scratch, found: dict[str, str]) -> None:
    folder = scratch / "typst"
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    (folder / "report.typ").write_text(
        '#let data = json("report.json")\n#metadata(data) <kept>\n#data.values().join()\n')
    kept = json.loads(typst.query(str(folder / "report.typ"), "<kept>", field="value", one=True, root=str(folder)))
    assert kept == found


@settings(FUZZ, max_examples=120)
@given(st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=3))
@example([("</td><script>x</script>", "<b>")])
@example([("日本", "0"), ("é", "%")])
def test_captions_are_text_on_their_page(found: list[tuple[str, str]]) -> None:
    def tags(name: str, captions: list[tuple[str, str]]) -> set[tuple[str, tuple[str, ...]]]:
        entries = [{"image": str(number), "scene": scene, "scene_class": "sea", "objects": [thing] * 3,
                    "text": f"a photo of {scene} with {thing}"} for number, (scene, thing) in enumerate(captions)]
        return set(Tags(statistics_page([statistics(name, entries, {"target"})])).found)

    own = tags("set", [("sea", "ship"), ("sea", "ship"), ("sky", "target")]) | tags("set", [("sea", "ship")])
    assert tags(found[0][0], found) <= own


@pytest.fixture(scope="module")
def canvas() -> Iterator[Any]:
    """A small figure to write on."""
    import matplotlib.pyplot as plt

    apply_style()
    figure, axis = plt.subplots(figsize=(1, 1))
    yield figure, axis
    plt.close(figure)


@settings(FUZZ, max_examples=80)
@given(NASTY)
@example("a$\\frac$b")
@example("\\$x^$")
def test_a_text_is_no_formula_in_a_figure(canvas, text: str) -> None:
    figure, axis = canvas
    axis.set_title(plain(text))
    figure.canvas.draw()
