"""Our counting against PyIRSTDMetrics (and scikit-learn for the pixel curve), on maps of 512 x 512 made here.

One thread on both sides; ``benchmark/perf.py`` also pins the memory allocator, whose page faults alone can triple the
time of either side. Figures agree wherever both sides define the same thing; the tests hold that.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

import cv2
import numpy as np

from benchmark.errors import ConfigError
from benchmark.metrics.levels import equally_spaced, score_levels
from benchmark.metrics.roc import RocAccumulator, pixel_counts
from benchmark.metrics.summary import summarise
from benchmark.metrics.target import count_image
from benchmark.timing.comparison import Comparison, compare

SIZE = 512
THRESHOLDS = 100
Pair = tuple[np.ndarray, np.ndarray]


def comparisons(rounds: int) -> list[Comparison]:
    """Every comparison, timed ``rounds`` times. Raises ``ConfigError`` where PyIRSTDMetrics is not installed."""
    reference = _reference()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _compare_all(reference, rounds)
    finally:
        cv2.setNumThreads(threads)


def sparse_pair(seed: int) -> Pair:
    """Score (SIZE, SIZE) float32 and mask: three targets found, two false blobs, zero elsewhere."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    score, mask = np.zeros((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), bool)
    for index in range(5):
        row, column = generator.uniform(20, SIZE - 20, 2)
        sigma, peak = generator.uniform(1.0, 2.5), generator.uniform(0.7, 1.0)
        blob = peak * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma ** 2))
        np.maximum(score, np.where(blob > 1e-3, blob, 0), out=score)
        if index < 3:
            mask |= blob > peak / 2
    return score, mask


def noisy_pair(seed: int) -> Pair:
    """The same on smoothed noise that spans all scores: one component at low thresholds, then up to some 400."""
    score, mask = sparse_pair(seed)
    noise = np.random.default_rng(seed + 1000).random((SIZE, SIZE)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 3.0)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return np.maximum(score, noise), mask


def _compare_all(reference: ModuleType, rounds: int) -> list[Comparison]:
    sparse = [sparse_pair(seed) for seed in range(4)]
    noisy = [noisy_pair(0)]
    size = f"{SIZE}x{SIZE}, one thread"
    pyirstd = "PyIRSTDMetrics"
    return [
        compare("target ROC, sparse", ("this", _each(sparse, _our_curve)),
                (pyirstd, _each(sparse, _their_curve(reference))), rounds,
                f"{THRESHOLDS} thresholds, {len(sparse)} images, {size}"),
        compare("target ROC, noisy", ("this", _each(noisy, _our_curve)),
                (pyirstd, _each(noisy, _their_curve(reference))), rounds,
                f"{THRESHOLDS} thresholds, {len(noisy)} image, {size}"),
        compare("IoU + nIoU + Pd + Fa, sparse", ("this", _each(sparse, _our_figures)),
                (pyirstd, _each(sparse, _their_figures(reference))), rounds,
                f"one threshold, {len(sparse)} images, {size}"),
        compare("IoU + nIoU + Pd + Fa, noisy", ("this", _each(noisy, _our_figures)),
                (pyirstd, _each(noisy, _their_figures(reference))), rounds,
                f"one threshold, {len(noisy)} image, {size}"),
        compare("pixel ROC, noisy", ("this", _each(noisy, _our_pixel_curve)),
                (pyirstd, _each(noisy, _their_pixel_curve(reference))), rounds,
                f"{THRESHOLDS} thresholds, {len(noisy)} image, {size}"),
        compare("pixel ROC, noisy", ("this", _each(noisy, _our_pixel_curve)),
                ("scikit-learn", _each(noisy, _sklearn_pixel_curve)), rounds,
                f"scikit-learn's has every distinct score, {len(noisy)} image, {size}"),
    ]


def _each(pairs: list[Pair], count: Callable[[np.ndarray, np.ndarray], object]) -> Callable[[], None]:
    def call() -> None:
        for score, mask in pairs:
            count(score, mask)

    return call


def _our_curve(score: np.ndarray, mask: np.ndarray) -> object:
    curve = RocAccumulator(THRESHOLDS, protocol="standard")
    curve.add(score, mask)
    return curve


def _our_pixel_curve(score: np.ndarray, mask: np.ndarray) -> object:
    return pixel_counts(score_levels(score, equally_spaced(THRESHOLDS)), mask, THRESHOLDS)


def _sklearn_pixel_curve(score: np.ndarray, mask: np.ndarray) -> object:
    from sklearn.metrics import roc_curve

    return roc_curve(mask.ravel(), score.ravel())


def _our_figures(score: np.ndarray, mask: np.ndarray) -> object:
    return summarise([count_image(score, mask)])


def _their_curve(reference: ModuleType) -> Callable[[np.ndarray, np.ndarray], object]:
    def count(score: np.ndarray, mask: np.ndarray) -> object:
        metric = reference.ProbabilityDetectionAndFalseAlarmRate(num_bins=THRESHOLDS)
        metric.update(score, mask)
        return metric.get()

    return count


def _their_figures(reference: ModuleType) -> Callable[[np.ndarray, np.ndarray], object]:
    def count(score: np.ndarray, mask: np.ndarray) -> object:
        pooled = reference.IoUHandler(with_binary=True, sample_based=False)
        single = reference.IoUHandler(with_binary=True, sample_based=True)
        pixels = reference.CMMetrics(threshold=0.5, metric_handlers={"iou": pooled, "niou": single})
        targets = reference.ProbabilityDetectionAndFalseAlarmRate(num_bins=1)
        pixels.update(score, mask)
        targets.update(score, mask)
        return pixels.get(), targets.get()

    return count


def _their_pixel_curve(reference: ModuleType) -> Callable[[np.ndarray, np.ndarray], object]:
    def count(score: np.ndarray, mask: np.ndarray) -> object:
        handlers = {"tpr": reference.TPRHandler(with_dynamic=True, with_binary=False),
                    "fpr": reference.FPRHandler(with_dynamic=True, with_binary=False)}
        metric = reference.CMMetrics(num_bins=THRESHOLDS, metric_handlers=handlers)
        metric.update(score, mask)
        return metric.get()

    return count


def _reference() -> ModuleType:
    try:
        return importlib.import_module("py_irstd_metrics")
    except ImportError as error:
        raise ConfigError("perf.py metrics compares with PyIRSTDMetrics; pip install --no-deps pyirstdmetrics "
                          f"scikit-image ({error})") from error
