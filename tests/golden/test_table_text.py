"""The Markdown of a small made-up suite, whole: a change of wording or order is seen here first."""

from __future__ import annotations

from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult
from reports.formats import to_markdown
from reports.tables import build_table

EXPECTED = """\
# Small comparison

> **Test values: not measured.**

| Method | Type | NUAA-SIRST IoU ↑ | NUAA-SIRST Fa ↓ |
|:--|:--|--:|--:|
| Top-Hat | Traditional | <u>60.68</u><br><sub>[55.68, 65.68]</sub> | **53.51**<br><sub>[33.51, 93.51]</sub> |
| ACM (2) | CNN | **61.92**<br><sub>[56.92, 66.92]</sub> | <u>76.15</u><br><sub>[56.15, 116.15]</sub> |
| GCI-Net† | CNN | – (1) | – (1) |

Small comparison. Profile fast; NUAA-SIRST (real, split official). Counting protocol standard. IoU in 10⁻², Fa \
in 10⁻⁶. In brackets 95 % bootstrap intervals over test images. Best measured value of a column in bold, second \
best underlined; values that print alike are marked alike, a value alone in its column is not marked, and neither is \
the Fa of a method that found nothing, be it with one seed.

1. failed: out of\\_memory
2. random initial weights; 45 epochs on NUAA-SIRST (last)

† reconstruction: no official code or full text.

## As published in the SAIST paper (not our measurements)

| Method | Type | NUAA-SIRST IoU ↑ | NUAA-SIRST Pd ↑ | NUAA-SIRST Fa ↓ |
|:--|:--|--:|--:|--:|
| ACM | CNN | 70.77 | 93.08 | 9.33 |

Published (SAIST paper, CVPR 2025, Table 1), exactly as printed – not our measurement. Other splits, other \
counting and other training than above. IoU and Pd in 10⁻², Fa in 10⁻⁶.

## Where the numbers come from

| Method | Dataset | Seed | Data | Weights | Recipe | Epoch | Device | Commit | Finished (UTC) | Cell |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| Top-Hat | NUAA-SIRST | 0 | real | none | – | – | cpu | cccccccccc | 2026-01-02T04:04:05Z | 0123456789abcdef |
| ACM | NUAA-SIRST | 0 | real | random | authors' | 45 of 45, last | cpu | cccccccccc | 2026-01-02T04:04:05Z | \
fedcba9876543210 |

A plus sign after a commit stands for uncommitted changes.
"""


def test_the_markdown_of_a_small_suite_is_this_text():
    suite = {"name": "small", "title": "Small comparison", "published": "table1", "metrics": ("iou", "fa"),
             "methods": [{"name": "top_hat", "title": "Top-Hat", "type": "Traditional", "reconstruction": False},
                         {"name": "acm", "title": "ACM", "type": "CNN", "reconstruction": False},
                         {"name": "gcinet", "title": "GCI-Net", "type": "CNN", "reconstruction": True}],
             "datasets": [{"name": "nuaa-sirst", "title": "NUAA-SIRST", "real": True, "split": "official"}],
             "seeds": [0], "profile": "fast", "protocol": "standard", "notes": ["Test values: not measured."]}
    outcomes = [_done("top_hat", 0.60678, 53.509, {}), _done("acm", 0.61918, 76.147, {
        "epochs": 45, "epoch": 45, "selection": "last"}), Outcome(_key("gcinet"), Status.FAILED, "out of_memory")]
    published = {"table1": {"acm": {"nuaa-sirst": {"iou": "70.77", "pd": "93.08", "fa": "9.33"}}}}
    assert to_markdown(build_table(SuiteResult(suite, outcomes), published)) == EXPECTED


def _key(method: str) -> CellKey:
    return CellKey(method, "nuaa-sirst", "official", "fast", 0)


def _done(method: str, iou: float, fa: float, training: dict) -> Outcome:
    record = Record("0123456789abcdef" if method == "top_hat" else "fedcba9876543210", _key(method), {}, {
        "iou": Metric(iou, iou - 0.05, iou + 0.05), "fa": Metric(fa, fa - 20, fa + 40)}, training=training, provenance={
        "git": {"commit": "c" * 40, "dirty": False}, "device": "cpu", "data": {"real": True},
        "weights": {"kind": "random" if training else "none"}, "finished": "2026-01-02T04:04:05Z"})
    return Outcome(_key(method), Status.DONE, record=record)
