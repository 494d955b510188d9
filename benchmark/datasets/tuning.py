"""The images on which parameters may be chosen: training and validation, never the test part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from benchmark.datasets.sample import Sample, SampleSource
from benchmark.errors import DataError

VALIDATION_SHARE = 0.25


class TuningSource:
    """A ``SampleSource`` over the training and validation images of another; its test part is empty.

    Args:
        source: Where the images come from.
        train: At most this many training images; None for all.
        val: At most this many validation images; None for all.
        carve: Where the source has no validation list, a quarter of its training images, by a hash of dataset and id,
            becomes one. False leaves the training images whole, for methods that do not train.
    """

    def __init__(self, source: SampleSource, train: int | None = None, val: int | None = None,
                 carve: bool = True) -> None:
        self.source, self.name, self.real = source, source.name, source.real
        training, validation = source.ids("train"), source.ids("val")
        if carve and not validation:
            validation = [name for name in training if self._place(name, "part") < VALIDATION_SHARE]
            held = set(validation)
            training = [name for name in training if name not in held]
        self.parts = {"train": self._some(training, train), "val": self._some(validation, val), "test": []}
        self.readable = {*self.parts["train"], *self.parts["val"]}

    def ids(self, part: str) -> list[str]:
        """Ids of ``'train'`` or ``'val'`` in the order of the source; ``'test'`` has none."""
        return list(self.parts[part])

    def read(self, sample_id: str) -> Sample:
        """The sample. Raises ``DataError`` for an image that is not among these, a test image above all."""
        if sample_id not in self.readable:
            raise DataError(f"{self.name}: {sample_id!r} is not an image to tune on")
        return self.source.read(sample_id)

    def keep_decoded(self, ids: Sequence[str]) -> None:
        """As of the source."""
        self.source.keep_decoded(ids)

    def text_origins(self) -> dict[str, int]:
        """As of the source."""
        return self.source.text_origins()

    def caption_source(self) -> dict[str, str | None]:
        """As of the source."""
        return self.source.caption_source()

    def fingerprint(self) -> str:
        """As of the source: which of its images are used is said by the config."""
        return self.source.fingerprint()

    def _some(self, ids: Sequence[str], count: int | None) -> list[str]:
        # Those with the smallest hash: more of them hold all that fewer of them hold.
        chosen = set(sorted(ids, key=lambda name: self._place(name, "order"))[:count])
        return [name for name in ids if name in chosen]

    def _place(self, sample_id: str, purpose: str) -> float:
        digest = hashlib.sha256(f"{self.name}/{sample_id}/tuning {purpose}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64
