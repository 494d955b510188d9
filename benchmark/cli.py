"""The shared edge of every command: kinds of arguments; exceptions become one line on stderr and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchmark import provenance
from benchmark.errors import BenchError, ConfigError, disk_reason

if TYPE_CHECKING:
    from benchmark.cluster import Request

EXIT_DONE = 0
EXIT_INCOMPLETE = 1  # some cells failed or did not run; the report was still made
EXIT_USAGE = 2  # bad usage, config or data; nothing was run
EXIT_INTERRUPTED = 130  # the shell's convention for SIGINT


def run_main(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Return the exit code of ``main(argv)``, turning user errors into one line instead of a traceback."""
    with contextlib.suppress(AttributeError):  # stdout may be replaced by something that has no coding
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text that a terminal can show
    try:
        return main(argv)
    except BenchError as error:
        return _refused(error)
    except KeyboardInterrupt:
        print("interrupted; finished work is kept, run the same command again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: that is its right, and stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:  # a full disk, a folder that may not be read: the machine's state, not a defect of ours
        if reason := disk_reason(error):
            print(f"error: {reason}", file=sys.stderr)
            return EXIT_INCOMPLETE
        if error.strerror is None:
            raise
        return _refused(BenchError(": ".join(str(part) for part in (error.filename, error.strerror) if part)))


def _refused(error: BenchError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return EXIT_USAGE


def names(text: str) -> list[str]:
    """``'a, b'`` as a list, never an empty one."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"expected names like a,b, got {text!r}")
    return found


def numbers(text: str) -> list[int]:
    """``'0,1'`` as whole numbers."""
    try:
        return [int(number) for number in names(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected whole numbers like 0,1,2, got {text!r}") from error


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """``'90s'``, ``'30m'`` or ``'6h'`` in seconds."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a time like 90s, 30m or 6h, got {text!r}") from error


def device(text: str) -> str:
    """``auto``, ``cpu`` or ``cuda:N``; a GPU that is not there is refused."""
    if text not in ("auto", "cpu") and not (text.startswith("cuda:") and text[5:].isdigit()):
        raise argparse.ArgumentTypeError(f"expected auto, cpu or cuda:N, got {text!r}")
    if text.startswith("cuda:") and int(text[5:]) >= len(provenance.gpus()):
        raise ConfigError(f"--device {text}: this machine shows {len(provenance.gpus())} GPUs; use --device cpu")
    return text


def add_executor(parser: argparse.ArgumentParser, what: str) -> None:
    """Options that say where the ``what``s of a command run: ``--executor`` and those of Ray, see ``ray_request``.

    The parser has ``--gpus-per-<what>`` besides.
    """
    group = parser.add_argument_group("on a cluster")
    group.add_argument("--executor", choices=("local", "ray"), default="local",
                       help=f"{what}s are processes of this machine, or tasks on the machines of a Ray cluster, which "
                       "must share --work-dir, the data and the code at the same paths (default: %(default)s)")
    group.add_argument("--address", default="auto", metavar="ADDR",
                       help="of the Ray cluster: host:port, auto ($RAY_ADDRESS, else the one started on this machine), "
                       "or local for one of this machine's own, made and ended with the run (default: %(default)s)")
    group.add_argument(f"--cpus-per-{what}", type=positive, default=1, metavar="N",
                       help=f"CPU cores that Ray sets aside for a {what}, and its threads (default: %(default)s)")


def ray_request(arguments: argparse.Namespace, what: str) -> Request:
    """What was asked of Ray; a GPU by number is refused, for there Ray gives them out."""
    from benchmark.cluster import Request

    if arguments.device.startswith("cuda:"):
        raise ConfigError(f"--device {arguments.device}: Ray gives out the GPUs of its cluster; use auto or cpu")
    given = vars(arguments)
    return Request(arguments.address, given[f"cpus_per_{what}"], given[f"gpus_per_{what}"])
