"""The command ``tune.py``: search the parameters of one method on images that are not test images. No torch here."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import importlib.util
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark import configs
from benchmark.cli import (
    EXIT_DONE,
    EXIT_INCOMPLETE,
    add_executor,
    device,
    positive,
    ray_request,
    run_main,
    seconds,
)
from benchmark.datasets.catalog import data_root, known_datasets
from benchmark.errors import ConfigError
from benchmark.grid import PROTOCOLS

if TYPE_CHECKING:
    import optuna

    from benchmark.tuning.plan import TuningPlan
    from benchmark.tuning.study import StudySpec

EPILOG = """examples:
  python benchmark/tune.py --method acm --dataset nuaa-sirst --trials 30 --enqueue-default
      thirty trials, the first with the config's own values; the same command again goes on where it stopped
  python benchmark/tune.py --method ipi --dataset nuaa-sirst --trials 30 --images 40 --workers 2
      a method that does not train, on forty training images, two trials at once
  python benchmark/tune.py --method acm --dataset nuaa-sirst --storage postgresql+psycopg://me@db/studies --trials 200
      the same on every machine of a cluster: all work on one study ($OPTUNA_STORAGE keeps a password off the command)
  python benchmark/tune.py --method acm --dataset nuaa-sirst --trials 200 --executor ray --work-dir /shared/work
      trials on all machines of a Ray cluster, which this command is given from one of them
  python benchmark/run.py --suite table1 --profile fast --datasets nuaa-sirst \\
      --methods acm,work_dirs/tune/acm-nuaa-sirst-official-fast/acm_tuned.py
      the test score of the best beside the default's

