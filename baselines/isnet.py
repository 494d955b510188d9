"""ISNet: target shape from an edge branch of Taylor finite differences.

Paper: Zhang, Zhang, Yang, Bai, Zhang, Guo, "ISNet: Shape Matters for Infrared Small Target Detection", CVPR 2022.
Official code: RuiZhang97/ISNet, branch ``master`` (MIT, with files under NVIDIA's CC BY-NC-SA 4.0). Written from the
paper and from the layer sizes of that network; no code was ported.

Known differences:

* The official network counts 1,090,671 parameters, of which 103,709 belong to modules that its forward pass never
  calls. They are left out here: 986,962.
* The official trainer re-draws every convolution from N(0, 0.02) after construction, those that predict offsets of
  deformable convolutions too; here these keep the zeros that DCNv2 starts from. It also draws biases of batch
  norms from N(0, 1), here 0.
* Loss: the edge target, the gradient magnitude of the mask, is up to 1.41 there, above what a probability can reach;
  here it is cut at 1. The cross-entropy is taken from logits. The edge probability is put through a second sigmoid
  before its soft IoU there, and through none here. Soft IoU has no smoothing there and 1e-6 here, which changes no
  digit where there is a target and keeps the fraction finite where there is none.
* The gradient image is made inside the network from the normalised image; an image that was padded has a step at the
  seam, as at its other borders, where the difference is taken to zeros.

To compare with: IoU 0.8002, 0.8177 and 0.6877 on NUAA-SIRST, NUDT-SIRST and IRSTD-1k (table 1 of SAIST, CVPR 2025), the
first and last of which others do not reach (issue 27 of the official repository); 0.7049, 0.8124 and 0.6185 (table of
XinyiYing/BasicIRSTD, for a one-channel rewrite with unmodulated deformable convolutions).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from baselines.blocks import prediction_head, residual_stage, strided_stem
from baselines.deform_conv import ModulatedDeformConv2d
from baselines.losses import SoftIoULoss

WIDTHS = (16, 32, 64)
EDGE_WIDTH = 64
EDGE_WEIGHT = 10.0


@MODELS.register_module()
class ISNet(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W); H and W multiples of 16.

    Args:
        blocks: Residual blocks per stage.
        in_channels: Of the image; 3 in the authors' code, where a grey image is repeated.
        edge_width: Channels of the edge branch, which runs at full resolution and is nearly all of the cost.
    """

    size_multiple = 16

    def __init__(self, blocks: int = 4, in_channels: int = 3, edge_width: int = EDGE_WIDTH) -> None:
        super().__init__()
        self.in_channels = in_channels
        c1, c2, c3 = WIDTHS
        self.stem = strided_stem(in_channels, c1, affine=True, pool=True)
        self.stage1 = residual_stage(c1, c1, blocks, stride=1)
        self.stage2 = residual_stage(c1, c2, blocks, stride=2)
        self.stage3 = residual_stage(c2, c3, blocks, stride=2)
        self.up2, self.up1 = nn.ConvTranspose2d(c3, c2, 4, 2, 1), nn.ConvTranspose2d(c2, c1, 4, 2, 1)
        self.attend2, self.attend1 = TwoOrientationAttention(c2), TwoOrientationAttention(c1)
        self.refine2 = residual_stage(c2, c2, blocks, stride=1)
        self.refine1 = residual_stage(c1, c1, blocks, stride=1)
        self.edge = EdgeBranch(in_channels, edge_width, guide_channels=(c3, c2, c1))
        self.head = prediction_head(c1, c1 // 4)
        self.soft_iou = SoftIoULoss(per_image=True, smooth=1e-6)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Mask logits (B, 1, H, W), in training and evaluation alike."""
        return self.mask_and_edge(image)[0]

    def mask_and_edge(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the mask and of its edge, both (B, 1, H, W)."""
        fine = self.stage1(self.stem(image))
        middle = self.stage2(fine)
        coarse = self.stage3(middle)
        middle = self.refine2(self.attend2(deep=self.up2(coarse), shallow=middle))
        fine = self.refine1(self.attend1(deep=self.up1(middle), shallow=fine))
        edge = self.edge(gradient_magnitude(image), (coarse, middle, fine))
        fine = F.interpolate(fine, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return self.head(fine * (1 + edge.sigmoid())), edge

    def training_losses(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The three terms of the paper's loss for image (B, C, H, W) and 0/1 mask (B, 1, H, W)."""
        logits, edge = self.mask_and_edge(image)
        target = gradient_magnitude(mask).clamp(max=1)
        return {
            "loss_mask": self.soft_iou(logits, mask),
            "loss_edge": EDGE_WEIGHT * F.binary_cross_entropy_with_logits(edge.float(), target),
            "loss_edge_iou": self.soft_iou(edge, target),
        }


class TwoOrientationAttention(nn.Module):
    """Fuse a deep and a shallow map of one size: the deep one weighs the shallow one along columns and along rows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Conv2d(channels, channels // 2, 1), nn.Conv2d(channels // 2, channels, 1))
        self.along_columns = ModulatedDeformConv2d(channels, channels, kernel_size=(3, 1))
        self.along_rows = ModulatedDeformConv2d(channels, channels, kernel_size=(1, 3))

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """(B, C, h, w) for two maps of that shape."""
        deep, shallow = self.project(deep), self.project(shallow)
        weight = self.along_columns(deep).sigmoid() + self.along_rows(deep).sigmoid()
        return 2 * deep + weight * shallow


class EdgeBranch(nn.Module):
    """Gradient image (B, C, H, W) to edge logits (B, 1, H, W) by Taylor steps, each guided by a map of the mask branch.

    Args:
        in_channels: Of the gradient image.
        width: Channels of the steps.
        guide_channels: Of the guiding maps, in the order of the steps.
    """

    def __init__(self, in_channels: int, width: int, guide_channels: tuple[int, ...]) -> None:
        super().__init__()
        self.lift = nn.Conv2d(in_channels, width, 1)
        self.guides = nn.ModuleList(nn.Conv2d(channels, 1, 1) for channels in guide_channels)
        self.steps = nn.ModuleList(TaylorStep(width) for _ in guide_channels)
        self.head = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, gradient: Tensor, guides: tuple[Tensor, ...]) -> Tensor:
        """Edge logits for the gradient image and guiding maps of any size."""
        features = self.lift(gradient)
        for step, reduce, guide in zip(self.steps, self.guides, guides, strict=True):
            guide = F.interpolate(reduce(guide), size=gradient.shape[-2:], mode="bilinear", align_corners=True)
            features = step(features, guide)
        return self.head(features)


class TaylorStep(nn.Module):
    """One step of the Taylor finite difference: three times the first difference, the second, and the gated second."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _difference(channels), _difference(channels)
        self.gate = GuidedGate(channels)

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """(B, C, H, W) for features of that shape and a guide (B, 1, H, W)."""
        first = self.first(features)
        # the second difference alone goes on: the official network drops the sum with its input
        second = F.relu(self.second(F.relu(features + first)))
        return 3 * F.relu(first) + second + self.gate(second, guide)


class GuidedGate(nn.Module):
    """Raise features by up to double where features and guide agree that there is an edge, then mix channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        both = channels + 1
        self.gate = nn.Sequential(
            nn.BatchNorm2d(both), nn.Conv2d(both, both, 1), nn.ReLU(inplace=True),
            nn.Conv2d(both, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid(),
        )
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """(B, C, H, W) for features of that shape and a guide (B, 1, H, W)."""
        return self.mix(features * (1 + self.gate(torch.cat([features, guide.to(features.dtype)], dim=1))))


def gradient_magnitude(maps: Tensor) -> Tensor:
    """Length of the central difference of each channel, (B, C, H, W) float32; zeros lie outside, 0.001 is flat.

    The difference is not halved: a step of 1 gives 1 on both its sides, a corner 1.41.
    """
    padded = F.pad(maps.float(), (1, 1, 1, 1))
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    right = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    return (down.square() + right.square() + 1e-6).sqrt()


def _difference(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
    # apply() reaches children first: what it did to their convolutions is undone here
    elif isinstance(module, ModulatedDeformConv2d):
        module.reset_sampling()
    elif isinstance(module, GuidedGate):
        nn.init.xavier_normal_(module.mix.weight)
