"""The command ``run.py``: plan a suite, run what is missing, rebuild its tables. Parses, calls and prints; no torch."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import contextlib
import time
from collections.abc import Sequence

from benchmark import configs, placement, provenance, tracking
from benchmark.cli import (
    EXIT_DONE,
    EXIT_INCOMPLETE,
    add_executor,
    device,
    names,
    numbers,
    positive,
    ray_request,
    run_main,
    seconds,
)
from benchmark.datasets.catalog import data_root, known_datasets, load_dataset_config, missing_reason, open_dataset
from benchmark.errors import ConfigError, unknown_name
from benchmark.grid import PROTOCOLS
from benchmark.records import RecordStore, Status
from benchmark.suites import Cell, Plan, Selection, cell_labels, expand_all, load_suite, members

EPILOG = """examples:
  python benchmark/run.py --suite table1
      everything this machine can do: with a GPU and data the paper's setting, otherwise a demonstration
  python benchmark/run.py --suite table1 --profile fast --methods top_hat,acm --datasets nuaa-sirst --split official
      two methods on one real dataset
  python benchmark/run.py --suite table1 --profile fast --set train_cfg.max_epochs=20 --list
      which cells that would be, and how each stands
  python benchmark/run.py --suite table1 --profile paper --executor ray --address head:6379 --work-dir /shared/work
      cells on all machines of a Ray cluster, as many at once as fit

