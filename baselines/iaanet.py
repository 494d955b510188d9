"""IAANet: a detector proposes boxes, a transformer over the pixels inside them decides which belong to a target.

Paper: Wang, Du, Liu, Cao, "Interior Attention-Aware Network for Infrared Small Target Detection", IEEE TGRS 2022.
Official code: kwwcv/iaanet (MIT; its box helpers cite GPL code). Written from the paper and from the layer sizes of
that network; no code was ported, and boxes, their overlap and their suppression are our own.

Known differences:

* The ResNet-18 trunk starts at random unless ``checkpoint`` names a file of ImageNet weights, with which theirs starts.
* The objectness bias starts at a probability of 0.01 (Lin et al., ICCV 2017, section 4.1), theirs at one half, where
  an untrained detector proposes every cell. In evaluation at most ``max_boxes`` are kept, there any number: attention
  is quadratic in their pixels.
* The position code counts pixels, theirs those that are not negative: the same for grey levels, noise for others.
* Each image's tokens go through the transformer by themselves, theirs padded to the longest of the batch.
* Attention weights are not dropped out, theirs with the 0.1 that is kept elsewhere: without it attention needs memory
  for its tokens, not for all their pairs, which are 64 million an image while boxes are still large.
* Boxes under a pixel are dropped before suppression, there after it.
* Random background boxes have half sides of 5 to 8 pixels, as their function's defaults mean; its call puts the number
  of proposed boxes in place of the 5. They are drawn from torch's generator.
* Boxes to learn from reach 4 pixels beyond each side of a component, there 3 beyond its right and bottom.
* Their first epoch trains the detector alone.

In evaluation features are computed only near boxes (their fast mode). The margin of 8 pixels exceeds the reach of six
3×3 convolutions, so the result is that of the whole image, which is taken where it is cheaper.
It cannot be exported to ONNX: the number of boxes, and so every shape after them, depends on the image. torch.compile
breaks the graph there.

To compare with: F 0.639, precision 0.606, recall 0.818 on the test set of MDvsFA (README of the official repository);
IoU 0.7422, 0.9022 and 0.6625 on NUAA-SIRST, NUDT-SIRST and IRSTD-1k (table 1 of SAIST, CVPR 2025).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute
from torchvision.models import resnet18

from baselines.iaanet_boxes import complete_iou, random_boxes, suppress, target_boxes
from models.checkpoints import load_exactly, read_state
from models.weights import locate

STRIDE, ANCHOR = 16, 10.0
"""Pixels a detector cell and the side of its only anchor."""
BOX_WEIGHT, OBJECT_WEIGHT, TOKEN_WEIGHT = 0.5, 10.0, 3.0
PRIOR = 0.01
# A probability of 4e-44: below that of any token, so that curves rank what was not proposed last, yet the logit is
# finite in half precision and survives a loss or a resize.
OUTSIDE = -100.0
Box = tuple[int, int, int, int]


@MODELS.register_module()
class IAANet(nn.Module):
    """Grey levels 0 to 255 (B, 1, H, W), any size, to logits (B, 1, H, W), which are ``OUTSIDE`` where no box is.

    Args:
        widths: Channels of the semantic generator's 3×3 convolutions.
        token_channels: Features of a token; a multiple of 4 and of ``heads``.
        layers: Of the transformer.
        heads: Of its attention.
        dropout: After its attention and in its feed-forward part.
        confidence: Objectness above which a box is proposed.
        max_overlap: IoU above which the less certain of two boxes goes.
        fallback_boxes: Boxes proposed where no cell is confident.
        train_boxes: Boxes in training, filled up with random ones.
        max_boxes: Most boxes in evaluation.
        margin: Pixels round a box that evaluation computes features from.
        checkpoint: File of torchvision's ResNet-18 for ImageNet; None for random weights.
        gradient_checkpointing: Recompute the generator's activations in the backward pass instead of keeping them.

    Raises:
        WeightsError: For a checkpoint that is absent, damaged or of another network.
    """

    in_channels = 1

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512), token_channels: int = 512,
                 layers: int = 4, heads: int = 4, dropout: float = 0.1, confidence: float = 0.2,
                 max_overlap: float = 0.6, fallback_boxes: int = 5, train_boxes: int = 5, max_boxes: int = 50,
                 margin: int = 8, checkpoint: str | None = None, gradient_checkpointing: bool = False) -> None:
        super().__init__()
        self.confidence, self.max_overlap = confidence, max_overlap
        self.fallback_boxes, self.train_boxes, self.max_boxes, self.margin = (
            fallback_boxes, train_boxes, max_boxes, margin)
        self.code_channels = token_channels // 2  # for rows, and as many for columns
        self.detector = Detector(checkpoint)
        self.generator = SemanticGenerator(widths, token_channels, gradient_checkpointing)
        self.encoder = nn.ModuleList(EncoderLayer(token_channels, heads, dropout) for _ in range(layers))
        self.head = nn.Sequential(
            nn.Linear(token_channels, token_channels), nn.ReLU(inplace=True),
            nn.Linear(token_channels, token_channels), nn.ReLU(inplace=True), nn.Linear(token_channels, 1))
        for parameter in self.encoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, H, W) float32."""
        grey = image / 255
        logits = torch.full_like(grey, OUTSIDE, dtype=torch.float32)
        proposed = self.propose(self.detector(grey), grey.shape[-2:])
        for index, (inside, values) in enumerate(self.decide(grey, proposed)):
            logits[index, 0, inside] = values.float()
        return logits

    def training_losses(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Box, objectness and token losses for grey levels (B, 1, H, W) and a 0/1 mask of that shape.

        Tokens lie in proposed, not in true boxes: what the detector misses teaches the transformer nothing.
        """
        grey = image / 255
        raw = self.detector(grey)
        proposed = self.propose(raw, grey.shape[-2:])
        tokens = [_weighted_entropy(values, truth[inside], TOKEN_WEIGHT)
                  for (inside, values), truth in zip(self.decide(grey, proposed), mask[:, 0], strict=True)]
        return detection_losses(raw, mask) | {"loss_tokens": torch.stack(tokens).mean()}

    @torch.no_grad()
    def propose(self, raw: Tensor, size_hw: tuple[int, int]) -> list[list[Box]]:
        """Boxes of each image as (left, top, right, bottom), half open, in whole pixels, for the detector's output."""
        height, width = size_hw
        candidates = decode(raw).flatten(1, 2).cpu()
        candidates[..., 0:4:2].clamp_(0, width)
        candidates[..., 1:4:2].clamp_(0, height)
        return [[tuple(box) for box in (self._chosen(boxes, size_hw)[:, :4] + 0.5).int().tolist()]
                for boxes in candidates]

    def _chosen(self, candidates: Tensor, size_hw: tuple[int, int]) -> Tensor:
        confident = candidates[candidates[:, 4] > self.confidence]
        candidates, limit = (confident, self.max_boxes) if len(confident) else (candidates, self.fallback_boxes)
        candidates = candidates[((candidates[:, 2:4] - candidates[:, :2]) >= 1).all(dim=1)]
        boxes = suppress(candidates, self.max_overlap, self.train_boxes if self.training else limit)
        if self.training and len(boxes) < self.train_boxes:
            background = random_boxes(self.train_boxes - len(boxes), size_hw)
            boxes = suppress(torch.cat([boxes, background]), self.max_overlap, self.train_boxes)
        return boxes

    def decide(self, grey: Tensor, proposed: list[list[Box]]) -> Iterator[tuple[Tensor, Tensor]]:
        """For each image the pixels inside its boxes, (H, W) bool, and their logits (N,) in raster order."""
        # batch norm takes its statistics from whole images, so training has no use for the short way
        features = self.generator(grey) if self.training else None
        rows, columns = (position_code(size, self.code_channels, grey.device) for size in grey.shape[-2:])
        for index, boxes in enumerate(proposed):
            inside = _union(boxes, grey.shape[-2:], grey.device)
            if not boxes:
                yield inside, grey.new_zeros(0)
                continue
            if features is not None:
                tokens = features[index][:, inside].T
            else:
                tokens = self._tokens_near(grey[index:index + 1], boxes, inside)
            row, column = inside.nonzero(as_tuple=True)
            position = torch.cat([rows[row], columns[column]], dim=1)
            for layer in self.encoder:
                tokens = layer(tokens, position)
            yield inside, self.head(tokens).squeeze(1)

    def _tokens_near(self, grey: Tensor, boxes: list[Box], inside: Tensor) -> Tensor:
        height, width = inside.shape
        views = [(max(x1 - self.margin, 0), max(y1 - self.margin, 0), min(x2 + self.margin, width),
                  min(y2 + self.margin, height)) for x1, y1, x2, y2 in boxes]
        if sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in views) >= height * width:
            return self.generator(grey)[0][:, inside].T
        number = inside.flatten().cumsum(0).reshape(height, width) - 1  # of each token, in raster order
        tokens = None
        for (x1, y1, x2, y2), (left, top, right, bottom) in zip(boxes, views, strict=True):
            local = self.generator(grey[..., top:bottom, left:right])[0, :, y1 - top:y2 - top, x1 - left:x2 - left]
            if tokens is None:
                tokens = local.new_zeros(int(inside.sum()), len(local))
            tokens[number[y1:y2, x1:x2].flatten()] = local.flatten(1).T
        return tokens


