"""The paper's figures: every place filled, and single cells typed from the paper anew, independently of the file."""

from __future__ import annotations

import pytest

from reports.published import load_printed, load_published

METHODS = ["ipi", "top_hat", "mslstipt", "acm", "alcnet", "fc3net", "isnet", "dnanet", "uiunet", "dim2clear", "gcinet",
           "iaanet", "sctransnet", "sam", "sam_hq", "saist"]
DATASETS = ("nudt-sirst", "irstd-1k", "nuaa-sirst")


@pytest.mark.parametrize(("path", "printed"), [
    ("table1.ipi.nudt-sirst.iou", "30.93"), ("table1.ipi.irstd-1k.fa", "16.18"),
    ("table1.top_hat.nuaa-sirst.iou", "1.508"), ("table1.top_hat.nudt-sirst.pd", "89.90"),
    ("table1.mslstipt.nuaa-sirst.iou", "1.080"), ("table1.mslstipt.nudt-sirst.fa", "881"),
    ("table1.acm.nudt-sirst.iou", "68.90"), ("table1.alcnet.nuaa-sirst.pd", "73.12"),
    ("table1.fc3net.irstd-1k.fa", "15.55"), ("table1.isnet.nudt-sirst.fa", "44.47"),
    ("table1.isnet.nudt-sirst.pd", "96.3"), ("table1.dnanet.nudt-sirst.fa", "9.00"),
    ("table1.uiunet.irstd-1k.fa", "22.07"), ("table1.dim2clear.nuaa-sirst.pd", "99.10"),
    ("table1.gcinet.irstd-1k.iou", "67.75"), ("table1.iaanet.nuaa-sirst.fa", "22.70"),
    ("table1.sctransnet.nudt-sirst.iou", "94.09"), ("table1.sam.irstd-1k.fa", "8.38"),
    ("table1.sam_hq.nudt-sirst.fa", "14.48"), ("table1.saist.nudt-sirst.iou", "95.23"),
    ("table1.saist.irstd-1k.fa", "4.76"), ("table2.wo_both.nuaa-sirst.pd", "96.50"),
    ("table2.wo_sr_clip.nuaa-sirst.fa", "6.61"), ("table3.sam_clip.inference_s", "0.079"),
    ("table3.saist.trainable_params_m", "389.57"), ("table4.clip.nuaa-sirst.pd", "98.77"),
    ("table5.hq_sam.nuaa-sirst.fa", "4.56"), ("table5.cg_sam.nuaa-sirst.iou", "80.82"),
])
def test_a_figure_is_as_the_paper_prints_it(path, printed):
    text, number = load_printed(), load_published()
    for name in path.split("."):
        text, number = text[name], number[name]
    assert text == printed and number == float(printed)


def test_table_1_has_every_method_on_every_dataset_with_three_figures():
    table = load_published()["table1"]
    assert list(table) == METHODS
    figures = [value for row in table.values() for cell in row.values() for value in cell.values()]
    assert all(tuple(row) == DATASETS and all(tuple(cell) == ("iou", "pd", "fa") for cell in row.values())
               for row in table.values())
    assert len(figures) == 16 * 3 * 3 and all(isinstance(value, (int, float)) and value > 0 for value in figures)


def test_tables_2_to_5_have_the_rows_and_columns_of_the_paper():
    tables = load_published()
    assert list(tables) == ["table1", "table2", "table3", "table4", "table5"]
    assert list(tables["table2"]) == ["saist", "wo_sr_clip", "wo_cg_sam", "wo_both"]
    assert list(tables["table4"]) == ["clip", "coop", "sr_clip"]
    assert list(tables["table5"]) == ["sam", "hq_sam", "cg_sam"]
    for name in ("table2", "table4", "table5"):
        assert all(list(row) == ["nuaa-sirst"] and set(row["nuaa-sirst"]) == {"iou", "pd", "fa"}
                   for row in tables[name].values())
    assert all(list(row) == ["trainable_params_m", "inference_s", "avg_iou", "avg_pd", "avg_fa"]
               for row in tables["table3"].values())


def test_saist_has_the_same_figures_wherever_the_paper_repeats_them():
    tables = load_printed()
    nuaa = tables["table1"]["saist"]["nuaa-sirst"]
    assert nuaa == tables["table2"]["saist"]["nuaa-sirst"] == tables["table4"]["sr_clip"]["nuaa-sirst"]
    assert nuaa == tables["table5"]["cg_sam"]["nuaa-sirst"]
    for metric in ("iou", "pd", "fa"):  # table 3 averages over the three datasets
        mean = sum(float(tables["table1"]["saist"][name][metric]) for name in DATASETS) / 3
        assert mean == pytest.approx(float(tables["table3"]["saist"][f"avg_{metric}"]), abs=0.006)


def test_ids_are_those_of_the_suite_and_of_the_dataset_configs(project):
    namespace: dict = {}
    exec((project / "configs/suites/table1.py").read_text(encoding="utf-8"), namespace)
    assert list(namespace["suite"]["methods"]) == METHODS
    assert all((project / f"configs/datasets/{name}.py").is_file() for name in DATASETS)
