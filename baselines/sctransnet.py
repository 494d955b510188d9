"""SCTransNet: a residual U-Net whose four skips attend to each other's channels.

Paper: Yuan, Qin, Yan, Akhtar, Mian, "SCTransNet: Spatial-channel Cross Transformer Network for Infrared Small Target
Detection", IEEE TGRS 2024 (arXiv 2401.15583). Official code: xdFai/SCTransNet at e027628 (no licence), which descends
from UCTransNet. Written from the paper, with channel counts and the order of operations read off the official code;
no code was ported.

With equal weights the six maps are those of the official network. Known differences around it:

* 11,202,995 parameters instead of 11,325,939. Left out is what the official forward pass never touches: four position
  embeddings of 256 patches by 32, 64, 128 and 256 channels (122,880; they would also tie weights to one image size)
  and sixteen scalars in each of the four transformer layers (64).
* Maps are logits, not probabilities, so that the cross-entropy is exact and safe in half precision; the main map
  comes first of the training list instead of last, and is the only one computed in evaluation.
* The loss is the mean over the six maps, not their sum; Adam's step does not depend on such a factor.
* The first of ten warm-up epochs has a thousandth of the learning rate instead of none.

To compare with: IoU 0.7750, 0.9409 and 0.6803 on NUAA-SIRST, NUDT-SIRST and IRSTD-1k (official README, best epoch on
the test half), where one network is trained on the three merged; trained on NUAA-SIRST alone others report about 0.75
(issues 5, 7 and 36 of the official repository).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256)  # of the skips, finest first; the bottom is as wide as the coarsest
DECODED = (32, 32, 64, 128)  # of the decoder's stages, in the same order
PATCHES = (16, 8, 4, 2)  # patch size in cells of each skip: one grid for all, a sixteenth of the image
EXPANSION = 2.66


@MODELS.register_module()
class SCTransNet(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W); while training to six: the main, the fused, then fine to coarse.

    Args:
        layers: Of the transformer between encoder and decoder.
        in_channels: Of the image; 1 in the authors' code.
    """

    size_multiple = 32  # 16 would do; 32 is what the authors pad to, and every padded cell takes part in attention

    def __init__(self, layers: int = 4, in_channels: int = 1) -> None:
        super().__init__()
        self.in_channels = in_channels
        bottom = WIDTHS[-1]
        sources, widths = (in_channels, *WIDTHS), (*WIDTHS, bottom)
        self.encoder = nn.ModuleList(
            LeakyResidual(source, width) for source, width in zip(sources, widths, strict=True))
        self.transformer = SkipTransformer(layers)
        self.decoder = nn.ModuleList(GatedMerge(skip, out) for skip, out in zip(WIDTHS, DECODED, strict=True))
        self.head = nn.Conv2d(DECODED[0], 1, 1)
        self.side_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in (*DECODED[1:], bottom))
        self.fuse = nn.Conv2d(len(self.side_heads) + 1, 1, 1)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Main logits of an image whose H and W are multiples of 16, in training followed by the five other maps."""
        *skips, bottom = self._encoded(image)
        # The transformer ends in a residual sum; adding the skips once more is the authors' choice.
        skips = [skip + mixed for skip, mixed in zip(skips, self.transformer(skips), strict=True)]
        features = [bottom]  # in the end finest first
        for merge, skip in zip(reversed(self.decoder), reversed(skips), strict=True):
            features.insert(0, merge(features[0], skip))
        main = self.head(features[0])
        if not self.training:
            return main
        sides = [_upsampled(head(x), image, align_corners=True)
                 for head, x in zip(self.side_heads, features[1:], strict=True)]
        return [main, self.fuse(torch.cat([*sides, main], dim=1)), *sides]

    def _encoded(self, image: Tensor) -> list[Tensor]:
        levels = [self.encoder[0](image)]
        for stage in self.encoder[1:]:
            levels.append(stage(F.max_pool2d(levels[-1], 2)))
        return levels


class SkipTransformer(nn.Module):
    """Bring the skips to one grid, let them attend to each other's channels, and return each to its own size."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(
            nn.Conv2d(width, width, patch, stride=patch) for width, patch in zip(WIDTHS, PATCHES, strict=True))
        self.layers = nn.ModuleList(TransformerLayer() for _ in range(layers))
        self.norms = _norms(WIDTHS)
        self.rebuild = nn.ModuleList(_unit(width, width, kernel=1) for width in WIDTHS)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        """Maps of the shapes of ``skips``, each the skip plus what the transformer says of it."""
        tokens = [embed(skip) for embed, skip in zip(self.embed, skips, strict=True)]
        for layer in self.layers:
            tokens = layer(tokens)
        return [skip + rebuild(_upsampled(norm(x), skip, align_corners=False))
                for skip, rebuild, norm, x in zip(skips, self.rebuild, self.norms, tokens, strict=True)]


