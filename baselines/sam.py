"""SAM without prompts: the image alone decides, and the first mask token is read.

Paper: Kirillov et al., "Segment Anything", ICCV 2023 (arXiv 2304.02643). Official code:
facebookresearch/segment-anything (Apache-2.0), whose modules this project imports; MobileSAM's weights (Zhang et al.,
arXiv 2306.14289) go into the same segmentor. Encoder, batched decoder and loader are those of SAIST
(``models/cg_sam``): a SAM is written once.

Protocol. Never a prompt, and never a choice among masks, that is taken from the ground truth: there is no argument
that could take one. Published rows of "SAM" on this task differ mostly in this: the public logs of cry0512/IRSTD_SAM
have an IoU of 75.8 with points drawn from the test masks and 62.2 with points from the image.

Known differences: the whole image is resized to the input size (SAM pads to a square); grey images repeat their
channel; the heads that predict a mask's quality and the three other masks take no part and do not train. The loss, BCE
and Dice over the whole map, and the learning rates are ours: SAM's authors never trained it for this.

To compare with: no agreed row exists. IoU 0.714 on NUAA-SIRST and 0.647 on IRSTD-1k for IRSAM, a MobileSAM with an edge
branch, as re-run in tables of later papers.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine.logging import print_log
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS
from torch import Tensor

from baselines.score_maps import attach_scores
from models.cg_sam import mask_decoders  # noqa: F401  - registers what configs name
from models.cg_sam.maps import Decoded, at_input_size
from models.cg_sam.sam import SAM
from models.frozen import TrainedStateOnly
from models.losses import mask_loss
from models.precision import running_in


@MODELS.register_module()
class SAMSegmentor(TrainedStateOnly, BaseSegmentor):
    """SAM as a detector of one class.

    Takes grey levels 0 to 255, (B, 1, H, W) of any size. Its state dict holds what trains.

    Args:
        sam: Arguments of ``models.cg_sam.sam.SAM``; its ``tune`` is the protocol: ``'full'`` fine-tune, ``'lora'``, or
            ``'frozen'`` for the decoder alone.
        decoder: Config of ``SAMDecoder`` or ``HQSAMDecoder``.
        loss: Weights ``bce`` and ``dice`` of the mask loss, ``positive`` of target pixels in it, and ``sam`` of the
            same loss on SAM's own mask where the decoder has another beside it.
        autocast: ``'bfloat16'`` or ``'float16'`` to run the network in; None for float32.
        channels_last: Memory format of weights and activations; same results, faster convolutions on CPU.
    """

    default_decoder = "SAMDecoder"

    def __init__(self, sam: dict[str, Any], decoder: dict[str, Any] | None = None, loss: dict[str, float] | None = None,
                 autocast: str | None = None, channels_last: bool = False,
                 data_preprocessor: dict[str, Any] | None = None, init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.loss_weights = {"bce": 1.0, "dice": 1.0, "positive": 1.0, "sam": 0.5} | (loss or {})
        self.autocast = None if autocast is None else getattr(torch, autocast)
        self.sam = SAM(**sam)
        decoder = {"type": self.default_decoder} | (decoder or {})
        self.decoder = MODELS.build(decoder | dict(early_channels=self.sam.early_channels))
        self.sam.load_decoder(self.decoder)
        if channels_last:
            self.to(memory_format=torch.channels_last)
        print_log(f"{type(self).__name__}: sam_weights: {self.sam.checkpoint or 'random'}", "current", logging.WARNING)

    def run_network(self, inputs: Tensor) -> Decoded:
        """Decoder output at its own size, for (B, 1, H, W) grey levels."""
        with running_in(self.autocast, inputs):
            maps = self.sam(inputs)
            return self.decoder(maps, self.sam.position_code(maps.late.shape[-2:]), self.sam.no_mask, None)

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits of the mask, (B, 1, H, W)."""
        return self._at_input_size(self.run_network(inputs).logits, inputs)

    def loss(self, inputs: Tensor, data_samples: list[Any]) -> dict[str, Tensor]:
        """``loss_mask``, and ``loss_sam`` where SAM's own mask is a part of the output."""
        decoded = self.run_network(inputs)
        mask = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).to(inputs.device)
        weights = {name: self.loss_weights[name] for name in ("bce", "dice", "positive")}
        losses = {"loss_mask": mask_loss(self._at_input_size(decoded.logits, inputs), mask, **weights)}
        if "sam" in decoded.parts and self.loss_weights["sam"]:
            own = self._at_input_size(decoded.parts["sam"], inputs)
            losses["loss_sam"] = self.loss_weights["sam"] * mask_loss(own, mask, **weights)
        return losses

    def predict(self, inputs: Tensor, data_samples: list[Any]) -> list[Any]:
        """The samples, each with ``pred_score``: (1, H, W) float32 in [0, 1] at ``count_shape`` (else input) size."""
        return attach_scores(self.logits(inputs).sigmoid(), data_samples)

    def _at_input_size(self, maps: Tensor, inputs: Tensor) -> Tensor:
        return at_input_size(maps, inputs.shape[-2:], self.sam.size_multiple)

    def _forward(self, inputs: Tensor, data_samples: list[Any] | None = None) -> Tensor:
        return self.logits(inputs)

    def extract_feat(self, inputs: Tensor) -> Any:
        """SAM's image embedding (B, 256, H/16, W/16)."""
        return self.sam(inputs).late

    def encode_decode(self, inputs: Tensor, batch_data_samples: list[Any] | None = None) -> Tensor:
        """Logits of the mask, the name that mmseg's tools call."""
        return self.logits(inputs)
