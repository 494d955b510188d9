"""Errors a user can act on: each carries one line that says what is wrong and what to do next.

Programs catch ``BenchError`` at their outermost edge (see ``benchmark.cli``) and print that line; anything
else that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class BenchError(Exception):
    """Base of all errors whose message is meant for the user; the message is a single line.

    What names of files and contents bring into it (line ends, terminal codes, bytes that are no text) is escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(character if character.isprintable() else
                                 character.encode("unicode_escape").decode() for character in message))


class ConfigError(BenchError):
    """A config, suite, override or command-line value is wrong."""


class DataError(BenchError):
    """A dataset, split list, image, mask or prediction on disk is missing, malformed or inconsistent."""


class TrainingError(BenchError):
    """Training cannot go on; what was trained before is on disk."""


class StoreError(BenchError):
    """The work folder cannot be read or written, or holds something that is not ours."""


class BusyError(StoreError):
    """Another process is working on the same thing; nothing is wrong with it."""


REFUSED_BY_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


def disk_reason(error: BaseException) -> str:
    """One line where a disk refused a write (full, quota, size limit, read-only, broken); empty for another error."""
    if not isinstance(error, OSError) or error.errno not in REFUSED_BY_DISK:
        return ""
    return f"{error.filename or 'disk'}: {error.strerror}; make room there, then go on: finished work is kept"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for an unknown name: the name, up to three near matches, and every valid choice."""
    choices = sorted(known)
    near = difflib.get_close_matches(str(name), choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"unknown {kind} {name!r}; {hint}Known: {', '.join(choices) or 'none'}"
