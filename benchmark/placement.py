"""Which GPU a waiting cell gets: the one with most free memory where it fits, none until then. Imports no torch.

Cells that run side by side on one GPU share its memory, and the one that asks last dies of it. What a cell will need
is not known before it has run, but methods come back with other seeds and other data: their records say what they took.
A machine without nvidia-smi, and methods that train nothing, are left alone.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark import provenance
from benchmark.errors import ConfigError
from benchmark.records import CellKey, Record, RecordStore
from benchmark.suites import Cell

DEFAULT_NEED_MB = 16 * 1024
"""Of a cell whose method has no record yet under this profile: five of them share 80 GB, smaller GPUs take one."""
HEADROOM = 1.2  # a caching allocator holds more than the tensors that torch's peak counts
CONTEXT_MB = 1024  # and CUDA's context and libraries are in no figure of torch
READING_SECONDS = 5.0  # others' use of a GPU changes slowly, and nvidia-smi may take a second to tell
QUERY_SECONDS = 20


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi sees it now."""

    position: int
    """Among the devices that ``CUDA_VISIBLE_DEVICES`` shows, which is how ``cuda:N`` counts."""
    total_mb: int
    used_mb: int


@dataclass
class _Load:
    # What our running cells are going to need on a GPU, and what others used when the first of them came.
    others_mb: int
    needs_mb: dict[CellKey, int]


class Needs:
    """Estimates of the GPU memory that one process of a cell needs, from the records of a store.

    Args:
        store: Its records on GPUs count, by method and profile; of several the largest.
        processes: That share a cell's batch. Records of more, each of which had less of it, say nothing.
    """

    def __init__(self, store: RecordStore, processes: int = 1) -> None:
        self.processes = processes
        self.peaks: dict[tuple[str, str], float] = {}
        for key in store.recorded():
            record = store.get(key)
            if record is not None:
                self.learn(record)

    def learn(self, record: Record) -> None:
        """Take a record into account."""
        peak = record.cost.get("peak_memory_mb")
        # on a CPU the figure is of the whole process and says nothing of a GPU
        if peak and record.provenance.get("device") == "cuda" and \
                record.provenance.get("processes", 1) <= self.processes:
            name = (record.key.method, record.key.profile)
            self.peaks[name] = max(peak, self.peaks.get(name, 0.0))

    def of(self, key: CellKey) -> int:
        """MiB on each GPU of the cell."""
        peak = self.peaks.get((key.method, key.profile))
        return DEFAULT_NEED_MB if peak is None else int(peak * HEADROOM) + CONTEXT_MB


class Placement:
    """Gives cells their devices and remembers who is where.

    Args:
        device: The user's ``'auto'``, ``'cpu'`` or ``'cuda:N'``.
        per_cell: GPUs that each cell gets.
        store: Whose records say what methods need.
    """

    def __init__(self, device: str, per_cell: int, store: RecordStore) -> None:
        self.device, self.per_cell = device, per_cell
        self.loads: dict[int, _Load] = {}
        self.reading: list[Gpu] = []
        self.read_at = float("-inf")
        self.needs = Needs(store, per_cell) if len(self._gpus()) >= per_cell else None

    def place(self, cell: Cell, alone: bool) -> str | None:
        """The device of a cell that is to start now, as ``child.choose_device`` takes it; None where it must wait.

        Args:
            cell: To be started at once where it gets a device.
            alone: That no other cell runs: then it starts, however little is free.
        """
        if self.needs is None or not cell.config["method"]["trainable"]:
            return self.device
        gpus = self._gpus()
        need = self.needs.of(cell.key)
        best = sorted(gpus, key=lambda gpu: (-self._free(gpu), gpu.position))[:self.per_cell]
        if not alone and self._free(best[-1]) < need:
            return None
        for gpu in best:
            load = self.loads.setdefault(gpu.position, _Load(gpu.used_mb, {}))
            load.needs_mb[cell.key] = need
        return "cuda:" + ",".join(str(gpu.position) for gpu in best)

    def release(self, cell: Cell, record: Record | None) -> None:
        """The cell has ended, with a record or without."""
        for position, load in list(self.loads.items()):
            load.needs_mb.pop(cell.key, None)
            if not load.needs_mb:
                del self.loads[position]
        self.read_at = float("-inf")
        if self.needs is not None and record is not None:
            self.needs.learn(record)

    def _free(self, gpu: Gpu) -> int:
        # A cell that has just started has taken next to nothing yet; what it is going to take is not free.
        load = self.loads.get(gpu.position)
        expected = 0 if load is None else load.others_mb + sum(load.needs_mb.values())
        return gpu.total_mb - max(gpu.used_mb, expected)

    def _gpus(self) -> list[Gpu]:
        if self.device == "cpu":
            return []
        if time.monotonic() - self.read_at > READING_SECONDS:
            chosen = None if self.device == "auto" else int(self.device.removeprefix("cuda:"))
            found = [gpu for gpu in read_gpus() if chosen in (None, gpu.position)]
            self.reading = found or self.reading  # what was there is there, even if nvidia-smi does not answer now
            self.read_at = time.monotonic()
        return self.reading


def read_gpus() -> list[Gpu]:
    """The GPUs that this process may use, with their memory in MiB; empty where nvidia-smi cannot tell."""
    rows = _query("index", "memory.total", "memory.used")
    if not all(cell.isdigit() for row in rows for cell in row):  # [N/A], of a GPU without memory of its own
        return []
    memory = {index: (int(total), int(used)) for index, total, used in rows}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    entries = list(memory) if visible is None else [entry.strip() for entry in visible.split(",")]
    if any(entry.startswith("GPU-") for entry in entries):  # CUDA takes the beginning of a UUID for the whole
        known = _query("index", "uuid")
        entries = [next((index for index, uuid in known if entry.startswith("GPU-") and uuid.startswith(entry)), entry)
                   for entry in entries]
    found = []
    for position, entry in enumerate(entries):
        if entry not in memory:  # CUDA, too, ignores all that comes after an entry which it does not know
            break
        found.append(Gpu(position, *memory[entry]))
    return found


def check(cells: Iterable[Cell], device: str, per_cell: int, *, here: bool = True) -> None:
    """Raise ``ConfigError`` where cells cannot be shared by ``per_cell`` processes; ``here``: on its own GPUs."""
    if per_cell == 1:
        return
    shown = len(provenance.gpus()) if here and device != "cpu" else 0
    if device.startswith("cuda:"):
        raise ConfigError(f"--gpus-per-cell {per_cell}: --device {device} is one GPU; leave --device out, and choose "
                          "GPUs with CUDA_VISIBLE_DEVICES")
    if 0 < shown < per_cell:
        raise ConfigError(f"--gpus-per-cell {per_cell}: GPUs that this machine shows: {shown}; ask for no more, or use "
                          "--device cpu")
    for cell in cells:
        batch = cell.config["train_dataloader"]["batch_size"] if cell.config["method"]["trainable"] else per_cell
        if batch % per_cell:
            fits = ", ".join(str(number) for number in _divisors(batch))
            raise ConfigError(f"--gpus-per-cell {per_cell}: the batch of {cell.key.method} is {batch}, of which "
                              f"{per_cell} processes cannot take equal shares; use one of {fits}, or --set "
                              "train_dataloader.batch_size=N")


def _divisors(number: int) -> Sequence[int]:
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def _query(*fields: str) -> list[list[str]]:
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in listed.splitlines() if line.strip()]
