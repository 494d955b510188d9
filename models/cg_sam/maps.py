"""What the image encoder, the prompts and the mask decoders hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class EncoderMaps:
    """Two maps of one SAM image encoder, both at a sixteenth of the input size."""

    early: Tensor
    """(B, C_early, h, w): after the first block with global attention, where local detail is still there."""
    late: Tensor
    """(B, 256, h, w): the neck's output, SAM's image embedding."""


@dataclass(frozen=True)
class Prompts:
    """Sparse prompts of a batch."""

    text: Tensor
    """(B, L, 256) textual prompt; rows beyond a caption's length are not valid."""
    text_valid: Tensor
    """(B, L) bool."""
    visual: Tensor
    """(B, N, 256) visual prompt; all valid."""

    @property
    def tokens(self) -> Tensor:
        """(B, L + N, 256), text first."""
        return torch.cat([self.text, self.visual], dim=1)

    @property
    def valid(self) -> Tensor:
        """(B, L + N) bool."""
        always = torch.ones(self.visual.shape[:2], dtype=torch.bool, device=self.visual.device)
        return torch.cat([self.text_valid, always], dim=1)


@dataclass(frozen=True)
class Decoded:
    """A mask decoder's output, all maps (B, 1, 4h, 4w)."""

    logits: Tensor
    """The scene J: logits of the mask."""
    parts: dict[str, Tensor] = field(default_factory=dict)
    """CG-SAM: ``degraded`` (I) and ``background`` (A) as logits, ``depth`` in [0, 1]. HQ-SAM: ``sam``, logits of SAM's
    own mask."""


def at_input_size(maps: Tensor, size: tuple[int, int], multiple: int) -> Tensor:
    """Decoder maps (B, C, h, w) resized to the input as it was padded to ``multiple``, cropped to its ``size``."""
    height, width = size
    padded = (height + -height % multiple, width + -width % multiple)
    return F.interpolate(maps.float(), size=padded, mode="bilinear", align_corners=False)[..., :height, :width]
