"""A trained network as an ONNX file that needs nothing of this project: grey levels in, probabilities out."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.engine.detector import Detector
from benchmark.errors import ConfigError

OPSET = 18


class Exported(nn.Module):
    """(1, 1, H, W) grey levels 0 to 255 as float32 to (1, 1, H, W) target probabilities."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.model = detector.model
        greys = detector.config["method"].get("greys")  # such a method normalises by itself
        mean, std = (0.0, 1.0) if greys else (detector.config["dataset"]["mean"], detector.config["dataset"]["std"])
        self.mean, self.std = float(mean), float(std)

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        return torch.sigmoid(self.model((image - self.mean) / self.std, mode="tensor"))


def export_onnx(detector: Detector, path: Path, size_hw: tuple[int, int]) -> dict[str, Any]:
    """Write ``path``, in float32, for images of exactly ``size_hw`` and run it beside the network.

    Returns:
        ``bytes``, ``opset`` and ``difference``, the largest one on a random image (None without onnxruntime).

    Raises:
        ConfigError: For a method without a network, one that says why it has no ONNX form (``no_onnx``), or where
            the packages for it are not installed.
    """
    if not detector.trainable:
        raise ConfigError(f"{detector.config['method']['name']} has no network to export")
    reason = getattr(getattr(detector.model, "network", detector.model), "no_onnx", None)
    if reason:
        raise ConfigError(f"{detector.config['method']['name']} cannot be exported to ONNX: {reason}")
    try:
        import onnxscript  # noqa: F401  - torch's exporter needs it and says so only in a traceback
    except ImportError as error:
        raise ConfigError("ONNX export needs the packages onnx and onnxscript: pip install -e '.[onnx]'") from error
    module = Exported(detector).eval().cpu()
    image = 255 * torch.rand(1, 1, *size_hw, generator=torch.Generator().manual_seed(0))
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad(), _in_float32(detector.model):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (image,), str(path), opset_version=OPSET, input_names=["image"],
                          output_names=["probability"], dynamo=True, external_data=False, verbose=False)
        expected = module(image).numpy()
    return {"bytes": path.stat().st_size, "opset": OPSET, "difference": _difference(path, image.numpy(), expected)}


@contextlib.contextmanager
def _in_float32(model: nn.Module) -> Iterator[None]:
    # weights are float32 whatever the network was trained in, and not every runtime knows bfloat16
    own = getattr(model, "autocast", None)
    if own is None:
        yield
        return
    model.autocast = None
    try:
        yield
    finally:
        model.autocast = own


def _difference(path: Path, image: np.ndarray, expected: np.ndarray) -> float | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return float(np.abs(session.run(None, {"image": image})[0] - expected).max())
