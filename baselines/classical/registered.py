"""Puts the classical methods into mmseg's registry; they themselves know nothing of mmseg."""

from mmseg.registry import MODELS

from baselines.classical.ipi import IPI
from baselines.classical.mslstipt import MSLSTIPT
from baselines.classical.top_hat import TopHat

MODELS.register_module(module=TopHat)
MODELS.register_module(module=IPI)
MODELS.register_module(module=MSLSTIPT)
