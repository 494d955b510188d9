"""The commands of ``data.py`` about text: ``captions``, ``caption`` and ``review``. Parses, calls and prints."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmark.cli import EXIT_DONE, EXIT_INCOMPLETE
from benchmark.datasets.captions import Captions, read_captions
from benchmark.datasets.catalog import CAPTIONS, data_root, known_datasets, load_dataset_config, open_dataset
from benchmark.datasets.mirstd import DATASETS, FOLDER, leak_words
from benchmark.errors import ConfigError, DataError
from benchmark.records import write_atomically

EPILOG = """
  python benchmark/data.py captions stats --out stats.html    figures about the captions of the real sets
  python benchmark/data.py caption my_set --model MODEL --dry-run   what captioning a folder would take
  python benchmark/data.py caption my_set --engine clip       captions without an endpoint
  python benchmark/data.py review my_set                      look at them, edit, accept or reject
"""


def add_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the three commands to the parser of ``data.py``; ``shared`` holds ``--data-root``."""
    captions = commands.add_parser("captions", help="figures about captions").add_subparsers(required=True,
                                                                                             metavar="WHAT")
    stats = captions.add_parser("stats", parents=[shared], help="lengths, words, classes, near-duplicates, forbidden "
                                "words")
    stats.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(DATASETS)}, or a caption file (default: "
                       "the three real sets)")
    stats.add_argument("--out", type=Path, metavar="FILE", help="write an HTML page")
    stats.add_argument("--json", action="store_true", help="for machines")
    stats.set_defaults(run=_stats)
    vocabulary = captions.add_parser("vocabulary", parents=[shared], help="collect the phrases of the training "
                                     "captions for --engine clip; needs the lists of the official splits")
    vocabulary.add_argument("--out", type=Path, default=FOLDER / "vocabulary.json", metavar="FILE",
                            help="(default: %(default)s)")
    vocabulary.set_defaults(run=_vocabulary)
    _add_caption(commands, shared)
    review = commands.add_parser("review", parents=[shared], help="serve a page on 127.0.0.1 to review captions")
    review.add_argument("name", metavar="DIR|NAME", help="folder of images (and masks), or a dataset's name")
    review.add_argument("--captions", type=Path, metavar="FILE", help=f"caption file (default: DIR/{CAPTIONS})")
    review.add_argument("--without-masks", action="store_true", help="the images have no masks")
    review.add_argument("--port", type=int, default=0, help="(default: any free one)")
    review.set_defaults(run=_review)


def _add_caption(commands: Any, shared: argparse.ArgumentParser) -> None:
    caption = commands.add_parser(
        "caption", parents=[shared], help="describe one's own images with a vision model, targets removed",
        description="Describe images. Targets are removed by their masks first. Every caption is kept the moment it is "
        "there; the same command again goes on where the last one ended and pays for nothing twice.")
    caption.add_argument("name", metavar="DIR|NAME", help="folder with images/ and masks/, or a dataset's name")
    caption.add_argument("--out", type=Path, metavar="FILE", help=f"caption file (default: DIR/{CAPTIONS})")
    caption.add_argument("--engine", choices=("endpoint", "clip"), default="endpoint", help="(default: %(default)s)")
    caption.add_argument("--without-masks", action="store_true", help="describe the images as they are")
    caption.add_argument("--limit", type=_at_least_one, metavar="N", help="only so many of those still to do")
    caption.add_argument("--retry-failed", action="store_true", help="also images whose answers were all unusable")
    caption.add_argument("--dry-run", action="store_true", help="print the estimate and end")
    endpoint = caption.add_argument_group("endpoint (any that speaks OpenAI's protocol)")
    endpoint.add_argument("--model", metavar="NAME")
    endpoint.add_argument("--base-url", metavar="URL", default=os.environ.get("OPENAI_BASE_URL"),
                          help="(default: $OPENAI_BASE_URL, else OpenAI's)")
    endpoint.add_argument("--key-env", default="OPENAI_API_KEY", metavar="VARIABLE",
                          help="environment variable that holds the key (default: %(default)s)")
    endpoint.add_argument("--workers", type=_at_least_one, default=4, metavar="N",
                          help="requests at once (default: %(default)s)")
    endpoint.add_argument("--rpm", type=_positive, default=60.0, metavar="N",
                          help="requests a minute at most (default: %(default)g)")
    endpoint.add_argument("--timeout", type=_positive, default=60.0, metavar="SECONDS", help="(default: %(default)g)")
    endpoint.add_argument("--retries", type=int, default=5, metavar="N",
                          help="tries again after 429, 5xx and timeouts (default: %(default)s)")
    endpoint.add_argument("--response-format", choices=("json_object", "json_schema", "none"), default="json_object",
                          help="what the server understands (default: %(default)s)")
    endpoint.add_argument("--price-in", type=float, metavar="P", help="of a million input tokens, for the estimate")
    endpoint.add_argument("--price-out", type=float, metavar="P", help="of a million output tokens")
    clip = caption.add_argument_group("clip")
    clip.add_argument("--clip", metavar="NAME|PATH", help="weights (default: the project's own infrared CLIP)")
    clip.add_argument("--clip-architecture", default="IR-CLIP-tiny", metavar="NAME", help="(default: %(default)s)")
    caption.set_defaults(run=_caption)


