"""How cases of fuzzing are run: the same ones every time, each with a deadline, and with one judge of what may happen.

A case either succeeds or is refused by a ``BenchError`` whose single line names the file. Anything else fails the test.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from benchmark import configs
from benchmark.cli import run_main
from benchmark.errors import BenchError

# One case takes milliseconds; the deadline is for what hangs, and leaves room for a machine that is busy elsewhere.
settings.register_profile("fuzz", derandomize=True, database=None, deadline=120_000, print_blob=False,
                          suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Refused:
    """A case that was refused, and how."""

    message: str


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def attempt() -> Callable[..., Any]:
    """``attempt(call, names=text)``: what the call gives, or ``Refused`` with one line that holds ``names``."""
    return _attempt


@pytest.fixture(scope="session")
def command() -> Callable[..., Ended]:
    """``command(main, argv)``: runs a command in this process as a shell would, and judges what it printed."""
    return _command


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that the cases of one file share; in memory where there is such a place, for thousands of small files
    cost minutes on a slow disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def quick_configs() -> Iterator[None]:
    """The project's own config files are read once instead of for every case."""
    original = configs.load_file
    read = functools.cache(original)

    def remembered(path: Path) -> dict[str, Any]:
        return copy.deepcopy(read(path)) if configs.CONFIG_ROOT in path.parents else original(path)

    configs.load_file = remembered
    yield
    configs.load_file = original


def _attempt(call: Callable[[], Any], names: object = "") -> Any:
    try:
        return call()
    except BenchError as error:
        message = str(error)
    assert message.isprintable(), f"not one clean line: {message!r}"
    assert message.strip() and str(names) in message, f"does not name {names}: {message!r}"
    return Refused(message)


def _command(main: Callable[[Sequence[str] | None], int], argv: Sequence[str]) -> Ended:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors, newline="")
                for errors in ("strict", "backslashreplace"))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code, by_argparse = run_main(main, list(argv)), False
        except SystemExit as error:  # how argparse refuses a usage, and how it ends --help
            code, by_argparse = error.code, True
    ended = Ended(code, *(_text(stream) for stream in (out, err)))
    assert code in (0, 1, 2), (argv, ended)
    assert "Traceback" not in ended.out + ended.err, (argv, ended)
    if code == 2:
        said = ended.err.split("error: ", 1)[1]
        assert by_argparse or said.removesuffix("\n").isprintable(), (argv, ended)
    return ended


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8")
