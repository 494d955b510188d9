r"""The table as LaTeX: ``table*`` environments for a document that loads booktabs, and graphicx where it is wide."""

from __future__ import annotations

import re

from reports.metric_styles import NOT_RUN, metric_head
from reports.tables import Table, Value

WIDE = 8  # so many columns with intervals fit into a text width; more are scaled down
ESCAPES = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
           "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
           ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
           '"': "''", "±": r"$\pm$", "–": "--", "—": "---", "×": r"$\times$",
           "·": r"$\cdot$", "…": r"\dots{}", "→": r"$\rightarrow$",
           "≈": r"$\approx$", "≥": r"$\geq$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}
DAGGERS = {"†": r"\dagger", "‡": r"\ddagger"}
POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
POWER = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def to_latex(table: Table) -> str:
    r"""Two ``table*`` environments, the paper's figures in the second; a comment says where each cell comes from.

    Needs ``\usepackage{booktabs}``, and ``graphicx`` for more than eight measured columns; any LaTeX engine does.
    """
    columns = table.columns()
    wide = len(columns) > WIDE
    padding = table.padding()
    body = []
    for row in table.rows:
        marks = [DAGGERS[mark] for mark in row.marks] + [str(number) for number in row.notes]
        title = escape(row.title) + (f"$^{{{','.join(marks)}}}$" if marks else "")
        values = [_value(row.values[dataset["name"], metric],
                         padding[dataset["name"], metric].get(row.method, 0)) for dataset, metric in columns]
        body.append(" & ".join([title, escape(row.type), *values]) + r" \\[1.5pt]")
    notes = [rf"$^{{{number}}}$ {escape(text)}." for number, text in enumerate(table.footnotes, start=1)]
    notes += [f"$^{{{DAGGERS[mark]}}}$ {escape(text)}" for mark, text in table.daggers().items()]
    head = "".join(rf"\textbf{{{escape(note)}}} " for note in table.notes)
    groups = [(dataset["title"], len(table.metrics)) for dataset in table.datasets]
    lines = [rf"% needs \usepackage{{booktabs{',graphicx' if wide else ''}}}", *_provenance(table),
             *_environment(groups, [metric_head(metric) for _, metric in columns], body,
                           f"{head}{escape(table.caption)} {' '.join(notes)}".strip(), f"tab:{table.name}", wide=wide,
                           row_head=table.row_head)]
    if table.published:
        keys = table.published_columns()
        body = [" & ".join([escape(row.title), escape(row.type),
                            *(escape(row.values.get(key, NOT_RUN)) for key in keys)]) + r" \\"
                for row in table.published]
        lines += ["", *_environment(table.published_groups(), [metric_head(metric) for _, metric in keys], body,
                                    escape(table.published_caption), f"tab:{table.name}-published", wide=False)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """The text as LaTeX prints it in one paragraph, whatever characters it holds."""
    shown = "".join(ESCAPES.get(character, character) for character in " ".join(text.split()))
    return POWER.sub(lambda found: f"$^{{{found.group().translate(POWERS)}}}$", shown)


def _environment(groups: list[tuple[str, int]], heads: list[str], body: list[str], caption: str, label: str, *,
                 wide: bool, row_head: str = "Type") -> list[str]:
    rules, titles, first = [], ["", ""], 3
    for title, span in groups:
        titles.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(title)}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    names = " & ".join(["Method", escape(row_head), *map(escape, heads)])
    tabular = [rf"\begin{{tabular}}{{ll{'c' * len(heads)}}}", r"\toprule", " & ".join(titles) + r" \\", "".join(rules),
               names + r" \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    if wide:
        tabular = [r"\resizebox{\textwidth}{!}{%", *tabular[:-1], tabular[-1] + "}"]
    return [r"\begin{table*}", r"\centering\scriptsize\setlength{\tabcolsep}{3pt}", rf"\caption{{{caption}}}",
            rf"\label{{{label}}}", *tabular, r"\end{table*}"]


def _provenance(table: Table) -> list[str]:
    shown = ("method", "dataset", "seed", "data", "weights", "epochs", "device", "commit", "finished", "id")
    return ["% " + " | ".join(" ".join(str(origin[name]).split()) for name in shown) for origin in table.origins]


def _value(value: Value, padding: int) -> str:
    note = "" if value.note is None else f"$^{{{value.note}}}$"
    if value.value is None:
        return f"--{note}"
    shown = {1: rf"\textbf{{{value.text}}}", 2: rf"\underline{{{value.text}}}"}.get(value.rank, value.text)
    shown += r"$^{\approx}$" * value.tied + note
    if padding:
        shown = rf"\phantom{{{'0' * padding}}}{shown}"
    if not value.interval:
        return shown
    return rf"\shortstack{{{shown}\\{{\tiny {escape(value.interval)}}}}}"
