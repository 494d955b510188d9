"""ACM: asymmetric contextual modulation, in its FPN and U-Net form.

Paper: Dai, Wu, Zhou, Barnard, "Asymmetric Contextual Modulation for Infrared Small Target Detection", WACV 2021
(arXiv 2009.14530). Official code: YimianDai/open-acm (MXNet, no licence). Written from the paper and from the
layer sizes of the released checkpoint; no code was ported.

Known differences: PyTorch instead of MXNet (batch-norm momentum 0.9 there is 0.1 here); the input's affine-free
batch norm is kept, so any constant normalisation of the input is undone in training. MXNet's Adagrad takes weight decay
apart from the gradient, PyTorch's adds it to it.
Two networks are published under this name. ``stem='full'`` with four blocks a stage is the authors' released one
(385,637 parameters as FPN, 516,869 as U-Net, 3-channel input); ``stem='quarter'`` is the one most
re-implementations, and so most copied tables, use (1/4 resolution, a tenth of the compute).

To compare with: IoU 0.744 for U-Net on the authors' own NUAA-SIRST split (training log of the official repository);
0.694 for the quarter-resolution variant on the 213/214 split (table of XinyiYing/BasicIRSTD).
"""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from baselines.blocks import full_stem, msra_prelu_initialise, prediction_head, residual_stage, strided_stem

WIDTHS = (16, 32, 64)
REDUCTION = 4


@MODELS.register_module()
class ACM(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W).

    Args:
        form: ``'fpn'`` or ``'unet'``.
        stem: ``'full'`` keeps the input resolution in stage 1; ``'quarter'`` works at 1/4 and resizes the logits.
        blocks: Residual blocks per stage.
        in_channels: Of the image; 3 in the authors' code, where a grey image is repeated.
    """

    def __init__(self, form: str = "fpn", stem: str = "full", blocks: int = 4, in_channels: int = 3) -> None:
        super().__init__()
        if form not in ("fpn", "unet") or stem not in ("full", "quarter"):
            raise ValueError(f"form must be 'fpn' or 'unet' and stem 'full' or 'quarter', but got {form!r}, {stem!r}")
        self.in_channels = in_channels
        self.size_multiple = 4 if stem == "full" else 16
        c1, c2, c3 = WIDTHS
        self.stem = full_stem(in_channels, c1) if stem == "full" else strided_stem(
            in_channels, c1, affine=False, pool=True)
        self.stage1 = residual_stage(c1, c1, blocks, stride=1)
        self.stage2 = residual_stage(c1, c2, blocks, stride=2)
        self.stage3 = residual_stage(c2, c3, blocks, stride=2)
        if form == "fpn":
            self.up2, self.up1 = _BilinearUp(), _BilinearUp()
            self.fuse2 = AsymmetricFusion(c2, high_channels=c3)
            self.fuse1 = AsymmetricFusion(c1, high_channels=c2)
            self.refine2, self.refine1 = nn.Identity(), nn.Identity()
        else:
            self.up2, self.up1 = _TransposedUp(c3, c2), _TransposedUp(c2, c1)
            self.fuse2, self.fuse1 = AsymmetricFusion(c2), AsymmetricFusion(c1)
            self.refine2, self.refine1 = (residual_stage(width, width, blocks, stride=1) for width in (c2, c1))
        self.head = prediction_head(c1, c1 // 4)
        self.apply(msra_prelu_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, H, W) for an image (B, C, H, W); H and W multiples of ``size_multiple``."""
        fine = self.stage1(self.stem(image))
        middle = self.stage2(fine)
        coarse = self.stage3(middle)
        middle = self.refine2(self.fuse2(high=self.up2(coarse, middle), low=middle))
        fine = self.refine1(self.fuse1(high=self.up1(middle, fine), low=fine))
        logits = self.head(fine)
        if logits.shape[-2:] != image.shape[-2:]:
            logits = F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=True)
        return logits


class AsymmetricFusion(nn.Module):
    """Fuse a high-level and a low-level map of one size (paper, section 3.3).

    The high map, pooled globally, weighs the channels of the low one (top-down); the low map weighs every pixel of
    the high one by point-wise convolutions (bottom-up). With ``high_channels`` the high map is reduced first.
    """

    def __init__(self, channels: int, high_channels: int | None = None) -> None:
        super().__init__()
        self.reduce = nn.Identity() if high_channels is None else nn.Sequential(
            nn.Conv2d(high_channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.top_down = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_pointwise(channels))
        self.bottom_up = nn.Sequential(*_pointwise(channels))
        self.project = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Fused map of the shape of ``low`` (B, c, h, w)."""
        high = self.reduce(high)
        return self.project(2 * low * self.top_down(high) + 2 * high * self.bottom_up(low))


class _BilinearUp(nn.Module):
    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        # align_corners as in the authors' framework, where it is the only behaviour
        return F.interpolate(high, size=low.shape[-2:], mode="bilinear", align_corners=True)


class _TransposedUp(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        return self.deconv(high)


def _pointwise(channels: int) -> list[nn.Module]:
    hidden = channels // REDUCTION
    return [nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1), nn.BatchNorm2d(channels), nn.Sigmoid()]