def _stats(arguments: argparse.Namespace) -> int:
    from benchmark.captioning.pages import print_statistics, statistics_page
    from benchmark.captioning.statistics import statistics

    root, forbidden = data_root(arguments.data_root), leak_words()
    sets = []
    for name in arguments.names or DATASETS:
        path = Path(name) if name not in known_datasets() else Captions({"captions": "file"}, root, name).path
        if path is None:
            raise DataError(f"{name}: has no caption file")
        sets.append(statistics(name, read_captions(path), forbidden))
    if arguments.out is not None:
        write_atomically(arguments.out, statistics_page(sets))
    if arguments.json:
        print(json.dumps(sets, indent=1, ensure_ascii=False))
    else:
        print_statistics(sets)
        if arguments.out is not None:
            print(arguments.out)
    return EXIT_INCOMPLETE if any(found["leaks"] for found in sets) else EXIT_DONE


def _vocabulary(arguments: argparse.Namespace) -> int:
    from benchmark.captioning.statistics import build_vocabulary

    root, training = data_root(arguments.data_root), []
    for name in DATASETS:
        source = open_dataset(load_dataset_config(name), root, "official")
        ids = set(source.ids("train"))
        training += [caption for caption in read_captions(source.captions.path) if caption["image"] in ids]
    write_atomically(arguments.out, json.dumps(build_vocabulary(training), indent=1) + "\n")
    print(f"{len(training)} training captions; {arguments.out}")
    return EXIT_DONE


def _caption(arguments: argparse.Namespace) -> int:
    from benchmark.captioning.pipeline import Journal, caption_scenes, failures_of, open_tasks, paid
    from benchmark.captioning.scenes import find_scenes

    scenes = find_scenes(arguments.name, data_root(arguments.data_root), not arguments.without_masks)
    out = arguments.out or _captions_in(arguments.name)
    captions, failures = Journal(out), Journal(failures_of(out))
    if arguments.retry_failed and not arguments.dry_run:
        failures.forget_all()
    todo = open_tasks(scenes, captions, {} if arguments.retry_failed else failures.entries)
    print(f"{len(scenes)} images, {len(scenes) - len(todo)} done or failed before, {len(todo)} to do · {out}")
    todo = todo[: arguments.limit]
    if arguments.engine == "endpoint":
        _print_estimate(todo, arguments)
    if arguments.dry_run or not todo:
        return EXIT_DONE
    describe = _describer(arguments)
    workers = arguments.workers if arguments.engine == "endpoint" else 1
    with _Progress(len(todo)) as progress:
        outcome = caption_scenes(todo, describe, captions, failures, workers, progress)
    into, output = paid(captions, failures)
    tokens = f" · {into:,} input and {output:,} output tokens so far" if into else ""
    print(f"{outcome.made} captions made, {outcome.failed} failed, {outcome.left} not tried{tokens} · {out}")
    if outcome.reason:
        print(f"stopped: {outcome.reason}")
    if outcome.failed or outcome.left:
        print("run the same command again to go on"
              + (f"; reasons: {failures.path}" if failures.entries else ""))
        return EXIT_INCOMPLETE
    print(f"next: python benchmark/data.py review {arguments.name}"
          + (f" --captions {out}" if arguments.out else ""))
    return EXIT_DONE


