"""The command ``predict.py``: find targets in images of one's own, look behind a prediction, take a network away."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
from collections.abc import Sequence

from benchmark import configs
from benchmark.cli import EXIT_DONE, EXIT_INCOMPLETE, run_main
from benchmark.errors import ConfigError, DataError

EPILOG = """examples:
  python benchmark/predict.py --method top_hat images/ --out found/
      masks, score maps, overlays and detections.csv for every image of a folder; nothing to train
  python benchmark/predict.py --method acm --weights best.pth frame.png clip.mp4
      a checkpoint of run.py; without --weights the newest one under --work-dir
  python benchmark/predict.py --method saist --explain why.png --text "a photo of a calm sea with ..." image.png
      J, I, A, depth and the text-image similarity behind one prediction
  python benchmark/predict.py --method acm --export onnx --size 256x256 --out acm.onnx
      grey levels in, probabilities out; checked against the network with onnxruntime

exit codes: 0 all done, 1 some inputs could not be read (the others are done), 2 bad usage, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.export and arguments.paths:
        raise ConfigError("--export takes no images; the network is exported for --size")
    if not arguments.export and not arguments.paths:
        raise ConfigError("give at least one image, folder or video")
    if arguments.explain and len(arguments.paths) != 1:
        raise ConfigError(f"--explain looks at one image, got {len(arguments.paths)}")
    if arguments.paths and not any(path.exists() for path in arguments.paths):  # before the seconds that a start takes
        raise DataError(f"{arguments.paths[0]}: no such file or folder")
    from benchmark.engine.detector import Detector, find_source

    source = find_source(arguments.method, arguments.weights, arguments.work_dir, dataset=arguments.dataset,
                         profile=arguments.profile)
    if not arguments.quiet:
        print(" · ".join(filter(None, [source.origin, str(source.checkpoint or ""), "starting"])))
    detector = Detector(source, arguments.device)
    if arguments.export:
        return _export(detector, arguments)
    if arguments.explain:
        return _explain(detector, arguments)
    return _predict(detector, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="predict.py",
        description="Find infrared small targets in images of your own with any method of the "
        "benchmark.", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH",
                        help="images (8 or 16 bits), folders of them (searched through), videos")
    what = parser.add_argument_group("which detector")
    what.add_argument("--method", required=True, metavar="NAME|PATH",
                      help=f"{', '.join(configs.known('methods'))}, or a config file")
    what.add_argument("--weights", metavar="FILE", help="a checkpoint, or 'random' for an untrained network (default: "
                      "the newest training of this method under --work-dir)")
    what.add_argument("--work-dir", type=Path, default=Path("work_dirs"), metavar="DIR",
                      help="where run.py left its cells (default: %(default)s)")
    what.add_argument("--dataset", metavar="NAME", help="take the training on this set; for a bare checkpoint, the set "
                      "it was normalised for (default: nuaa-sirst)")
    what.add_argument("--profile", choices=configs.known("profiles"),
                      help="for a bare checkpoint: the profile whose image size it was trained with (default: fast)")
    what.add_argument("--device", default="auto", metavar="auto|cpu|cuda:N", help="(default: %(default)s)")
    how = parser.add_argument_group("what to do")
    how.add_argument("--out", type=Path, metavar="PATH", help="folder of the results (default: predictions); with "
                     "--export the file (default: METHOD.onnx)")
    how.add_argument("--threshold", type=float, metavar="0..1", help="score above which a pixel is a target (default: "
                     "the method's)")
    how.add_argument("--text", help="caption of the scene, for methods that read one")
    how.add_argument("--explain", type=Path, metavar="PNG", help="draw the maps behind the prediction of one image")
    how.add_argument("--export", choices=["onnx"], help="write the network instead of predicting")
    how.add_argument("--size", type=_size, default=(256, 256), metavar="HxW",
                     help="image size of the exported network (default: 256x256)")
    how.add_argument("-q", "--quiet", action="store_true", help="print only the final line")
    return parser


def _predict(detector, arguments: argparse.Namespace) -> int:
    from rich.progress import Progress

    from benchmark.inputs import Unreadable, frames
    from benchmark.outputs import ResultFolder

    threshold = detector.threshold if arguments.threshold is None else arguments.threshold
    if not 0 <= threshold < 1:
        raise ConfigError(f"--threshold must be at least 0 and below 1, got {threshold}")
    results, refused, count = ResultFolder(arguments.out or Path("predictions"), threshold), [], 0
    with Progress(disable=arguments.quiet or not sys.stdout.isatty(), transient=True) as progress, results:
        task = progress.add_task(arguments.method, total=None)
        for frame in frames(arguments.paths, avoid=results.folder):
            if isinstance(frame, Unreadable):
                refused.append(frame)
                continue
            results.add(frame.name, frame.image, detector(frame.image, arguments.text))
            count += 1
            progress.update(task, advance=1, description=frame.name)
    for unreadable in refused:
        print(f"not read: {unreadable.reason}", file=sys.stderr)
    where = results.table if count else "nothing written"
    print(f"{count} images, {results.detections} detections, {len(refused)} not read · {where}")
    return EXIT_INCOMPLETE if refused or not count else EXIT_DONE


def _explain(detector, arguments: argparse.Namespace) -> int:
    from benchmark.datasets.images import read_image
    from reports.explanation import draw_explanation

    image = read_image(arguments.paths[0])
    maps = detector.explain(image, arguments.text)
    draw_explanation(image, maps, arguments.explain, title=f"{arguments.paths[0].name} · {detector.origin}",
                     text=arguments.text)
    print(f"{', '.join(maps)} · {arguments.explain}")
    return EXIT_DONE


def _export(detector, arguments: argparse.Namespace) -> int:
    from benchmark.engine.export import export_onnx

    path = arguments.out or Path(f"{arguments.method}.onnx")
    found = export_onnx(detector, path, arguments.size)
    checked = "not checked, onnxruntime is not installed" if found["difference"] is None else \
        f"largest difference to the network {found['difference']:.1e}"
    print(f"{path} · {found['bytes'] / 1e6:.1f} MB · opset {found['opset']} · {checked}")
    return EXIT_DONE


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH like 256x256, got {text!r}")
    return int(parts[0]), int(parts[1])


if __name__ == "__main__":
    sys.exit(run_main(main))
