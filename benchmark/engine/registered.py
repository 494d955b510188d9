"""Import this to have in MMEngine's registries what ``runner_config`` names in the configs of runners."""

import benchmark.datasets.mm_dataset
import benchmark.datasets.transforms
import benchmark.engine.hooks
import benchmark.engine.memory
import benchmark.engine.shared_batch
import benchmark.metrics.irstd_metric  # noqa: F401