class Detector(nn.Module):
    """ResNet-18 up to its third stage on one channel; for each cell of 16 pixels a box and its objectness."""

    def __init__(self, checkpoint: str | None = None) -> None:
        super().__init__()
        net = resnet18(weights=None)
        net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        kept = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
        self.trunk = nn.Sequential(OrderedDict((name, getattr(net, name)) for name in kept))
        self.predict = nn.Conv2d(256, 5, 1)
        self.predict.bias.data[4] = math.log(PRIOR / (1 - PRIOR))
        if checkpoint is not None:
            path = locate(checkpoint)
            state = read_state(path)
            for name in ("bn1", "layer1", "layer2", "layer3"):  # the first convolution there takes colours
                load_exactly(getattr(self.trunk, name), state, path=path, prefix=f"{name}.")

    def forward(self, grey: Tensor) -> Tensor:
        """Raw (B, ceil(H / 16), ceil(W / 16), 5): centre x, y, width, height, objectness, for ``decode``."""
        return self.predict(self.trunk(grey)).permute(0, 2, 3, 1)


class SemanticGenerator(nn.Module):
    """Grey image (B, 1, H, W) to features (B, token_channels, H, W) at full resolution."""

    def __init__(self, widths: tuple[int, ...], token_channels: int, gradient_checkpointing: bool) -> None:
        super().__init__()
        self.gradient_checkpointing = gradient_checkpointing
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(source, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                          nn.ReLU(inplace=True))
            for source, width in zip((1, *widths), widths, strict=False))
        self.project = nn.Conv2d(widths[-1], token_channels, 1, bias=False)

    def forward(self, grey: Tensor) -> Tensor:
        """(B, token_channels, H, W)."""
        features = grey
        for block in self.blocks:
            if self.gradient_checkpointing and self.training:
                features = recompute(block, features, use_reentrant=False,
                                     context_fn=lambda norm=block[1]: (nullcontext(), _without_statistics(norm)))
            else:
                features = block(features)
        return self.project(features)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward with norms after each; the position is added to queries and keys only."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.feed_forward = nn.Sequential(nn.Linear(channels, 2 * channels), nn.ReLU(inplace=True), nn.Dropout(dropout),
                                          nn.Linear(2 * channels, channels))
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, position: Tensor) -> Tensor:
        """(N, C) for tokens and positions of that shape."""
        query = (tokens + position)[None]
        attended = self.attention(query, query, tokens[None], need_weights=False)[0][0]
        tokens = self.norm1(tokens + self.dropout(attended))
        return self.norm2(tokens + self.dropout(self.feed_forward(tokens)))


