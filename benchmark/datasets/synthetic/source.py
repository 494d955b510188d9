"""``SyntheticSource``: the generator behind the interface that every dataset offers.

What is guaranteed: a sample depends on the dataset's seed, its part, its index and the parameters, and on nothing else
– not on the order of reading, the process or the counts of the parts. On the same processor with the same NumPy and
SciPy it is the same bit for bit. Elsewhere the random numbers are the same, but exponentials and Fourier transforms may
differ in their last bit, which can move single pixels by one grey level.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

from benchmark.datasets.captions import MODES, donors
from benchmark.datasets.sample import PARTS, Sample
from benchmark.errors import ConfigError, DataError, unknown_name

NAME = "synth-sirst"
GENERATOR_VERSION = 1
"""Raised whenever the same parameters would give other pixels; part of the fingerprint."""

MIN_SIDE, MAX_SIDE = 64, 4096
MAX_SCR = 50  # above this even a scene of pure noise leaves too little room below saturation
MAX_WEIGHT = 1e9
DEFAULTS = {
    "size": (256, 256),
    "counts": {"train": 96, "val": 24, "test": 48},
    "scr": (4.0, 30.0),
    "scenes": {"cloud": 0.28, "sea": 0.18, "terrain": 0.18, "urban": 0.18, "sky": 0.18},
    "seed": 2025,
}
# Keys every dataset config may have; they are read by others.
_GENERAL_KEYS = frozenset(("name", "title", "layout", "real", "default_split", "split", "root", "mean", "std", "text"))
_CACHE_BYTES = 64 * 2**20


class SyntheticSource:
    """A ``SampleSource`` whose samples are made when they are read; build it with ``from_config``."""

    name = NAME
    real = False

    def __init__(
        self,
        *,
        size: tuple[int, int],
        counts: Mapping[str, int],
        scr: tuple[float, float],
        scenes: Mapping[str, float],
        seed: int,
        captions: str = "file",
        caption_seed: int = 0,
    ) -> None:
        self.size, self.scr, self.seed = size, scr, seed
        self.captions, self.caption_seed = captions, caption_seed
        self.counts = {part: counts.get(part, 0) for part in PARTS}
        self.scenes = dict(scenes)
        # Decoded samples, least recently used first: a training reads each image hundreds of times.
        self._cache: OrderedDict[str, Sample] = OrderedDict()
        self._cached_bytes = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any], seed: int | None = None,
                    caption_seed: int = 0) -> SyntheticSource:
        """The source described by a dataset config; missing keys take ``DEFAULTS``.

        Args:
            config: ``size`` (height, width), ``counts`` by part, ``scr`` (lowest, highest), ``scenes`` (weight by
                family), ``seed``; of ``text`` its ``captions`` (``'file'``: each scene's own, ``'template'``: none,
                ``'shuffled'``: those of other scenes of the part). Other common keys are passed over.
            seed: Used in place of the config's seed when given.
            caption_seed: Of shuffled captions.

        Raises:
            ConfigError: For an unknown key or a value out of range; names the key and what is allowed.
        """
        for key in config:
            if key not in DEFAULTS and key not in _GENERAL_KEYS:
                raise ConfigError(f"{NAME}: {unknown_name('key', str(key), [*DEFAULTS, *_GENERAL_KEYS])}")
        values = {**DEFAULTS, **{key: config[key] for key in DEFAULTS if key in config}}
        text = config.get("text") or {}
        captions = text.get("captions", "file") if isinstance(text, Mapping) else text
        if captions not in MODES:
            raise ConfigError(f"text.captions: {unknown_name('mode', str(captions), MODES)}")
        return cls(
            captions=captions,
            caption_seed=caption_seed,
            size=_size(values["size"]),
            counts=_counts(values["counts"]),
            scr=_scr(values["scr"]),
            scenes=_scenes(values["scenes"]),
            seed=_whole("seed", values["seed"] if seed is None else seed, 0, 2**63 - 1),
        )

    def ids(self, part: str) -> list[str]:
        """Ids such as ``'train-00012'`` in order. Raises ``DataError`` for a name that is not a part."""
        if part not in PARTS:
            raise DataError(f"{NAME}: {unknown_name('part', part, PARTS)}")
        return [f"{part}-{index:05d}" for index in range(self.counts[part])]

    def read(self, sample_id: str) -> Sample:
        """The sample with this id; its arrays belong to the caller. Raises ``DataError`` for an unknown id."""
        sample = self._made(sample_id)
        if self.captions == "template":
            sample = replace(sample, text=None)
        elif self.captions == "shuffled":
            part, _ = self._locate(sample_id)
            sample = replace(sample, text=self._made(donors(self.ids(part), self.caption_seed)[sample_id]).text)
        return replace(
            sample, image=sample.image.copy(), mask=sample.mask.copy(), meta=json.loads(json.dumps(sample.meta))
        )

    def keep_decoded(self, ids: Sequence[str]) -> None:
        """Nothing to do: what was made is kept anyway."""

    def _made(self, sample_id: str) -> Sample:
        sample = self._cache.get(sample_id)
        if sample is None:
            from benchmark.datasets.synthetic.scene import generate  # scipy: a list of cells makes no image

            part, index = self._locate(sample_id)
            sample = generate(
                seed=self.seed, part=part, index=index, size=self.size, scr_range=self.scr, scenes=self.scenes
            )
            self._cached_bytes += _bytes(sample)
            self._cache[sample_id] = sample
            while self._cached_bytes > _CACHE_BYTES:
                self._cached_bytes -= _bytes(self._cache.popitem(last=False)[1])
        else:
            self._cache.move_to_end(sample_id)
        return sample

    def text_origins(self) -> dict[str, int]:
        """Images by where their text comes from: each has a ``caption``, or ``none`` has one."""
        total, without = sum(self.counts.values()), self.captions == "template"
        return {"caption": 0 if without else total, "template": 0, "none": total if without else 0}

    def caption_source(self) -> dict[str, str | None]:
        """How texts are chosen; they follow from the scenes' parameters, so there is no file."""
        return {"mode": self.captions, "file": None, "sha256": None}

    def fingerprint(self) -> str:
        """16 hex digits over the generator's version, all parameters, the counts and the seed."""
        identity = {
            "generator": GENERATOR_VERSION,
            "size": self.size,
            "counts": self.counts,
            "scr": self.scr,
            "scenes": list(self.scenes.items()),  # in order: it decides which index shows which family
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def _locate(self, sample_id: str) -> tuple[str, int]:
        match = re.fullmatch(r"(train|val|test)-([0-9]{5,9})", sample_id)
        if match is None or f"{match[1]}-{int(match[2]):05d}" != sample_id or int(match[2]) >= self.counts[match[1]]:
            sizes = ", ".join(f"{part} {count}" for part, count in self.counts.items())
            raise DataError(f"{NAME}: no sample {sample_id!r}; ids read like 'train-00000' and the parts hold {sizes}")
        return match[1], int(match[2])


def _bytes(sample: Sample) -> int:
    return sample.image.nbytes + sample.mask.nbytes


def _whole(key: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        raise ConfigError(f"{NAME}: {key} must be a whole number from {low} to {high}, got {value!r}")
    return int(value)


def _size(value: Any) -> tuple[int, int]:
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise ConfigError(f"{NAME}: size must be (height, width), got {value!r}")
    height, width = (_whole("size", side, MIN_SIDE, MAX_SIDE) for side in value)
    return height, width


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{NAME}: counts must map parts to numbers of images, got {value!r}")
    for part in value:
        if part not in PARTS:
            raise ConfigError(f"{NAME}: counts: {unknown_name('part', str(part), PARTS)}")
    return {part: _whole(f"counts of {part}", count, 0, 10**6) for part, count in value.items()}


def _scr(value: Any) -> tuple[float, float]:
    pair = not isinstance(value, str) and hasattr(value, "__len__") and len(value) == 2
    if not pair or not all(_is_number(v) for v in value) or not 0.5 <= value[0] <= value[1] <= MAX_SCR:
        raise ConfigError(f"{NAME}: scr must be (lowest, highest) between 0.5 and {MAX_SCR}, got {value!r}")
    return float(value[0]), float(value[1])


def _scenes(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{NAME}: scenes must map scene families to weights, got {value!r}")
    for family, weight in value.items():
        if family not in DEFAULTS["scenes"]:
            raise ConfigError(f"{NAME}: scenes: {unknown_name('scene family', str(family), DEFAULTS['scenes'])}")
        if not _is_number(weight) or not 0 <= weight <= MAX_WEIGHT:
            raise ConfigError(f"{NAME}: scenes: weight of {family} must be a number from 0 to {MAX_WEIGHT:g}, got "
                              f"{weight!r}")
    if not sum(value.values()) > 0:
        raise ConfigError(f"{NAME}: scenes: at least one family needs a weight above 0, got {dict(value)!r}")
    return {family: float(weight) for family, weight in value.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
