"""The page of measured speeds and README's table of costs: the figures of the files, ours and official ones apart."""

from __future__ import annotations

import json

from benchmark.docs_pages.speed import cost_table, read, speed_page
from benchmark.timing.comparison import Comparison

PROVENANCE = {"git": {"commit": "0123456789abcdef", "dirty": True}, "versions": {"torch": "2.13.0+cpu"},
              "hardware": {"cpu": "Some CPU", "cores": 2, "gpu": []}, "finished": "2026-11-30T09:00:00Z",
              "command": "python benchmark/perf.py ipi --json", "rounds": 3}
COST = {"method": "ACM", "parameters_M": 0.385637, "official_M": 0.3856, "gmacs": 3.999, "official_gmacs": None,
        "latency_ms": 25.97, "train_images_per_s": 12.345, "note": ""}


def write(folder, subject, rows):
    content = {"subject": subject, "provenance": PROVENANCE, "rows": rows}
    (folder / f"{subject}.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_section_for_each_file_with_times_ratios_and_where_they_come_from(tmp_path):
    done = Comparison("256×256", "APG", "full SVD", [0.5, 0.7, 0.6], [5.0, 6.0, 7.0], "9e-5 apart").to_dict()
    not_run = Comparison("torch.compile", "compiled", "float32", [], [], "not run: no compiler").to_dict()
    write(tmp_path, "train", [not_run])
    write(tmp_path, "ipi", [done])
    write(tmp_path, "saist", [{"what": "SAIST at 256", "parameters": 21_600_000, "time_ms": 12345.6, "ratio": None}])
    page = speed_page(tmp_path)
    assert page.index("## IPI") < page.index("## A training step") < page.index("## SAIST beside")
    assert "| 256×256 | APG, 600 ms | full SVD, 6 s | 10 [8.57, 11.7] | 9e-5 apart |" in page
    assert "| torch.compile | compiled: not run | float32: not run | – | not run: no compiler |" in page
    assert "| SAIST at 256 | 21,600,000 | 12,346 | – |" in page
    for origin in ("rounds: 3", "Some CPU, 2 cores, no GPU", "torch 2.13.0+cpu", "commit 0123456+", "2026-11-30"):
        assert origin in page


def test_costs_stand_beside_the_official_ones_and_what_is_not_known_is_a_dash():
    assert cost_table([COST]).splitlines()[-1] == "| ACM | 0.386 | 0.386 | 4.00 | – | 26 | 12.3 |  |"


def test_readme_shows_the_measured_costs_of_every_method(project):
    costs = cost_table(read()["models"]["rows"])
    assert costs.count("\n") > 15 and costs in (project / "README.md").read_text(encoding="utf-8")
