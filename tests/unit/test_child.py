"""What a cell's process says of an error: one line that names the cause."""

from __future__ import annotations

import pytest

from benchmark.child import one_line
from benchmark.errors import ConfigError


def failed_import() -> ImportError:
    error = ImportError("Failed to import my_net")
    error.__context__ = ImportError("No module named 'no_such_thing_at_all'")  # which MMEngine does not name
    return error


@pytest.mark.parametrize(("error", "line"), [
    (ValueError("one\n  two"), "ValueError: one two"), (RuntimeError(), "RuntimeError: no message"),
    (ConfigError("said for users"), "said for users"),
    (failed_import(), "ImportError: Failed to import my_net: No module named 'no_such_thing_at_all'"),
])
def test_an_error_is_one_line_with_its_cause(error, line):
    assert one_line(error) == line
