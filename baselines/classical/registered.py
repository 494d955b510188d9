"""Puts the classical methods into mmseg's registry; they themselves know nothing of torch or mmseg."""

from mmseg.registry import MODELS

from baselines.classical.ipi import IPI
from baselines.classical.top_hat import TopHat

MODELS.register_module(module=TopHat)
MODELS.register_module(module=IPI)
