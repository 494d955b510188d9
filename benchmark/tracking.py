"""Tracking with Weights & Biases, seen from the command: the mode, and the process that does it. No torch, no wandb.

Cells never wait for W&B. A process of its own, at low priority, hears which cells start and end and writes their runs
from what they leave on disk (see ``benchmark.engine.tracking``); a server that fails can hold up nothing but it.
"""

from __future__ import annotations

import configparser
import contextlib
import importlib.util
import netrc
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from benchmark.json_text import parse
from benchmark.records import CellKey, Outcome, RecordStore, Status
from benchmark.suites import Cell

MODES = ("disabled", "offline", "online")
SERVER = "https://api.wandb.ai"
MARKER = Path("wandb") / "tracked.json"
"""In the folder of a cell: which identity of it has its run already."""

# What the end of a suite may be held up: two percent of it, but what is due after a run of seconds gets a few.
PATIENCE_SHARE, PATIENCE_SECONDS = 0.02, 5.0
OFFLINE_SECONDS = 60.0  # writing to disk takes a second or two unless disk or processor are swamped


@dataclass(frozen=True)
class Options:
    """How to track: ``mode``, whether chosen checkpoints are uploaded, the W&B project, what names the suite's run."""

    mode: str
    checkpoints: bool = False
    project: str = "saist-bench"
    suite: Mapping[str, Any] = field(default_factory=dict)


def choose_mode(asked: str | None) -> tuple[str, str]:
    """One of ``MODES`` and a line that says what it means (empty where tracking was refused).

    Without a wish: ``$WANDB_MODE``, else ``online`` where W&B has a key of this user, else ``offline``. Without the
    package: ``disabled``.
    """
    if asked == "disabled" or asked is None and os.environ.get("WANDB_MODE") == "disabled":
        return "disabled", ""
    if importlib.util.find_spec("wandb") is None:
        return "disabled", "W&B: not installed, nothing is tracked; pip install wandb"
    if asked is None and os.environ.get("WANDB_MODE") in MODES:
        asked = os.environ["WANDB_MODE"]
    mode = asked or ("online" if has_key() else "offline")
    if mode == "online":
        return mode, f"W&B: online at {server()}; --wandb offline keeps the runs here"
    why = "as asked" if asked else "no key found"
    return mode, f"W&B: offline ({why}); upload with `wandb sync`, switch off with --wandb disabled"


def server() -> str:
    """Address of the W&B server, without what may be secret in it."""
    settings = configparser.ConfigParser()
    with contextlib.suppress(configparser.Error, OSError):  # what `wandb login --host` left
        settings.read(Path(os.environ.get("WANDB_CONFIG_DIR") or Path.home() / ".config" / "wandb") / "settings")
    kept = settings.get("default", "base_url", fallback=SERVER)
    parts = urlsplit(os.environ.get("WANDB_BASE_URL") or kept)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def has_key() -> bool:
    """Whether W&B would find a key: in the environment or for its server in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / name for name in (".netrc", "_netrc")]:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            if netrc.netrc(path).authenticators(urlsplit(server()).netloc):
                return True
    return False


def untracked(outcomes: Sequence[Outcome], store: RecordStore) -> list[Outcome]:
    """Finished cells without a run, for instance because they were killed before it was written."""
    return [outcome for outcome in outcomes if outcome.status is Status.DONE
            and marked_id(store.folder(outcome.key)) != outcome.record.id]


def marked_id(folder: Path) -> str | None:
    """Identity of the cell whose run was written in this cell folder, or None."""
    try:
        return parse((folder / MARKER).read_text(encoding="utf-8"))["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Tracker:
    """The tracking process, from the outside: ``with Tracker(...) as tracker: ...; tracker.finish(files)``.

    Every method returns at once but ``finish``, and none raises for anything that W&B does.
    """

    def __init__(self, cells: Sequence[Cell], store: RecordStore, options: Options) -> None:
        from benchmark.schedule import context

        self.store, self.options = store, options
        self.started = time.monotonic()
        self.pipe, theirs = context().Pipe()
        self.process = context().Process(target=_track, name="tracking",
                                         args=(theirs, list(cells), str(store.root), options))
        self.process.start()
        theirs.close()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.pipe.close()  # at the end of the pipe it closes its runs and goes
        self.process.join(PATIENCE_SECONDS if kind else 0.5)
        if self.process.is_alive():
            self.process.kill()

    def hear(self, key: CellKey, event: Mapping[str, Any]) -> None:
        """Pass on that a cell started, is done or failed."""
        if event["kind"] in ("started", Status.DONE.value, Status.FAILED.value):
            self._say(event["kind"], key.slot)

    def finish(self, files: Mapping[str, Path]) -> list[str]:
        """Hand over the suite's report, wait a little for all runs to be written, and say in lines how that went."""
        self._say("suite", {kind: str(path) for kind, path in files.items()})
        patience = OFFLINE_SECONDS if self.options.mode == "offline" else \
            max(PATIENCE_SECONDS, PATIENCE_SHARE * (time.monotonic() - self.started))
        try:
            if self.pipe.poll(patience):
                return self.pipe.recv()
        except (EOFError, OSError):
            return [f"W&B: tracking ended early, see {self.store.root / 'wandb' / 'tracking.log'}; results are not "
                    "affected, the same command tries again"]
        if self.options.mode == "offline":
            return ["W&B: not all runs are written yet, the machine is busy; the same command again adds them"]
        return [f"W&B: {server()} is slow; what is not sent yet lies in {self.store.root}, `wandb sync` sends it"]

    def _say(self, kind: str, content: Any) -> None:
        with contextlib.suppress(OSError):  # it has died: finish will say so
            self.pipe.send((kind, content))


def _track(*arguments: Any) -> None:
    from benchmark.engine.tracking import main

    main(*arguments)
