"""Running out of memory: known by its many names, told with the size that failed, answered once with smaller batches.

A batch that does not fit is cut into equal micro-batches whose gradients are added up before the optimiser's step.
Data, augmentation, iterations and learning rates stay those of the whole batch, so that a training resumes with the
same identity; what changes is said in its record: statistics of batch normalisation are those of a micro-batch, and so
is a loss that is not a mean over images.
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop

from benchmark.errors import TrainingError
from benchmark.records import write_atomically

MICRO_BATCH_FILE = "micro_batch.json"
# Of messages of RuntimeErrors: torch's CPU allocator has no class of its own, nor have cuBLAS and cuDNN.
MARKS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


class MemoryShortage(TrainingError):
    """Memory did not suffice."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory did not suffice, on a GPU or in the machine."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in MARKS)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Turn running out of memory into ``MemoryShortage`` that names what did not fit."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryShortage(f"out of memory with {what} ({' '.join(str(error).split())[:120] or 'no details'})") \
            from error


def halved(batch_size: int, parts: int) -> int | None:
    """Into how many parts to cut a batch that did not fit in ``parts``: at least twice as many; None where none is.

    Parts are equally large, so that their mean gradient is that of the batch: 4 gives 2, 6 gives 2, 5 gives 5.
    """
    return next((more for more in range(2 * parts, batch_size + 1) if batch_size % more == 0), None)


def release() -> None:
    """Give back what a failed attempt held; call it where no name or traceback holds its runner any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def kept_parts(work: Path) -> int:
    """Into how many parts an earlier attempt at this training found that it had to cut its batches; 1 without one."""
    return int((kept_cut(work) or {}).get("accumulate", 1))


def keep_parts(work: Path, batch_size: int, parts: int, epoch: int, reason: str) -> None:
    """Remember the cut beside the checkpoints: a resumed training must not run out of memory first."""
    content = {"batch_size": batch_size, "micro_batch": batch_size // parts, "accumulate": parts,
               "since_epoch": epoch, "reason": reason}
    write_atomically(work / MICRO_BATCH_FILE, json.dumps(content) + "\n")


def kept_cut(work: Path) -> dict[str, Any] | None:
    """``batch_size``, ``micro_batch``, ``accumulate``, ``since_epoch`` and ``reason``, for the record; None without."""
    try:
        content = json.loads((work / MICRO_BATCH_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@LOOPS.register_module()
class MicroBatchLoop(EpochBasedTrainLoop):
    """MMEngine's training loop with each batch cut into ``parts`` equal ones; needs ``accumulative_counts`` to match.

    The loader, its batches and the count of iterations are those of the uncut training.
    """

    def __init__(self, *arguments: Any, parts: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.parts = parts

    def run(self) -> torch.nn.Module:
        """Train; the optimiser's wrapper counts parts, the runner told it batches."""
        wrapper = self.runner.optim_wrapper
        wrapper.initialize_count_status(self.runner.model, self.iter * self.parts, self.max_iters * self.parts)
        return super().run()

    def run_iter(self, idx: int, data_batch: Mapping[str, Sequence[Any]]) -> None:
        """One optimiser step; hooks hear of it once, with the mean of the parts' losses."""
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        found = [self.runner.model.train_step(part, optim_wrapper=self.runner.optim_wrapper)
                 for part in _cut(data_batch, self.parts)]
        outputs = {name: torch.stack([torch.as_tensor(part[name]) for part in found]).mean() for name in found[0]}
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1


def _cut(batch: Mapping[str, Sequence[Any]], parts: int) -> Iterator[dict[str, Sequence[Any]]]:
    size = len(next(iter(batch.values()))) // parts
    for start in range(0, size * parts, size):
        yield {name: values[start:start + size] for name, values in batch.items()}
