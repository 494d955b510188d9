"""The one adapter: a network that returns logits becomes an mmseg segmentor that returns score maps.

It owns what every network needs and none should repeat: repeating a grey channel, padding to the network's size
multiple and cropping back, deep supervision, and bringing scores to the size at which they are counted.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS
from torch import Tensor

from baselines.score_maps import attach_scores
from models.precision import running_in


@MODELS.register_module()
class BaselineSegmentor(BaseSegmentor):
    """Segmentor around a network whose ``forward`` gives logits (B, 1, H, W), or a list with the main map first.

    The network may name ``in_channels`` (a grey image is repeated to it) and ``size_multiple`` (images are padded
    right and bottom to it, with the value that normalisation maps to 0, and logits cropped back). One whose loss is
    not a loss of its logit maps defines ``training_losses(image, mask)``, which takes both padded.

    Args:
        network: Config of the network in ``MODELS``.
        loss: Config of a loss of logits and mask; with a list of maps it is averaged over them. None for a network
            with ``training_losses``.
        channels_last: Memory format of weights and activations; same results, faster convolutions on CPU.
        autocast: ``'bfloat16'`` or ``'float16'`` to run the network in; None for float32, as losses and scores are.
    """

    def __init__(self, network: dict[str, Any], loss: dict[str, Any] | None, channels_last: bool = False,
                 autocast: str | None = None, data_preprocessor: dict[str, Any] | None = None,
                 init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.network = MODELS.build(network)
        if (loss is None) != hasattr(self.network, "training_losses"):
            raise ValueError(f"{network['type']}: a config gives a loss exactly where the network has no "
                             f"training_losses of its own, but loss is {loss!r}")
        self.loss_function = None if loss is None else MODELS.build(loss)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)
        self.autocast = None if autocast is None else getattr(torch, autocast)

    def logits(self, inputs: Tensor) -> list[Tensor]:
        """Every logit map of the network, main one first, each (B, 1, H, W) for normalised inputs (B, C, H, W).

        Raises ``ValueError`` for a map of another shape.
        """
        height, width = inputs.shape[-2:]
        with running_in(self.autocast, inputs):
            maps = self.network(self._repeated(self._padded(inputs)))
        maps = list(maps) if isinstance(maps, (list, tuple)) else [maps]
        for logits in maps:
            if logits.shape[:2] != (len(inputs), 1) or logits.shape[-2] < height or logits.shape[-1] < width:
                raise ValueError(f"{type(self.network).__name__} returned {tuple(logits.shape)}, expected logits "
                                 f"({len(inputs)}, 1, {height}, {width}) for images {tuple(inputs.shape)}")
        return [logits[..., :height, :width] for logits in maps]

    def loss(self, inputs: Tensor, data_samples: list[Any]) -> dict[str, Tensor]:
        """Mean of the loss over the network's maps, as ``{'loss': scalar}``, or the network's own losses."""
        mask = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).to(inputs.device)
        if self.loss_function is None:
            with running_in(self.autocast, inputs):
                return self.network.training_losses(self._repeated(self._padded(inputs)), self._padded(mask))
        losses = [self.loss_function(logits, mask) for logits in self.logits(inputs)]
        return {"loss": torch.stack(losses).mean()}

    def predict(self, inputs: Tensor, data_samples: list[Any]) -> list[Any]:
        """The samples, each with ``pred_score``: (1, H, W) float32 in [0, 1] at ``count_shape`` (else input) size."""
        return attach_scores(self.logits(inputs)[0].float().sigmoid(), data_samples)

    def _padded(self, maps: Tensor) -> Tensor:
        multiple = getattr(self.network, "size_multiple", 1)
        return F.pad(maps, (0, -maps.shape[-1] % multiple, 0, -maps.shape[-2] % multiple))

    def _repeated(self, inputs: Tensor) -> Tensor:
        channels = getattr(self.network, "in_channels", inputs.shape[1])
        return inputs.expand(-1, channels, -1, -1).contiguous(memory_format=self.memory_format)

    def _forward(self, inputs: Tensor, data_samples: list[Any] | None = None) -> Tensor:
        return self.logits(inputs)[0]

    def extract_feat(self, inputs: Tensor) -> Any:
        """Not a notion of this adapter: networks are whole. Raises ``TypeError``."""
        raise TypeError("a baseline network is not split into backbone and head; call logits()")

    def encode_decode(self, inputs: Tensor, batch_data_samples: list[Any] | None = None) -> Tensor:
        """Main logit map, the name that mmseg's tools call."""
        return self.logits(inputs)[0]
