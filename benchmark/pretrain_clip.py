"""The command ``pretrain_clip.py``: train IR-CLIP on MIRSTD's training pairs, measure it on the test pairs."""

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

from benchmark import provenance
from benchmark.cli import EXIT_DONE, run_main
from benchmark.datasets.catalog import data_root
from benchmark.datasets.mirstd import DATASETS
from benchmark.errors import ConfigError, unknown_name
from benchmark.records import write_atomically
from models.weights import OWN, WeightsError, sha256_of

SCENE_SIZE = 224
"""Side of the scenes that SAIST gives its CLIP (``view.scene``)."""
TRAINING_MARGIN = 1.25
"""Training scenes are kept this much larger than the views that are cut from them."""

EPILOG = """examples:
  python benchmark/pretrain_clip.py                         IR-CLIP-tiny, for CPU; kept under models/weights
  python benchmark/pretrain_clip.py --evaluate-only         measure the weights that are there
  python benchmark/pretrain_clip.py --architecture ViT-B-16 --quick-gelu --init clip_vit_b_16 --rate 1e-5 \\
      --batch 256 --device cuda --out weights/ir_clip_b_16.safetensors      from official weights, for a GPU

The same command after an interrupt goes on at its last epoch.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    from benchmark.engine import compat

    compat.apply()
    try:
        return _run(arguments)
    except WeightsError as error:
        raise ConfigError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="pretrain_clip.py",
        description="Contrastive pre-training of a CLIP on the training pairs of MIRSTD "
        "(official splits), and its measurement on the test pairs.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", metavar="DIR",
                        help="folder of the datasets (default: $IRSTD_DATA_ROOT, else data)")
    parser.add_argument("--out", type=Path, default=OWN["ir_clip_tiny"], metavar="FILE",
                        help="half-precision weights; record, figure and open_clip config beside them (default: "
                        "%(default)s)")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/ir_clip"), metavar="DIR",
                        help="checkpoint to go on from (default: %(default)s)")
    parser.add_argument("--evaluate-only", action="store_true", help="do not train; measure the file --out")
    parser.add_argument("--architecture", default="IR-CLIP-tiny", metavar="NAME",
                        help="IR-CLIP-tiny, or a vision transformer of open_clip (default: %(default)s)")
    parser.add_argument("--quick-gelu", action="store_true", help="as OpenAI's weights want it")
    parser.add_argument("--init", metavar="NAME|PATH", help="weights to start from (default: random)")
    parser.add_argument("--datasets", type=lambda text: tuple(text.split(",")), default=DATASETS, metavar="A,B",
                        help=f"(default: {','.join(DATASETS)})")
    parser.add_argument("--epochs", type=int, default=40, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--hard-share", type=float, default=0.5, metavar="P",
                        help="part of the batches whose scenes are of one class (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the record")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from benchmark.pretraining.evaluation import baselines, draw, evaluate
    from benchmark.pretraining.pairs import find_pairs, load_pairs
    from benchmark.pretraining.training import Recipe, train
    from models.sr_clip.clip import FrozenCLIP

    recipe = Recipe(architecture=arguments.architecture, init=arguments.init, quick_gelu=arguments.quick_gelu,
                    epochs=arguments.epochs, batch=arguments.batch, rate=arguments.rate, seed=arguments.seed,
                    hard_share=arguments.hard_share, datasets=arguments.datasets)
    for name in recipe.datasets:
        if name not in DATASETS:
            raise ConfigError(unknown_name("dataset", name, DATASETS))
    if recipe.epochs < 1 or recipe.batch < 2:
        raise ConfigError("--epochs must be at least 1 and --batch at least 2")
    root, out = data_root(arguments.data_root), arguments.out
    try:
        untrained = FrozenCLIP(recipe.architecture, None, recipe.quick_gelu, cache=False)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    paths = _neighbours(out)
    test = load_pairs(root, "test", SCENE_SIZE, recipe.datasets)
    training = load_pairs(root, "train", round(TRAINING_MARGIN * untrained.image_size), recipe.datasets)
    record: dict[str, Any] = {"training": None}
    if arguments.evaluate_only:
        record = json.loads(paths["record"].read_text(encoding="utf-8")) if paths["record"].is_file() else record
    else:
        if len(training.ids) < recipe.batch:
            raise ConfigError(f"--batch {recipe.batch}: only {len(training.ids)} training pairs")
        print(f"{recipe.architecture}: {len(training.ids)} training pairs, {len(test.ids)} test pairs, {recipe.epochs} "
              f"epochs on {arguments.device}", file=sys.stderr)
        started = provenance.now()
        with _Progress(recipe.epochs) as heard:
            trained, curve = train(training, recipe, arguments.work_dir, arguments.device, heard)
        _save_half(trained, out)
        record["training"] = {
            "recipe": asdict(recipe), "split": "official", "pairs": len(training.ids),
            "ids_sha256": _digest(training.ids),
            "curve": curve, "seconds": sum(epoch["seconds"] for epoch in curve), "device": arguments.device,
            "started": started, "finished": provenance.now(), "command": provenance.command(),
            "git": provenance.git_state(), "versions": provenance.versions(), "hardware": provenance.hardware(),
        }
    clip = FrozenCLIP(recipe.architecture, str(out), recipe.quick_gelu, cache=False).to(arguments.device)
    report, features = evaluate(clip, training, test)
    untrained_report, _ = evaluate(untrained.to(arguments.device), training, test)
    record |= {
        "name": out.stem, "architecture": recipe.architecture, "file": out.name, "bytes": out.stat().st_size,
        "sha256": sha256_of(out), "parameters": sum(value.numel() for value in clip.clip.parameters()),
        "captions": {source.name: source.caption_source() for source, _ in find_pairs(root, "test", recipe.datasets)},
        "test": {"pairs": len(test.ids), "ids_sha256": _digest(test.ids)} | report,
        "untrained": untrained_report, "baselines": baselines(training, test),
    }
    write_atomically(paths["record"], json.dumps(record, indent=1, allow_nan=False) + "\n")
    draw(features, test.classes, paths["figure"], f"{recipe.architecture}: test features by scene class (t-SNE)")
    _save_config(recipe.architecture, out)
    print(json.dumps(record, indent=1) if arguments.json else _table(record))
    if not arguments.json:
        print("\n".join(str(path) for path in (out, *paths.values())))
    return EXIT_DONE


def _neighbours(out: Path) -> dict[str, Path]:
    return {"record": out.with_suffix(".record.json"), "figure": out.with_suffix(".png")}


def _save_half(clip: Any, out: Path) -> None:
    from safetensors.torch import save_file

    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.new")
    state = {name: value.detach().cpu().half().contiguous() for name, value in clip.clip.state_dict().items()}
    save_file(state, temporary)
    temporary.chmod(0o644)  # safetensors writes for its owner alone
    temporary.replace(out)


def _save_config(architecture: str, out: Path) -> None:
    # What open_clip.add_model_config reads, so that its own tools build the model without ours.
    from models.sr_clip.clip import OWN_ARCHITECTURES

    if architecture in OWN_ARCHITECTURES:
        content = json.dumps(OWN_ARCHITECTURES[architecture], indent=1) + "\n"
        write_atomically(out.with_name(f"{architecture}.json"), content)


def _digest(ids: Sequence[str]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _table(record: dict[str, Any]) -> str:
    """The figures of a record as lines of text, percentages with their 95 % intervals."""
    rows = [("", "trained", "random weights", "guessing")]
    test, untrained, chance = record["test"], record["untrained"], record["test"]["retrieval"]["chance"]
    for way in ("image_to_text", "text_to_image"):
        rows += [(f"{way.replace('_', ' ')} {name}", _share(test["retrieval"][way][name]),
                  _share(untrained["retrieval"][way][name]), f"{100 * chance[name]:.2f}") for name in chance]
    for kind, label in (("captions", "scene class, by votes of captions"),
                        ("prototypes", "scene class, by mean captions"), ("names", "scene class, by name")):
        rows.append((label, _share(test["scene_class"][kind]["accuracy"]),
                     _share(untrained["scene_class"][kind]["accuracy"]), f"{100 * record['baselines']['chance']:.2f}"))
    majority = record["baselines"]["majority"]
    rows.append((f"always {majority['class']}", f"{100 * majority['accuracy']:.1f}", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)


def _share(found: dict[str, float]) -> str:
    return f"{100 * found['value']:.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


class _Progress:
    """A bar on stderr where it is a terminal, else a line an epoch."""

    def __init__(self, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.epochs, self.told = epochs, 0
        self.console = Console(stderr=True)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=self.console,
                            disable=not self.console.is_terminal)
        self.task = self.bar.add_task("", total=None)

    def __enter__(self) -> Any:
        self.bar.start()
        return self._heard

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def _heard(self, event: dict[str, Any]) -> None:
        line = f"epoch {event['epoch']}/{self.epochs}  loss {event['loss']:.3f}"
        self.bar.update(self.task, total=event["total"], completed=event["done"], description=line)
        if not self.console.is_terminal and event["epoch"] != self.told:
            self.told = event["epoch"]
            print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main))
