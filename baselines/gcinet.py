"""A reconstruction in the manner of GCI-Net, not its authors' network.

Paper: Zhang, Yue, Li, Guo, Li, Gao, "Single-Frame Infrared Small Target Detection via Gaussian Curvature Inspired
Network", IEEE TGRS 62 (2024) 5005013, doi 10.1109/TGRS.2024.3423492. There is no official code and no other
implementation (a repository of the same name is another work), and its text is not open: only the abstract was read.
No number measured with this file says anything about the paper. What it is built from:

[A] stated in the abstract: a branch on Gaussian curvature (GCB) that smooths noise away and keeps the target's
    structure; a patch-group attention (PGA) that draws on low- and high-level features to guide that branch; the
    branch's curvature is held to the curvature of the true mask.
[F] habits of the same group, read off its published ISNet, which also has a side branch on target shape: encoder and
    decoder with widths 8, 16, 32, 64 and four residual blocks a stage, head, raising features by the side branch's
    map, soft IoU.
[C] our choice, because nothing is known: everything else. Skips are added; the branch starts from the curvature of
    the smoothed image and has three residual blocks of 32 channels at half resolution, with an attention after each
    but the last; there, means of 8x8 patches of the branch ask the coarsest map of the encoder in four heads, and the
    answer raises the patch by up to double; the branch's map is held to the positive curvature of the smoothed mask
    by a smooth L1 distance of weight 1; the head starts near a probability of 0.01, without which soft IoU takes
    hundreds of steps to clear the background.

Curvature of a surface is not free of scale. Here the surface is the image with grey levels in about [0, 1]: a
normalised image times ``GREY_SCALE``, which is right to a tenth for the three datasets. An image that was padded has a
step at the seam, and some false curvature along it.

The paper's numbers, which are not this network's: IoU 0.7881, 0.9243 and 0.6775 on NUAA-SIRST, NUDT-SIRST and IRSTD-1k
(as quoted in table 1 of the SAIST paper, CVPR 2025).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from baselines.blocks import ResidualBlock, prediction_head, residual_stage, strided_stem
from baselines.losses import SoftIoULoss

WIDTHS = (16, 32, 64)
BRANCH_WIDTH = 32
BRANCH_BLOCKS = 3
PATCH = 8  # cells of the branch at half resolution, so that a patch is one cell of the coarsest map
HEADS = 4
GREY_SCALE = 0.14  # standard deviations of the three datasets are 33 to 40 of 255 grey levels
CURVATURE_UNIT = 1e-3  # curvatures well below this, as of noise, keep their size; those above are told by magnitude
CURVATURE_WEIGHT = 1.0
GAUSSIAN = (0.0544887, 0.2442013, 0.4026199, 0.2442013, 0.0544887)  # sigma 1, about the blur of the optics


@MODELS.register_module()
class GCINet(nn.Module):
    """Normalised image (B, C, H, W) to logits (B, 1, H, W); H and W multiples of 16.

    Args:
        blocks: Residual blocks per stage of the main path.
        in_channels: Of the image; curvature is that of the first.
    """

    size_multiple = 16

    def __init__(self, blocks: int = 4, in_channels: int = 1) -> None:
        super().__init__()
        self.in_channels = in_channels
        c1, c2, c3 = WIDTHS
        self.stem = strided_stem(in_channels, c1, affine=True, pool=True)
        self.stage1 = residual_stage(c1, c1, blocks, stride=1)
        self.stage2 = residual_stage(c1, c2, blocks, stride=2)
        self.stage3 = residual_stage(c2, c3, blocks, stride=2)
        self.up2, self.up1 = nn.ConvTranspose2d(c3, c2, 4, 2, 1), nn.ConvTranspose2d(c2, c1, 4, 2, 1)
        self.refine2 = residual_stage(c2, c2, blocks, stride=1)
        self.refine1 = residual_stage(c1, c1, blocks, stride=1)
        self.branch = CurvatureBranch(guide_channels=c3)
        self.head = prediction_head(c1, c1 // 4, prior=0.01)
        self.soft_iou = SoftIoULoss()

    def forward(self, image: Tensor) -> Tensor:
        """Mask logits (B, 1, H, W), in training and evaluation alike."""
        return self.mask_and_curvature(image)[0]

    def mask_and_curvature(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the mask and of where the target's surface bulges, both (B, 1, H, W)."""
        fine = self.stage1(self.stem(image))
        middle = self.stage2(fine)
        coarse = self.stage3(middle)
        middle = self.refine2(self.up2(coarse) + middle)
        fine = self.refine1(self.up1(middle) + fine)
        curvature = _resized_like(self.branch(image[:, :1], guide=coarse), image)
        return self.head(_resized_like(fine, image) * (1 + curvature.sigmoid())), curvature

    def training_losses(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Both terms of the loss for image (B, C, H, W) and 0/1 mask (B, 1, H, W)."""
        logits, curvature = self.mask_and_curvature(image)
        return {
            "loss_mask": self.soft_iou(logits, mask),
            "loss_curvature": CURVATURE_WEIGHT * curvature_loss(curvature.float().sigmoid(), curvature_target(mask)),
        }


class CurvatureBranch(nn.Module):
    """Grey image (B, 1, H, W), normalised, to curvature logits (B, 1, H/2, W/2), guided by a map of the encoder."""

    def __init__(self, guide_channels: int) -> None:
        super().__init__()
        width = BRANCH_WIDTH
        self.lift = nn.Conv2d(1, width, 1)
        self.blocks = nn.ModuleList(ResidualBlock(width, width, stride=1) for _ in range(BRANCH_BLOCKS))
        self.attentions = nn.ModuleList(PatchGroupAttention(width, guide_channels) for _ in range(BRANCH_BLOCKS - 1))
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, grey: Tensor, guide: Tensor) -> Tensor:
        """Logits for a grey image and a guide (B, c, H/16, W/16)."""
        x = self.lift(F.avg_pool2d(compressed_curvature(grey), 2))
        for block, attention in zip(self.blocks[:-1], self.attentions, strict=True):
            x = attention(block(x), guide)
        return self.head(self.blocks[-1](x))


class PatchGroupAttention(nn.Module):
    """Raise each patch of a low-level map by up to double, as a high-level map tells; a patch and a cell are tokens."""

    def __init__(self, channels: int, guide_channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv2d(guide_channels, 2 * channels, 1)
        self.answer = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(B, C, h, w) for x of that shape and a guide (B, c, h / 8, w / 8)."""
        query = self.query(F.avg_pool2d(x, PATCH))
        key, value = self.key_value(guide).chunk(2, dim=1)
        found = F.scaled_dot_product_attention(*(_tokens(part) for part in (query, key, value)))
        found = found.transpose(2, 3).flatten(1, 2).unflatten(2, query.shape[2:])
        gate = self.answer(found).sigmoid()
        return x * (1 + F.interpolate(gate, scale_factor=PATCH, mode="nearest"))


def gaussian_curvature(surface: Tensor) -> Tensor:
    """Product of the two principal curvatures of surfaces z(x, y), (..., H, W) float32.

    (zxx zyy - zxy²) / (1 + zx² + zy²)²: positive on bumps and dents, zero on planes and ridges, negative on saddles.
    """
    along_x, along_y = slope(surface, -1), slope(surface, -2)
    determinant = slope(along_x, -1) * slope(along_y, -2) - slope(along_x, -2).square()
    return determinant / (1 + along_x.square() + along_y.square()).square()


def slope(surface: Tensor, dim: int) -> Tensor:
    """Central difference along a dimension, one-sided at its two ends, where a false edge would bend the surface."""
    size = surface.shape[dim]
    steps = surface.narrow(dim, 1, size - 1) - surface.narrow(dim, 0, size - 1)
    behind = torch.cat([steps.narrow(dim, 0, 1), steps], dim)
    ahead = torch.cat([steps, steps.narrow(dim, size - 2, 1)], dim)
    return (behind + ahead) / 2


def smoothed(maps: Tensor) -> Tensor:
    """Maps (B, 1, H, W) after a 5x5 Gaussian of sigma 1, the border repeated outwards."""
    for dim, border in ((-1, (2, 2, 0, 0)), (-2, (0, 0, 2, 2))):
        padded = F.pad(maps, border, mode="replicate")
        maps = sum(weight * padded.narrow(dim, shift, maps.shape[dim]) for shift, weight in enumerate(GAUSSIAN))
    return maps


def compressed_curvature(grey: Tensor) -> Tensor:
    """Signed logarithm of the curvature of normalised grey images (B, 1, H, W), float32."""
    # Squares of second differences of a few grey levels underflow in half precision.
    with torch.autocast(grey.device.type, enabled=False):
        curvature = gaussian_curvature(smoothed(grey.float() * GREY_SCALE))
        return curvature.sign() * (curvature.abs() / CURVATURE_UNIT).log1p()


def curvature_target(mask: Tensor) -> Tensor:
    """Where the smoothed mask (B, 1, H, W) bulges, 1 at its sharpest, 0 on flat ground; zeros for an empty mask.

    A mask of zeros and ones has no curvature of its own but at corners, hence the smoothing; of targets wider than it,
    corners are still all that bulges. The saddles round every target are dropped: a range from them to the peak would
    lift flat ground off zero.
    """
    curvature = gaussian_curvature(smoothed(mask.float())).relu()
    return curvature / curvature.amax((2, 3), keepdim=True).clamp(min=1e-6)


def curvature_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 distance of two maps in [0, 1], the bulges and the ground averaged apart, or the ground drowns them."""
    error = F.smooth_l1_loss(predicted, target, reduction="none")
    bulges = (error * target).sum() / target.sum().clamp(min=1)
    return bulges + (error * (1 - target)).mean()


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).unflatten(1, (HEADS, -1)).transpose(2, 3)  # (B, heads, h*w, C / heads)


def _resized_like(x: Tensor, target: Tensor) -> Tensor:
    return F.interpolate(x, size=target.shape[-2:], mode="bilinear", align_corners=False)