def _describer(arguments: argparse.Namespace) -> Any:
    if arguments.engine == "endpoint":
        from benchmark.captioning.endpoint import Settings, VisionEndpoint

        return VisionEndpoint(Settings(
            model=arguments.model, base_url=arguments.base_url, key_env=arguments.key_env,
            requests_per_minute=arguments.rpm, timeout=arguments.timeout, retries=arguments.retries,
            response_format=arguments.response_format)).describe
    from benchmark.engine import compat

    compat.apply()
    from benchmark.captioning.by_clip import ClipDescriber
    from models.sr_clip.clip import FrozenCLIP
    from models.weights import WeightsError

    try:
        clip = FrozenCLIP(arguments.clip_architecture, arguments.clip or "ir_clip_tiny", cache=False)
    except (WeightsError, ValueError) as error:
        raise ConfigError(str(error)) from error
    return ClipDescriber(clip).describe


def _print_estimate(todo: list[Any], arguments: argparse.Namespace) -> None:
    from benchmark.captioning.pipeline import estimate
    from benchmark.captioning.prompt import INSTRUCTIONS

    if not arguments.model:
        raise ConfigError("--model names the vision model of the endpoint; without an endpoint use --engine clip")
    prices = None
    if arguments.price_in is not None or arguments.price_out is not None:
        prices = (arguments.price_in or 0.0, arguments.price_out or 0.0)
    found = estimate(todo, len(INSTRUCTIONS), arguments.rpm, prices)
    cost = "give --price-in and --price-out for the cost" if found.cost is None else f"cost about {found.cost:.2f}"
    print(f"estimate: about {found.input_tokens:,} input and {found.output_tokens:,} output tokens, {cost}, at least "
          f"{found.minutes:.1f} min; up to three times that if every answer had to be asked again")


def _review(arguments: argparse.Namespace) -> int:
    from benchmark.captioning.review import ReviewFile, ReviewServer
    from benchmark.captioning.scenes import find_scenes

    path = arguments.captions or _captions_in(arguments.name)
    if not path.is_file():
        raise DataError(f"{path}: no such caption file; make one with `python benchmark/data.py caption`")
    scenes = find_scenes(arguments.name, data_root(arguments.data_root), not arguments.without_masks)
    file = ReviewFile(path)
    try:
        server = ReviewServer(file, {scene.id: scene for scene in scenes}, arguments.port)
    except OSError as error:
        raise ConfigError(f"--port {arguments.port}: {error.strerror}") from error
    print(f"{len(file.entries())} captions · {server.url} · decisions go to {path} · end with Ctrl-C", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return EXIT_DONE


def _captions_in(name: str) -> Path:
    if name in known_datasets() or not Path(name).is_dir():
        raise ConfigError(f"{name}: say where the caption file is (--out of caption, --captions of review)")
    return Path(name) / CAPTIONS


class _Progress:
    """A bar on stderr, and a line for each image that failed."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(stderr=True, highlight=False)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                            console=self.console, disable=not self.console.is_terminal)
        self.task = self.bar.add_task("captions", total=total)

    def __enter__(self) -> Any:
        self.bar.start()
        return self._heard

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def _heard(self, sample_id: str, message: str) -> None:
        if message:
            self.console.print(f"{sample_id}: {message}", markup=False, soft_wrap=True)
        self.bar.advance(self.task)


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value

