"""What the server of cell processes imports once, so that each cell starts in milliseconds instead of half a minute.

CUDA is not touched: a process that has initialised it cannot be forked. MMEngine asks for it when it is imported, and
torch is therefore told to answer by the driver's management library, which leaves CUDA alone; cells inherit that.
"""

import importlib
import os

from benchmark.engine import compat

os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
compat.apply()

for module in ("mmengine.runner", "mmseg.models", "sklearn.metrics", "benchmark.cell"):
    importlib.import_module(module)
