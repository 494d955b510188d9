"""Score predictions on disk against ground-truth masks, with every figure and interval that the benchmark reports.

Needs no model, no dataset layout and no deep-learning library: two folders whose files are paired by name.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.cli import EXIT_DONE, run_main
from benchmark.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    import numpy as np

    from benchmark.metrics.evaluation import Evaluation

PREDICTIONS = (".npy", ".png")
MASKS = (".png",)
MASK_SUFFIX = "_pixels0"  # of the masks in the folders of NUAA-SIRST
SCORE_SUFFIX, BESIDE_SCORES = "_score", ("_mask", "_overlay")  # of the files that predict.py writes for an image
SHOWN_NAMES = 5
DEFAULT_CURVE, MOST_THRESHOLDS = 100, 100_000
MOST_RESAMPLES = 1_000_000  # more would take days and all memory
TITLES = {
    "iou": ("IoU", ""), "niou": ("nIoU", ""), "niou_targets": ("nIoU (images with targets)", ""),
    "precision": ("precision", ""), "recall": ("recall", ""), "f1": ("F1", ""), "pd": ("Pd", ""),
    "fa": ("Fa", "pixels per million"), "fa_components": ("Fa components", "components per million pixels"),
    "fa_pixel_strict": ("Fa strict", "predicted pixels outside targets per million"), "hiou": ("hIoU", ""),
    "pixel_auc": ("pixel AUC", ""), "target_auc": ("target AUC", ""),
    "target_pauc": ("target AUC up to Fa 1e-4", ""), "targets": ("targets", ""), "images": ("images", ""),
}
"""Printed name and unit of every figure, in the order of the table."""
AREA_REASONS = {
    "pixel_auc": "the set lacks target pixels or background pixels",
    "target_auc": "no image of the set has a target", "target_pauc": "no image of the set has a target",
}
EPILOG = """predictions: .npy (H, W) floating-point in [0, 1], or .png of 8 or 16 bits, divided by 255 or 65535; of a
  folder that predict.py wrote NAME_score.png
ground truth: .png holding {0, 1} or {0, 255}, named like the prediction, with or without _pixels0
protocols: standard, basicirstd, dnanet, overlap, opdc, shooting (each counts at the size of the files)

