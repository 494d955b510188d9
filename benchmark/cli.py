"""The shared edge of every command: exceptions become one line on stderr and a documented exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from benchmark.errors import BenchError

EXIT_DONE = 0
EXIT_INCOMPLETE = 1  # some cells failed or did not run; the report was still made
EXIT_USAGE = 2  # bad usage, config or data; nothing was run
EXIT_INTERRUPTED = 130  # the shell's convention for SIGINT


def run_main(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Return the exit code of ``main(argv)``, turning user errors into one line instead of a traceback."""
    try:
        return main(argv)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("interrupted; finished work is kept, run the same command again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: that is its right, and stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