what is measured: IoU on the validation part of the split; where it has none, on a quarter of its training images, set
apart by a hash; for methods that do not train, on training images. Test images are never read.
states of a trial: complete, pruned (stopped early, it was behind others), fail (its error is kept), killed (its
process was, and its point was begun anew), running, waiting.
exit codes: 0 all trials there, 1 none of them complete, 2 bad usage, config or storage, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("tune.py needs Optuna: pip install -c constraints.txt -e '.[search]'")
    if arguments.list:
        return _list(arguments)
    if not arguments.method or not arguments.dataset:
        raise ConfigError("--method and --dataset say what to tune; --list shows the studies that there are")
    return _tune(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="tune.py",
        description="Search the parameters of a method: trials are drawn by TPE, stopped early by "
        "Hyperband, kept in a study that any number of processes may share, and go on after any interruption.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_argument_group("what to tune")
    what.add_argument("--method", metavar="NAME|PATH",
                      help=f"one of {', '.join(configs.known('methods'))}, or a config file")
    what.add_argument("--dataset", metavar="NAME|PATH", help=f"one of {', '.join(known_datasets())}, or a folder")
    what.add_argument("--profile", choices=configs.known("profiles"), help="(default: fast, for generated data demo)")
    what.add_argument("--split", metavar="NAME|PATH", help="(default: the profile's)")
    what.add_argument("--recipe", choices=configs.RECIPES, help="(default: the profile's)")
    what.add_argument("--protocol", choices=PROTOCOLS, help="how targets are counted (default: standard)")
    what.add_argument("--space", metavar="PATH", help="search space (default: configs/tune/<method>.py, for networks "
                      "without one configs/tune/network.py)")
    what.add_argument("--set", action="append", default=[], metavar="A.B=C",
                      help="fix one config value in every trial; takes it out of the space; repeatable")
    what.add_argument("--images", type=positive, metavar="N", help="at most so many training images (default: all)")
    what.add_argument("--val-images", type=positive, metavar="N", help="at most so many validation images")
    how = parser.add_argument_group("how to search")
    how.add_argument("--trials", type=_count, default=30, metavar="N",
                     help="trials the study shall have in all, those of earlier calls included; 0 only reports "
                     "(default: %(default)s)")
    how.add_argument("--multi", action="store_true", help="two objectives, IoU and Fa; nothing is stopped early then")
    how.add_argument("--enqueue-default", action="store_true", help="begin with the config's own values, as trial 0")
    how.add_argument("--seed", type=int, default=0, help="of the search and of each training (default: %(default)s)")
    how.add_argument("--workers", type=positive, metavar="N",
                     help="trials at once (default: 1; with --executor ray as many as the cluster has room for)")
    how.add_argument("--timeout", type=seconds, metavar="30m", help="end a trial after this time (s, m or h)")
    how.add_argument("--device", type=device, default="auto", metavar="auto|cpu|cuda:N", help="(default: %(default)s)")
    add_executor(parser, "trial")
    how.add_argument("--gpus-per-trial", type=positive, default=1, metavar="N",
                     help="GPUs that Ray sets aside for a trial that trains, where the cluster has any (default: "
                     "%(default)s)")
    where = parser.add_argument_group("where")
    where.add_argument("--study", metavar="NAME", help="(default: method-dataset-split-profile)")
    where.add_argument("--storage", metavar="URL|PATH",
                       help="database URL or journal file (default: $OPTUNA_STORAGE, else a journal beside the report)")
    where.add_argument("--work-dir", type=Path, default=Path("work_dirs"), metavar="DIR",
                       help="studies go to tune/ inside (default: %(default)s)")
    where.add_argument("--data-root", metavar="DIR", help="(default: $IRSTD_DATA_ROOT, else data)")
    where.add_argument("--export", type=Path, metavar="PATH",
                       help="write the best as a method config there (default: beside the report)")
    where.add_argument("--export-trial", type=int, metavar="N", help="write this trial instead of the best")
    look = parser.add_argument_group("look, do not run")
    look.add_argument("--list", action="store_true", help="print the studies and how they stand; with -v their trials")
    loud = parser.add_mutually_exclusive_group()
    loud.add_argument("-v", "--verbose", action="store_true", help="say more")
    loud.add_argument("-q", "--quiet", action="store_true", help="print only the final line")
    return parser


def _tune(arguments: argparse.Namespace) -> int:
    from benchmark.child import locked
    from benchmark.provenance import now
    from benchmark.schedule import cores
    from benchmark.tuning import plan as planning
    from benchmark.tuning import pool, pool_ray, space, study
    from benchmark.tuning.progress import Progress
    from benchmark.tuning.worker import Job

    started = time.monotonic()
    root = data_root(arguments.data_root)
    plan = planning.plan(planning.Wish(
        arguments.method, arguments.dataset, root, arguments.profile, arguments.split, arguments.recipe,
        arguments.protocol, arguments.seed, arguments.images, arguments.val_images, arguments.space,
        [configs.parse_override(text) for text in arguments.set]))
    values = space.defaults(plan.space, plan.config) if arguments.enqueue_default else {}
    spec, folder = _spec(arguments, plan)
    opened = study.open_study(spec, {"config": plan.config, "space": plan.space, "data": plan.fingerprint,
                                     "objectives": list(spec.objectives)})
    recovered = study.recover(opened, spec)
    if arguments.enqueue_default:
        with locked(folder):  # or two commands that begin at once would both find none
            study.enqueue_default(opened, values)
    progress = Progress(opened, spec, arguments.trials, quiet=arguments.quiet, verbose=arguments.verbose)
    progress.head(plan.subject, plan.space, study.shown(spec.storage), recovered)
    on_ray = arguments.executor == "ray"
    workers = arguments.workers or (arguments.trials if on_ray else 1)
    job = Job(spec, plan.config, plan.space, str(root), str(folder), arguments.device, max(1, cores() // workers))
    how = dict(trials=arguments.trials, workers=workers, timeout=arguments.timeout, listen=progress.hear)
    with progress:
        if on_ray:
            pool_ray.run(opened, job, request=ray_request(arguments, "trial"), **how)
        else:
            pool.run(opened, job, **how)
    facts = {"objective": f"{' and '.join(spec.objectives)} on {plan.subject}; no test image was read",
             "config": f"{plan.config['profile_name']} profile, split {plan.config['split']}, seed {arguments.seed}",
             "storage": study.shown(spec.storage), "finished": now()}
    written = _write(opened, plan, spec, folder, facts, arguments)
    print(progress.closing(time.monotonic() - started, written))
    return EXIT_DONE if study.tally(opened)["complete"] else EXIT_INCOMPLETE


def _spec(arguments: argparse.Namespace, plan: TuningPlan) -> tuple[StudySpec, Path]:
    from benchmark.tuning.study import StudySpec

    name = arguments.study or plan.name + ("-multi" if arguments.multi else "")
    folder = arguments.work_dir / "tune" / name
    storage = arguments.storage or _storage_of_environment() or str(folder / "journal.log")
    if arguments.executor == "ray" and storage.startswith("sqlite:"):
        raise ConfigError(f"--storage {storage}: machines cannot share an SQLite file; give a journal file on the "
                          "shared file system, or a database server")
    return StudySpec(name, storage, arguments.seed, ("iou", "fa") if arguments.multi else ("iou",), plan.resource,
                     str(folder / "workers")), folder


def _write(study: optuna.Study, plan: TuningPlan, spec: StudySpec, folder: Path, facts: dict[str, str],
           arguments: argparse.Namespace) -> list[Path]:
    from benchmark.tuning.export import export
    from benchmark.tuning.study import best_trial
    from reports.study import build_study_report

    chosen = best_trial(study)
    report = build_study_report(study, folder / "report", title=f"Study {spec.name}", facts=facts,
                                objectives=spec.objectives, best=chosen.number if chosen else None)
    if arguments.export_trial is not None:
        found = [trial for trial in study.get_trials() if trial.number == arguments.export_trial and trial.params]
        if not found:
            raise ConfigError(f"--export-trial {arguments.export_trial}: study {spec.name} has no such trial")
        chosen = found[0]
    if chosen is None:
        return [report]
    path = arguments.export or folder / f"{plan.config['method']['name'].removesuffix('_tuned')}_tuned.py"
    scores = ", ".join(f"{name} {value:.4f}" for name, value in zip(spec.objectives, chosen.values or (), strict=False))
    export(path, plan.method, chosen.params, f"trial {chosen.number} of study {spec.name} ({scores or 'no score'} on "
           f"{plan.subject}), {facts['finished'][:10]}")
    return [report, path]


def _list(arguments: argparse.Namespace) -> int:
    import optuna

    from benchmark.tuning import study as studies
    from benchmark.tuning.progress import describe, summary

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    named = arguments.storage or _storage_of_environment()
    storages = [named] if named else [str(path) for path in sorted(arguments.work_dir.glob("tune/*/journal.log"))]
    found = 0
    for address in storages:
        with studies.explained(address):
            storage = studies.open_storage(address)
            for name in optuna.get_all_study_names(storage):
                if arguments.study in (None, name):
                    found += 1
                    study = optuna.load_study(study_name=name, storage=storage)
                    print(f"{name}  {summary(study)}  {studies.shown(address)}")
                    for trial in study.get_trials(deepcopy=False) if arguments.verbose else []:
                        print(f"  {describe(trial)}")
    print(f"{found} studies in {studies.shown(named) if named else arguments.work_dir / 'tune'}")
    return EXIT_DONE


def _storage_of_environment() -> str | None:
    return os.environ.get("OPTUNA_STORAGE") or None


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


if __name__ == "__main__":
    sys.exit(run_main(main))