examples:
  python benchmark/evaluate.py --pred scores --gt masks
  python benchmark/evaluate.py --pred scores --gt masks --protocol basicirstd --threshold 0.3
  python benchmark/evaluate.py --pred scores --gt masks --roc --json > result.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate two folders and print a table, or JSON."""
    args = _parse(argv)
    from benchmark.metrics.evaluation import Evaluation
    from benchmark.metrics.target import PROTOCOLS

    if args.protocol not in PROTOCOLS:
        raise ConfigError(unknown_name("protocol", args.protocol, PROTOCOLS))
    evaluation = Evaluation(threshold=args.threshold, protocol=args.protocol, roc_thresholds=args.roc)
    problems: dict[str, str] = {}
    for name, (prediction, truth) in pair_files(args.pred, args.gt).items():
        try:
            evaluation.add(name, *read_pair(prediction, truth))
        except DataError as error:
            problems[name] = str(error)
        except ValueError as error:
            problems[name] = f"{prediction}: {error}"
    if problems:
        first, *others = problems
        more = f"; {len(others)} more with problems: {_listed(others)}" if others else ""
        raise DataError(problems[first] + more)
    result = report(evaluation, args.bootstrap, args.seed)
    print(json.dumps(result, indent=1, allow_nan=False) if args.json else table(result))
    return EXIT_DONE


def pair_files(predictions: Path, truths: Path) -> dict[str, tuple[Path, Path]]:
    """Prediction and mask by image name, in order of name.

    Raises:
        DataError: If a folder is missing or holds no usable file, a name occurs twice, or one side lacks a name.
    """
    found, expected = _by_name(predictions, PREDICTIONS), _by_name(truths, MASKS)
    if missing := sorted(expected.keys() - found.keys()):
        raise DataError(f"{predictions}: no prediction (.npy or .png) for {_listed(missing)}")
    if extra := sorted(found.keys() - expected.keys()):
        raise DataError(f"{truths}: no ground truth (.png) for {_listed(extra)}; remove these predictions or add masks")
    return {name: (found[name], expected[name]) for name in sorted(found)}


def read_pair(prediction: Path, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    """Score map (H, W) floating-point and mask (H, W) bool of one size. Raises ``DataError`` naming the file."""
    from benchmark.datasets.images import read_mask

    score, mask = read_score(prediction), read_mask(truth)
    if score.shape != mask.shape:
        raise DataError(f"{prediction}: prediction is {_size(score)}, its ground truth {truth.name} is {_size(mask)}; "
                        "predictions are scored at the original image size, so resize them first")
    return score, mask


def read_score(path: Path) -> np.ndarray:
    """(H, W) floating-point score map; PNG values are divided by the largest value of their depth."""
    import cv2
    import numpy as np

    is_image = path.suffix.lower() == ".png"
    try:
        with path.open("rb") as file:
            if is_image:
                data = np.frombuffer(file.read(), np.uint8)
                score = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
            else:
                score = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # NumPy and OpenCV raise a dozen types for damaged files, MemoryError for absurd sizes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason})") from error
    if score is None:
        raise DataError(f"{path}: cannot be read as an image; the file is damaged or not a PNG")
    if score.ndim != 2 or not score.size:
        raise DataError(f"{path}: a score map is (height, width) with one value a pixel, got shape {score.shape}")
    if is_image and score.dtype.kind != "u":
        raise DataError(f"{path}: holds {score.dtype} values, expected a PNG of 8 or 16 bits")
    if is_image:
        return score.astype(np.float32) / np.float32(np.iinfo(score.dtype).max)
    return score


def report(evaluation: Evaluation, resamples: int, seed: int) -> dict[str, Any]:
    """Figures, intervals, reasons and, where it was asked for, the curve: JSON types without NaN."""
    from benchmark.metrics.bootstrap import bootstrap_intervals
    from benchmark.metrics.summary import summarise, undefined_reasons

    counts = evaluation.counts
    intervals = bootstrap_intervals(counts, resamples=resamples, seed=seed)
    result = summarise(counts) | {
        "intervals": {name: None if pair is None else list(pair) for name, pair in intervals.items()},
        "protocol": evaluation.protocol, "threshold": evaluation.threshold, "undefined": undefined_reasons(counts),
    }
    if evaluation.roc is None:
        return result
    curve = evaluation.roc.result()
    areas = {name: getattr(curve, name) for name in ("pixel_auc", "target_auc", "target_pauc")}
    result["undefined"] |= {name: AREA_REASONS[name] for name, value in areas.items() if value is None}
    return result | areas | {"curve": evaluation.roc_lists()}


def table(result: dict[str, Any]) -> str:
    """The figures as aligned text: name, value, 95 % interval, unit or the reason why there is no value."""
    from benchmark.metrics.summary import COUNTS

    rows = [("metric", "value", "95 % interval", "")]
    for name, (title, unit) in TITLES.items():
        if name not in result:
            continue
        value, interval = result[name], result["intervals"].get(name)
        digits = 0 if name in COUNTS else 2 if unit else 4
        shown = "-" if value is None else f"{value:.{digits}f}"
        spread = "-" if interval is None else f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
        rows.append((title, shown, spread, result["undefined"].get(name, unit)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip() for row in rows]
    head = f"protocol {result['protocol']}, foreground where score > {result['threshold']:g}"
    if "curve" in result:
        head += f", curve of {len(result['curve']['thresholds'])} thresholds (--json prints it)"
    return "\n".join([head, *lines])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="evaluate.py", description=__doc__.splitlines()[0],
                                     epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    files = parser.add_argument_group("files")
    files.add_argument("--pred", type=Path, required=True, metavar="DIR", help="folder of score maps")
    files.add_argument("--gt", type=Path, required=True, metavar="DIR", help="folder of ground-truth masks")
    counting = parser.add_argument_group("counting")
    counting.add_argument("--threshold", type=float, default=0.5, metavar="T",
                          help="a pixel is foreground where its score is greater (default: 0.5)")
    counting.add_argument("--protocol", default="standard", metavar="NAME",
                          help="whose rules decide what is found (default: standard)")
    counting.add_argument("--roc", nargs="?", type=_roc_thresholds, const=DEFAULT_CURVE, metavar="N|exact",
                          help=f"also curves and areas, at N equally spaced thresholds (default: {DEFAULT_CURVE}) or "
                               "at every distinct score")
    spread = parser.add_argument_group("intervals and output")
    spread.add_argument("--bootstrap", type=int, default=2000, metavar="N",
                        help="resamples of the images for 95 %% intervals, 0 for none (default: 2000)")
    spread.add_argument("--seed", type=int, default=0, help="of the resampling (default: 0)")
    spread.add_argument("--json", action="store_true", help="JSON, unrounded, instead of a table")
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    args = _parser().parse_args(argv)
    if not 0 <= args.threshold <= 1:
        raise ConfigError(f"--threshold must be in [0, 1], got {args.threshold:g}")
    if args.bootstrap > MOST_RESAMPLES:
        raise ConfigError(f"--bootstrap must be at most {MOST_RESAMPLES:,}, got {args.bootstrap:,}")
    if args.bootstrap < 0 or args.seed < 0:
        raise ConfigError(f"--bootstrap and --seed must not be negative, got {args.bootstrap} and {args.seed}")
    return args


def _roc_thresholds(text: str) -> int | str:
    if text == "exact":
        return text
    if not text.isdecimal() or not 1 <= int(text) <= MOST_THRESHOLDS:
        raise argparse.ArgumentTypeError(f"a number of thresholds from 1 to {MOST_THRESHOLDS:,}, or 'exact', not "
                                         f"{text!r}")
    return int(text)


def _by_name(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith(".") or _beside_scores(path):
            continue
        name = path.stem.removesuffix(MASK_SUFFIX)
        if name.endswith(SCORE_SUFFIX) and _of_predict(path.with_name(name.removesuffix(SCORE_SUFFIX))):
            name = name.removesuffix(SCORE_SUFFIX)
        if name in found:
            raise DataError(f"{folder}: two files for image {name!r}: {found[name].name} and {path.name}; keep one")
        found[name] = path
    if not found:
        raise DataError(f"{folder}: no {' or '.join(suffixes)} file in this folder")
    return found


def _of_predict(path: Path) -> bool:
    # only where all three lie side by side: a user's own image may be called target_score.png
    return all(path.with_name(f"{path.name}{suffix}.png").is_file() for suffix in (SCORE_SUFFIX, *BESIDE_SCORES))


def _beside_scores(path: Path) -> bool:
    return any(path.stem.endswith(suffix) and _of_predict(path.with_name(path.stem.removesuffix(suffix)))
               for suffix in BESIDE_SCORES)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"


def _size(array: np.ndarray) -> str:
    return f"{array.shape[1]}x{array.shape[0]} (width x height)"


if __name__ == "__main__":
    sys.exit(run_main(main))
