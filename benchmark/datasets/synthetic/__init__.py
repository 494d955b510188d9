"""``synth-sirst``: infrared scenes with small targets, generated from a seed and never stored.

It lets every command run on a bare machine and gives tests a set whose targets are known exactly. It is no
substitute for the real sets: figures measured on it say nothing about the ranking on them.
"""

from benchmark.datasets.synthetic.source import SyntheticSource

__all__ = ["SyntheticSource"]