exit codes: 0 all done, 1 some cells missing (the report is made all the same), 2 bad usage or config, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    started = time.monotonic()
    root = data_root(arguments.data_root)
    suite = load_suite(arguments.suite)
    profile, reason = _choose_profile(arguments.profile, suite, root, arguments.device)
    selection = Selection(
        profile=profile, data_root=root, methods=arguments.methods, datasets=arguments.datasets, seeds=arguments.seeds,
        split=arguments.split, protocol=arguments.protocol, recipe=arguments.recipe,
        overrides=[configs.parse_override(text) for text in arguments.set],
    )
    plans = expand_all(members(suite), selection)
    cells = list({cell.key: cell for plan in plans for cell in plan.cells}.values())
    readonly = arguments.list or arguments.dry_run
    store = RecordStore(arguments.work_dir, writable=not readonly)
    outcomes = {cell.key: store.outcome(cell.key, cell.id) for cell in cells}
    if not arguments.quiet:
        _print_head(suite["name"], plans, profile, reason, root, store)
        if not readonly:
            _print_skipped(plans)
    todo = _to_run(cells, outcomes, force=arguments.force, retry_failed=arguments.retry_failed)
    if readonly:
        _print_cells(suite["name"], plans, cells, outcomes, todo, store, dry_run=arguments.dry_run,
                     verbose=arguments.verbose)
        return EXIT_DONE
    if not arguments.collect:
        placement.check(todo, arguments.device, arguments.gpus_per_cell, here=arguments.executor == "local")
    with _tracker(suite["name"], plans, outcomes, todo, store, arguments) as tracker:
        if todo and not arguments.collect:
            outcomes |= _run(todo, cell_labels(plans), store, arguments, tracker)
        if not arguments.collect:
            _find_leaks(plans, store)
        return _report(suite, plans, outcomes, store, tracker, arguments.quiet, started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="run.py",
        description="Run a suite: the cells (method × dataset × seed) of one table or figure. Finished "
        "cells are kept and never run twice; the tables and the PDF are rebuilt from the records each time.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_argument_group("what to run")
    what.add_argument("--suite", required=True, metavar="NAME|PATH",
                      help=f"one of {', '.join(configs.known('suites'))}, or a config file")
    what.add_argument("--methods", type=names, metavar="A,B",
                      help="only these methods, by name or by the path of a config (default: the suite's)")
    what.add_argument("--datasets", type=names, metavar="A,B",
                      help="only these datasets, by name or by the path of a folder with images/ and masks/ (default: "
                      f"the profile's; known: {', '.join(known_datasets())})")
    what.add_argument("--seeds", type=numbers, metavar="0,1", help="seeds (default: the suite's, else 0)")
    what.add_argument("--profile", choices=configs.known("profiles"),
                      help="how big a run is (default: the suite's own, else paper with a GPU and data, else demo)")
    what.add_argument("--split", metavar="NAME|PATH",
                      help="'paper' (50/30/20 by hash), 'official', another list family of the dataset, or a path "
                      "(default: the profile's)")
    what.add_argument("--protocol", choices=PROTOCOLS, help="how targets are matched and counted (default: standard)")
    what.add_argument("--recipe", choices=configs.RECIPES,
                      help="train with each method's own optimiser, or all alike (default: the profile's; authors, in "
                      "demo common)")
    what.add_argument("--set", action="append", default=[], metavar="A.B=C",
                      help="change one config value in every cell that has it; repeatable")
    where = parser.add_argument_group("where")
    where.add_argument("--data-root", metavar="DIR",
                       help="folder of the datasets (default: $IRSTD_DATA_ROOT, else data)")
    where.add_argument("--work-dir", type=Path, default=Path("work_dirs"), metavar="DIR",
                       help="records, checkpoints and reports (default: %(default)s)")
    where.add_argument("--device", type=device, default="auto", metavar="auto|cpu|cuda:N",
                       help="(default: %(default)s: a GPU where there is one)")
    how = parser.add_argument_group("how")
    how.add_argument("--jobs", type=positive, metavar="N",
                     help="cells side by side (default: 1; with --executor ray as many as the cluster has room for)")
    how.add_argument("--gpus-per-cell", type=positive, default=1, metavar="N",
                     help="processes that train and test a cell together, each with its share of the batch and a GPU "
                     "of its own, or on a CPU its share of the cores (default: %(default)s)")
    how.add_argument("--timeout", type=seconds, metavar="30m", help="end a cell after this time (s, m or h)")
    how.add_argument("--force", action="store_true", help="run finished cells again")
    how.add_argument("--retry-failed", action="store_true", help="run failed cells again; training resumes")
    how.add_argument("--fail-fast", action="store_true", help="start no further cell after a failure")
    add_executor(parser, "cell")
    track = parser.add_argument_group("Weights & Biases")
    track.add_argument("--wandb", choices=tracking.MODES,
                       help="one run a cell (default: $WANDB_MODE; else online with a key of W&B, offline without)")
    track.add_argument("--wandb-checkpoints", action="store_true", help="keep each chosen checkpoint as an artifact")
    look = parser.add_argument_group("look, do not run")
    look.add_argument("--list", action="store_true", help="print the cells and how each stands")
    look.add_argument("--dry-run", action="store_true", help="print what would run; with -v the resolved configs")
    look.add_argument("--collect", action="store_true", help="make tables and PDF from what exists")
    loud = parser.add_mutually_exclusive_group()
    loud.add_argument("-v", "--verbose", action="store_true", help="say more")
    loud.add_argument("-q", "--quiet", action="store_true", help="print only the final line")
    return parser


def _choose_profile(asked: str | None, suite: dict, root: Path, device: str) -> tuple[str, str]:
    if asked:
        return asked, "as asked"
    if "profile" in suite:
        known = configs.known("profiles")
        if suite["profile"] not in known:
            raise ConfigError(f"suite {suite['name']}: {unknown_name('profile', suite['profile'], known)}")
        return suite["profile"], "the suite's own"
    gpu = bool(provenance.gpus()) and device != "cpu"
    present = any(not missing_reason(load_dataset_config(name), root)
                  for name in configs.load("profiles", "paper")["profile"]["datasets"])
    if gpu and present:
        return "paper", "a GPU and data were found"
    lacking = " and ".join(what for what, found in (("no GPU", gpu), ("no data", present)) if not found)
    return "demo", f"{lacking} found; --profile chooses another"


def _to_run(cells: Sequence[Cell], outcomes: dict, *, force: bool, retry_failed: bool) -> list[Cell]:
    wanted = {Status.PENDING, Status.STALE}
    if force:
        wanted |= {Status.DONE, Status.FAILED}
    if retry_failed:
        wanted.add(Status.FAILED)
    return [cell for cell in cells if outcomes[cell.key].status in wanted]


def _tracker(name: str, plans: list[Plan], outcomes: dict, todo: list[Cell], store: RecordStore,
             arguments: argparse.Namespace) -> contextlib.AbstractContextManager[tracking.Tracker | None]:
    mode, explanation = ("disabled", "") if arguments.collect else tracking.choose_mode(arguments.wandb)
    left = [] if mode == "disabled" else tracking.untracked(list(outcomes.values()), store)
    if explanation and not arguments.quiet and (todo or left):
        print(explanation)
    if mode == "disabled" or not (todo or left):
        return contextlib.nullcontext()
    cells = list({cell.key: cell for plan in plans for cell in plan.cells}.values())
    options = tracking.Options(mode, arguments.wandb_checkpoints, suite=plans[0].suite | {"name": name})
    tracker = tracking.Tracker(cells, store, options)
    waiting = {cell.key for cell in todo}
    for outcome in left:
        if outcome.key not in waiting:
            tracker.hear(outcome.key, {"kind": "done"})
    return tracker


def _run(todo: list[Cell], labels: dict, store: RecordStore, arguments: argparse.Namespace,
         tracker: tracking.Tracker | None) -> dict:
    from benchmark import schedule, schedule_ray
    from benchmark.progress import Display

    how = dict(device=arguments.device, timeout=arguments.timeout, fail_fast=arguments.fail_fast,
               command=provenance.command(), gpus_per_cell=arguments.gpus_per_cell)
    if arguments.executor == "ray":
        run = schedule_ray.run
        options = schedule_ray.Options(jobs=arguments.jobs or len(todo), request=ray_request(arguments, "cell"), **how)
    else:
        run, options = schedule.run, schedule.Options(jobs=arguments.jobs or 1, **how)
    if arguments.force:
        from benchmark.child import locked

        for cell in todo:
            with locked(store.folder(cell.key)):  # another run may be at it
                store.discard_work(cell.key)
    with Display(todo, labels, sys.stdout, quiet=arguments.quiet, verbose=arguments.verbose) as display:

        def hear(cell: Cell, event: dict) -> None:
            display.hear(cell, event)
            if tracker is not None:
                tracker.hear(cell.key, event)

        return {outcome.key: outcome for outcome in run(todo, store, options, hear)}


def _find_leaks(plans: list[Plan], store: RecordStore) -> None:
    # The one thing that a leakage table needs besides records; the data are here now, and may not be later.
    cells = [cell for plan in plans if plan.suite["kind"] == "leakage" for cell in plan.cells]
    from benchmark.datasets.leaks import keep_leaks

    for cell in {cell.data_fingerprint: cell for cell in cells}.values():
        source = open_dataset(cell.config["dataset"], Path(cell.data_root), cell.config["split"], cell.config["seed"])
        if source.fingerprint() == cell.data_fingerprint:  # else it changed meanwhile, and its cells have failed
            keep_leaks(store.root, source, cell.data_fingerprint)


def _report(suite: dict, plans: list[Plan], outcomes: dict, store: RecordStore, tracker: tracking.Tracker | None,
            quiet: bool, started: float) -> int:
    from benchmark.collect import finish
    from benchmark.progress import describe, duration, tally
    from reports.build import FORMATS, build_report, build_reports

    results = [finish(plan.suite, plan.ordered(outcomes), store.root) for plan in plans]
    if "suites" in suite:
        written = build_reports(results, store.root / suite["name"], suite["name"], suite["title"], FORMATS, store.root)
    else:
        written = build_report(results[0], store.root / suite["name"], FORMATS, store.root)
    found = [outcome for plan in plans for outcome in (*plan.skipped, *(outcomes[cell.key] for cell in plan.cells))]
    ordered = list({outcome.key: outcome for outcome in found}.values())
    failed = [outcome for outcome in ordered if outcome.status is Status.FAILED]
    for outcome in failed if not quiet else []:
        print(f"{outcome.key}  {describe(outcome)} → {store.folder(outcome.key) / 'cell.log'}")
    for line in tracker.finish(written) if tracker is not None else []:
        if not quiet:
            print(line)
    complete = all(outcome.status in (Status.DONE, Status.SKIPPED) for outcome in ordered)
    print(f"{suite['name']} · {tally(ordered)} · {duration(time.monotonic() - started)} · "
          f"{' '.join(str(path) for path in written.values())}")
    return EXIT_DONE if complete else EXIT_INCOMPLETE


def _print_head(name: str, plans: list[Plan], profile: str, reason: str, root: Path, store: RecordStore) -> None:
    datasets = dict.fromkeys(f"{dataset['name'].split('/')[0]} ({dataset['split']})" for plan in plans
                             for dataset in plan.suite["datasets"])
    print(f"{name} · profile {profile} ({reason}) · {', '.join(datasets)} · data {root} · work {store.root}")
    for note in dict.fromkeys(note for plan in plans for note in plan.suite["notes"]):
        print(f"note: {note}")


def _print_skipped(plans: list[Plan]) -> None:
    # said before the others start: a file that is missing can be fetched meanwhile
    labels = cell_labels(plans)
    skipped = {outcome.key: outcome.reason for plan in plans for outcome in plan.skipped}
    for reason in dict.fromkeys(skipped.values()):
        methods = dict.fromkeys(labels[key].split(" / ")[0] for key, why in skipped.items() if why == reason)
        print(f"skipped: {', '.join(methods)}: {reason}")


def _print_cells(name: str, plans: list[Plan], cells: list[Cell], outcomes: dict, todo: list[Cell],
                 store: RecordStore, *, dry_run: bool, verbose: bool) -> None:
    import json

    from benchmark.progress import describe, tally

    by_key = {cell.key: cell for cell in cells}
    running = {cell.key for cell in todo}
    found = {outcome.key: outcome for plan in plans for outcome in plan.skipped} | outcomes
    labels = cell_labels(plans)
    ordered = [found[key] for key in labels]
    width = max((len(label) for label in labels.values()), default=0)
    for outcome in ordered:
        if dry_run and outcome.key not in running:
            continue
        cell = by_key.get(outcome.key)
        print(f"{cell.id if cell else '-' * 16}  {labels[outcome.key]:{width}}  {describe(outcome)}")
        if verbose and cell:
            print(json.dumps(cell.config, indent=2, ensure_ascii=False))
    verb = f"{len(todo)} would run" if dry_run else tally(ordered)
    print(f"{name} · {verb} · {store.root}")


if __name__ == "__main__":
    sys.exit(run_main(main))
