"""README's tables: what was measured and what a network costs, put between marks; the words around them are people's.

A table stands between ``<!-- made: NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmark.docs_pages.markdown import table
from benchmark.docs_pages.measured import METRICS, Run, metric_column, training
from benchmark.docs_pages.sources import printed
from benchmark.docs_pages.speed import cost_table, read
from benchmark.errors import DataError
from reports.published import DATASETS

SUITE, FIRST, ABLATED = "table1", "nuaa-sirst", "saist_t"


def readme_tables(runs: Sequence[Run]) -> dict[str, str]:
    """Every table of README by the name in its marks.

    ``fast``: what the folder ``fast-cpu`` holds, NUAA-SIRST first, methods as in the paper's Table 1; ``equal``: the
    networks of ``cpu``; ``ablations``: SAIST-T and its variants there; ``costs``: ``perf.py models``.
    """
    order, rows = sorted(DATASETS, key=lambda name: name != FIRST), list(printed()[SUITE])
    runs = sorted(runs, key=lambda run: rows.index(run.base) if run.base in rows else len(rows))
    fast = [run for dataset in order for run in runs if (run.folder, run.dataset) == ("fast-cpu", dataset)]
    equal = [run for run in runs if run.folder == "cpu" and run.records[0].training]
    ablations = [run for run in equal if run.base == ABLATED]
    return {"fast": _results(fast), "equal": _results([run for run in equal if run not in ablations]),
            "ablations": _results(ablations), "costs": cost_table(read()["models"]["rows"])}


def filled(text: str, tables: Mapping[str, str]) -> str:
    """README with each table between its marks. Raises ``DataError`` for a table without marks or marks without one."""
    found = re.findall(r"<!-- made: (\w+) -->", text)
    if sorted(found) != sorted(tables):
        raise DataError(f"README.md: marked tables are {', '.join(found) or 'none'}; expected one each of "
                        f"{', '.join(tables)}, as <!-- made: NAME --> and <!-- end of NAME -->")
    for name, content in tables.items():
        block = f"<!-- made: {name} -->\n\n{content}\n\n<!-- end of {name} -->"
        text, count = re.subn(rf"<!-- made: {name} -->\n.*?<!-- end of {name} -->", lambda _, block=block: block, text,
                              flags=re.DOTALL)
        if count != 1:
            raise DataError(f"README.md: <!-- made: {name} --> has no <!-- end of {name} --> after it")
    return text


def _results(runs: Sequence[Run]) -> str:
    return table(("method", "set", *(metric_column(metric) for metric in METRICS), "training"),
                 [(run.marked, run.dataset_title, *(run.value(metric) for metric in METRICS),
                   training(run.records)) for run in runs], "llrrrrl")