class TransformerLayer(nn.Module):
    """The paper's spatial-channel cross transformer block: attention across levels, then a feed-forward in each."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = _norms(WIDTHS)
        self.norm_all = ChannelNorm(sum(WIDTHS))
        self.attention = ChannelCrossAttention()
        self.feed_forward = nn.ModuleList(
            nn.Sequential(ChannelNorm(width), ComplementaryFeedForward(width)) for width in WIDTHS)

    def forward(self, tokens: list[Tensor]) -> list[Tensor]:
        """Tokens of the shapes given, one map (B, c, h, w) a level."""
        normed = [norm(x) for norm, x in zip(self.norms, tokens, strict=True)]
        attended = self.attention(normed, self.norm_all(torch.cat(tokens, dim=1)))
        tokens = [x + found for x, found in zip(tokens, attended, strict=True)]
        return [x + feed_forward(x) for feed_forward, x in zip(self.feed_forward, tokens, strict=True)]


class ChannelCrossAttention(nn.Module):
    """Single-head attention of each level's channels to the channels of all levels (paper's SSCA).

    A channel's token is its map; both kinds of convolution before it let the map see its neighbourhood.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.ModuleList(_projection(width, groups=width // 2) for width in WIDTHS)
        everything = sum(WIDTHS)
        self.key, self.value = (_projection(everything, groups=everything) for _ in range(2))
        self.project = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for width in WIDTHS)

    def forward(self, levels: list[Tensor], everything: Tensor) -> list[Tensor]:
        """What each of ``levels`` (B, c, h, w) finds in ``everything`` (B, sum of c, h, w), in its own shape."""
        key, value = self.key(everything), self.value(everything)
        return [project(_channel_attention(query(level), key, value).to(level.dtype))
                for project, query, level in zip(self.project, self.queries, levels, strict=True)]


class ComplementaryFeedForward(nn.Module):
    """Two depth-wise views of a widened map, 3x3 and 5x5, narrowed again and weighed by channel (paper's CFN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(EXPANSION * channels)
        self.widen = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.near = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False)
        self.far = nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden, bias=False)
        self.narrow = nn.Conv2d(2 * hidden, channels, 1, bias=False)
        self.weigh = nn.Conv1d(1, 1, 3, padding=1, bias=False)  # along neighbouring channels, as in ECA-Net

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) for x of that shape."""
        near, far = self.widen(x).chunk(2, dim=1)
        x = self.narrow(F.relu(torch.cat([self.near(near), self.far(far)], dim=1)))
        pooled = x.mean((2, 3)).unsqueeze(1)  # (B, 1, c)
        return x * self.weigh(pooled).sigmoid().transpose(1, 2).unsqueeze(-1)


class GatedMerge(nn.Module):
    """Double the deep map, weigh the skip's channels by what both hold on average, and convolve the two together."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.judge_skip, self.judge_deep = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.merge = nn.Sequential(_unit(2 * channels, channels_out), _unit(channels_out, channels_out))

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """(B, channels_out, 2h, 2w) for a deep map (B, c, h, w) and a skip (B, c, 2h, 2w)."""
        judged = self.judge_skip(skip.mean((2, 3))) + self.judge_deep(deep.mean((2, 3)))
        skip = F.relu(skip * (judged / 2).sigmoid()[..., None, None])
        return self.merge(torch.cat([skip, F.interpolate(deep, scale_factor=2, mode="nearest")], dim=1))


class LeakyResidual(nn.Module):
    """Two biased 3x3 convolutions beside a shortcut, with leaky activations."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.01),
            nn.Conv2d(channels_out, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1), nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels_out, h, w) of x (B, channels_in, h, w)."""
        return F.leaky_relu(self.body(x) + self.shortcut(x), 0.01)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels at each point of a map (B, C, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        """The map normalised, in its shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _channel_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of the channels of ``query`` (B, c, h, w) to those of ``key`` and ``value`` (B, C, h, w), float32."""
    # Scores are cosines over a root of 480: what half precision leaves of them would be spread by the norm.
    with torch.autocast(query.device.type, enabled=False):
        query, key = (F.normalize(x.float().flatten(2), dim=-1) for x in (query, key))
        scores = query @ key.transpose(1, 2) / key.shape[1] ** 0.5  # (B, c, C)
        weights = F.layer_norm(scores, scores.shape[1:]).softmax(dim=-1)  # normed over the whole c x C matrix
        return (weights @ value.float().flatten(2)).unflatten(2, value.shape[2:])


def _projection(channels: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False))


def _unit(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2), nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True))


def _norms(widths: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(ChannelNorm(width) for width in widths)


def _upsampled(x: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    return F.interpolate(x, size=target.shape[-2:], mode="bilinear", align_corners=align_corners)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