def decode(raw: Tensor) -> Tensor:
    """Boxes (B, h, w, 5) float32 as left, top, right, bottom in pixels and objectness, for a detector's raw output."""
    share = raw.float().sigmoid()
    rows, columns = (torch.arange(size, device=raw.device) for size in raw.shape[1:3])
    cell = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    centre = (2 * share[..., :2] - 0.5 + cell) * STRIDE
    half = (2 * share[..., 2:4]).square() * ANCHOR / 2
    return torch.cat([centre - half, centre + half, share[..., 4:]], dim=-1)


def detection_losses(raw: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Complete-IoU loss of the cells that hold a target's centre, and cross-entropy of all objectnesses."""
    image, targets = target_boxes(mask)
    centre = (targets[:, :2] + targets[:, 2:]) / 2
    column, row = (centre / STRIDE).long().unbind(dim=1)
    cells = image, row.clamp(max=raw.shape[1] - 1), column.clamp(max=raw.shape[2] - 1)
    overlap = complete_iou(decode(raw)[cells][:, :4], targets)
    objectness = torch.zeros_like(raw[..., 4], dtype=torch.float32)
    objectness[cells] = overlap.detach().clamp(min=0)
    return {
        "loss_box": BOX_WEIGHT * (1 - overlap).sum() / max(len(overlap), 1),
        "loss_object": _weighted_entropy(raw[..., 4], objectness, OBJECT_WEIGHT),
    }


def position_code(size: int, channels: int, device: torch.device) -> Tensor:
    """Sine code (size, channels) of each row or column, the last at one turn (Carion et al., ECCV 2020)."""
    turn = 2 * math.pi * torch.arange(1, size + 1, device=device, dtype=torch.float32) / (size + 1e-6)
    frequency = 10_000.0 ** (-torch.arange(0, channels, 2, device=device, dtype=torch.float32) / channels)
    angle = turn[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def _weighted_entropy(logits: Tensor, target: Tensor, positive_weight: float) -> Tensor:
    weight = torch.tensor(positive_weight, device=logits.device)
    return F.binary_cross_entropy_with_logits(logits.float(), target.float(), pos_weight=weight)


def _union(boxes: list[Box], size_hw: tuple[int, int], device: torch.device) -> Tensor:
    inside = torch.zeros(size_hw, dtype=torch.bool)
    for x1, y1, x2, y2 in boxes:
        inside[y1:y2, x1:x2] = True
    return inside.to(device)


@contextmanager
def _without_statistics(norm: nn.BatchNorm2d) -> Iterator[None]:
    # the forward pass proper has counted this batch; its repetition must not count it again
    momentum, norm.momentum = norm.momentum, 0.0
    try:
        yield
    finally:
        norm.momentum = momentum
