"""The command ``compare.py``: does one method beat another on the same test images? From records alone; no torch.

Images are the units that are resampled. Count tables are added over seeds first: seeds repeat the training, not the
image, and counting each as an image of its own would make every interval too narrow.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmark.analysis.comparison import read_count_file
from benchmark.cli import EXIT_DONE, names, numbers, run_main
from benchmark.errors import ConfigError, unknown_name
from benchmark.metrics.bootstrap import holm, paired_difference
from benchmark.metrics.summary import LOWER_IS_BETTER, RATIOS, count_table
from benchmark.metrics.target import ImageCounts
from benchmark.records import PER_IMAGE_FILE, CellKey, RecordStore

LEVEL = 0.05
UNITS = {"iou": (100.0, "points of IoU"), "niou": (100.0, "points of nIoU"), "pd": (100.0, "points of Pd"),
         "fa": (1.0, "false-alarm pixels a million")}

EPILOG = """example:
  python benchmark/compare.py saist_captions saist_template saist_shuffled --dataset nuaa-sirst --seeds 0,1,2
      are captions better than one sentence for all images? variants are named as run.py --list does (acm+8ac72e23)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    for metric in arguments.metrics:
        if metric not in RATIOS:
            raise ConfigError(unknown_name("metric", metric, RATIOS))
    store = RecordStore(arguments.work_dir, writable=False)
    methods = (arguments.method, *arguments.others)
    split, profile = _shared_settings(store, methods, arguments)
    runs = {name: [_counts(store, CellKey(name, arguments.dataset, split, profile, seed)) for seed in arguments.seeds]
            for name in methods}
    _check_same_images([run for own in runs.values() for run in own])
    tables = {name: over_seeds(own) for name, own in runs.items()}
    rows = compare(tables, arguments.method, arguments.metrics)
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        seeds = f"{len(arguments.seeds)} seed{'s' if len(arguments.seeds) > 1 else ''}"
        print(f"{arguments.method} on {arguments.dataset} ({split}, {profile}), {seeds}, "
              f"{len(tables[arguments.method])} test images; p by paired bootstrap, corrected after Holm")
        print("\n".join(sentence(row) for row in rows))
    return EXIT_DONE


def compare(tables: dict[str, np.ndarray], method: str, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Differences of ``method`` and each other one: fields of ``PairedDifference``, ``against`` and ``p_holm``.

    ``p_holm`` is corrected over the comparisons of one metric.
    """
    rows = []
    for metric in metrics:
        found = [(other, paired_difference(tables[method], tables[other], metric))
                 for other in tables if other != method]
        corrected = holm([difference.p_value for _, difference in found])
        rows += [{"method": method, "against": other} | asdict(difference) | {"p_holm": p}
                 for (other, difference), p in zip(found, corrected, strict=True)]
    return rows


def over_seeds(runs: Sequence[Sequence[ImageCounts]]) -> np.ndarray:
    """(images, columns) count tables of runs of the same images in the same order, added.

    Raises:
        ConfigError: If the runs were not tested on the same images.
    """
    _check_same_images(runs)
    return sum(count_table(run) for run in runs)


def _check_same_images(runs: Sequence[Sequence[ImageCounts]]) -> None:
    if len({tuple(image.image_id for image in run) for run in runs}) > 1:
        raise ConfigError("the runs were tested on different images")


def sentence(row: dict[str, Any]) -> str:
    """One plain line: by how much, how sure, and which of the two is better, if one is."""
    if row["difference"] is None or row["p_holm"] is None:
        return f"  {row['metric']:5} against {row['against']}: undefined"
    scale, unit = UNITS.get(row["metric"], (1.0, row["metric"]))
    low, high = (scale * row[name] for name in ("low", "high"))
    verdict = "no difference beyond chance"
    if row["p_holm"] < LEVEL:
        better = (row["difference"] > 0) != (row["metric"] in LOWER_IS_BETTER)
        verdict = f"{row['method'] if better else row['against']} is better"
    return (f"  {row['metric']:5} against {row['against']}: {scale * row['difference']:+.2f} [{low:+.2f}, {high:+.2f}] "
            f"{unit}, p = {row['p_holm']:.3f}: {verdict}")


def _shared_settings(store: RecordStore, methods: Sequence[str], arguments: argparse.Namespace) -> tuple[str, str]:
    """Split and profile in which every method has finished cells for all seeds: the ones asked for, else the only ones.

    Raises:
        ConfigError: Where there are none, or several to choose from.
    """
    asked = {"dataset": arguments.dataset} | {name: value for name in ("split", "profile")
                                              if (value := getattr(arguments, name)) is not None}
    keys = [key for key in store.recorded() if all(getattr(key, name) == value for name, value in asked.items())]
    found: dict[str, set[tuple[str, str]]] = {}
    for method in methods:
        seeds: dict[tuple[str, str], set[int]] = {}
        for key in keys:
            if key.method == method:
                seeds.setdefault((key.split, key.profile), set()).add(key.seed)
        found[method] = {pair for pair, own in seeds.items() if own >= set(arguments.seeds)}
        if not found[method]:
            where = ", ".join(f"{name} {value}" for name, value in asked.items())
            raise ConfigError(f"{store.root}: no finished cell of {method} with {where}, seeds "
                              f"{','.join(map(str, arguments.seeds))}; there are "
                              f"{', '.join(sorted({key.method for key in keys})) or 'none of any method'}")
    shared = sorted(set.intersection(*found.values()))
    if len(shared) == 1:
        return shared[0]
    if shared:
        raise ConfigError("more than one split or profile to choose from, use --split and --profile: "
                          + "; ".join(f"{split}, {profile}" for split, profile in shared))
    raise ConfigError(f"no split and profile in which all of {', '.join(methods)} were run with these seeds")


def _counts(store: RecordStore, key: CellKey) -> list[ImageCounts]:
    counts = read_count_file(store.folder(key) / PER_IMAGE_FILE) if store.get(key) is not None else []
    if not counts:
        raise ConfigError(f"{store.folder(key)}: no counts of single images beside the record; run it again")
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="compare.py",
        description="Paired bootstrap over test images between a method and others.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", metavar="METHOD", help="a method that was run")
    parser.add_argument("others", nargs="+", metavar="OTHER", help="methods that it is compared with")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="dataset of the finished cells")
    parser.add_argument("--split", metavar="NAME", help="their split (default: the only one there is)")
    parser.add_argument("--profile", metavar="NAME", help="their profile (default: the only one there is)")
    parser.add_argument("--seeds", type=numbers, default=[0], metavar="0,1", help="their seeds (default: 0)")
    parser.add_argument("--metrics", type=names, default=["iou", "niou", "pd", "fa"], metavar="A,B",
                        help="what is compared (default: iou,niou,pd,fa)")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs"), metavar="DIR",
                        help="where the records are (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


if __name__ == "__main__":
    sys.exit(run_main(main))
