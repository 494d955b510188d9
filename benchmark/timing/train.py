"""What the runner adds to a bare PyTorch loop, and what half precision, memory format and compiler save of a step."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmark.child import one_line
from benchmark.engine import compat
from benchmark.timing.comparison import Comparison, compare
from benchmark.timing.scenes import cell_config, write_scenes

STEPS, BATCH, SIDE = 10, 4, 256
RUNNERS = ("gcinet", "acm")
"""The two networks with the shortest steps: where the runner's part of a step is largest."""
FORMS = ("acm", "saist_t")
CHANGES = (("bf16",), ("channels-last",), ("bf16", "channels-last"), ("torch.compile",))
GOAL = 0.03


def comparisons(rounds: int) -> list[Comparison]:
    """The runner's step against a bare one, then each form of a net against plain float32; one CPU thread."""
    compat.apply()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_scenes(root, train=STEPS * BATCH, side=SIDE)
        found += [runner_step(name, root, rounds) for name in RUNNERS]
        for name in FORMS:
            found += forms(name, root, rounds)
    return found


def runner_step(method: str, root: Path, rounds: int) -> Comparison:
    """Seconds of a step by the runner and by a bare loop, in turn on the same batches; a round is an epoch."""
    from benchmark.timing.steps import train_beside_bare

    config = cell_config(method, train_dataloader__batch_size=BATCH, view__size=[SIDE, SIDE])
    loop = train_beside_bare(config, root, root / f"train-{method}", 1 + rounds)  # the first epoch warms up
    ours, bare = (np.asarray(loop.seconds[name][1:]) / len(loop.dataloader) for name in ("runner", "bare"))
    added = ours / bare - 1
    note = (f"overhead {100 * np.median(added):+.1f} % [{100 * added.min():+.1f}..{100 * added.max():+.1f}], "
            f"{1e3 * np.median(ours - bare):+.2f} ms, goal {100 * GOAL:.0f} %; hooks and checkpoint of an epoch "
            f"{1e3 * np.median(loop.seconds['epoch'][1:]):.0f} ms apart; {_size()}")
    return Comparison(f"{config['method']['title']} training step", "runner", "bare loop", ours.tolist(), bare.tolist(),
                      note)


def forms(method: str, root: Path, rounds: int) -> list[Comparison]:
    """A step of the net in each form of ``CHANGES`` against plain float32; a compiler that is missing is named."""
    from benchmark.timing.steps import first_batch, variant_step

    config = cell_config(method, train_dataloader__batch_size=BATCH, view__size=[SIDE, SIDE])
    batch = first_batch(config, root)
    plain = ("float32", variant_step(config, batch, ()))
    found = []
    for changes in CHANGES:
        label = " + ".join(changes)
        name = f"{config['method']['title']} step, {label}"
        reason = _why_not(changes)
        if not reason:
            try:
                found.append(compare(name, (label, variant_step(config, batch, changes)), plain, rounds, _size()))
            except Exception as error:  # whatever a compiler may say
                reason = one_line(error)
        if reason:
            found.append(Comparison(name, label, plain[0], [], [], f"not run: {reason}"))
    return found


def _why_not(changes: tuple[str, ...]) -> str:
    compiler = os.environ.get("CXX") or "g++"
    if "torch.compile" in changes and shutil.which(compiler) is None:
        return f"torch.compile needs a C++ compiler, and {compiler} is not there"
    return ""


def _size() -> str:
    return f"batch {BATCH}, {SIDE}x{SIDE}, one thread"


