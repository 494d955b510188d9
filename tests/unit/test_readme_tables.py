"""README's tables: made of the records, between marks, with people's words untouched."""

from __future__ import annotations

import pytest

from benchmark import docs
from benchmark.docs_pages import measured
from benchmark.docs_pages.readme import filled, readme_tables
from benchmark.errors import DataError

TEXT = """# A project

<!-- made: costs -->
| what stood here |
<!-- end of costs -->

Words \\1 of people.

<!-- made: fast -->
<!-- end of fast -->
"""


def test_tables_are_put_between_their_marks_and_words_stay():
    once = filled(TEXT, {"costs": "| a |\n| \\g<0> |", "fast": "| b |"})
    assert once == filled(once, {"costs": "| a |\n| \\g<0> |", "fast": "| b |"}), "a second time changes nothing"
    assert "| a |\n| \\g<0> |" in once and "| b |" in once and "what stood here" not in once
    assert once.startswith("# A project\n") and "\nWords \\1 of people.\n" in once


@pytest.mark.parametrize(("text", "tables", "said"), [
    (TEXT, {"costs": ""}, "marked tables are costs, fast; expected one each of costs"),
    ("no marks", {"costs": ""}, "marked tables are none"),
    (TEXT.replace("<!-- end of fast -->", ""), {"costs": "", "fast": ""}, "made: fast --> has no <!-- end of fast"),
])
def test_marks_that_do_not_fit_are_told(text, tables, said):
    with pytest.raises(DataError, match=said):
        filled(text, tables)


def test_readme_holds_every_measured_method_once_a_set_with_its_interval_and_training(project):
    tables = readme_tables(measured.read_runs())
    rows = [line.split(" | ") for line in tables["fast"].splitlines()[2:]]
    assert len({(row[0], row[1]) for row in rows}) == len(rows) >= 18
    assert "| ACM | NUAA-SIRST | 61.92 [56.65, 66.78] |" in tables["fast"]
    assert "45 epochs at 256×256, 47 min, authors' recipe, last epoch" in tables["fast"]
    assert all(row[0] != "| IPI" for row in (line.split(" | ") for line in tables["equal"].splitlines()))
    assert "20 epochs at 256×256" in tables["equal"] and "bfloat16, common recipe" in tables["equal"]
    text = (project / "README.md").read_text(encoding="utf-8")
    assert all(table in text for table in tables.values())


def test_a_readme_that_was_changed_by_hand_is_stale(tmp_path, project, capsys):
    readme = (project / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(readme.replace("61.92 [56.65, 66.78]", "71.92 [56.65, 66.78]", 1))
    assert docs.main(["--out", str(tmp_path / "docs")]) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == readme
    capsys.readouterr()
    assert docs.main(["--check", "--out", str(tmp_path / "docs")]) == 0
