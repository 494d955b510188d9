"""What the server of cell processes imports once, so that each cell starts in milliseconds instead of half a minute.

CUDA is not touched: a process that has initialised it cannot be forked.
"""

import importlib

from benchmark.engine import compat

compat.apply()

for module in ("mmengine.runner", "mmseg.models", "sklearn.metrics", "benchmark.cell"):
    importlib.import_module(module)
