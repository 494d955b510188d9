"""The frozen CLIP that SR-CLIP and the prompts it is compared with all use (SAIST, section 3.2; open_clip)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.model import CLIP
from torch import Tensor, nn

from models.checkpoints import load_exactly, read_state
from models.frozen import fixed_seed, freeze
from models.sr_clip.feature_cache import FeatureCache
from models.weights import locate

OWN_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "ViT-tiny": dict(
        embed_dim=256,
        vision_cfg=dict(image_size=224, patch_size=16, width=192, layers=4, head_width=64),
        text_cfg=dict(context_length=77, vocab_size=49408, width=256, heads=4, layers=4),
    ),
    # For pre-training on two thousand pairs on a CPU: few patches, and a text tower so narrow that the embedding of
    # the whole vocabulary (12.6 MB of 18.2 in half precision) can be kept in a repository. Context for 54 words.
    "IR-CLIP-tiny": dict(
        embed_dim=128,
        vision_cfg=dict(image_size=128, patch_size=16, width=192, layers=4, head_width=64),
        text_cfg=dict(context_length=64, vocab_size=49408, width=128, heads=2, layers=4),
    ),
}
"""Sizes that open_clip does not have, built from its classes."""


@dataclass(frozen=True)
class ImageFeatures:
    """What CLIP's image encoder says of a batch of scenes, in the space that it shares with text."""

    scene: Tensor
    """(B, C) global feature."""
    patches: Tensor
    """(B, P, C) one feature a patch, row by row."""


@MODELS.register_module()
class FrozenCLIP(nn.Module):
    """An open_clip model that never trains; image features are computed once an image and kept on disk.

    Args:
        architecture: Name of an open_clip model (``'ViT-B-16'``) or of ``OWN_ARCHITECTURES``: vision transformers with
            a text tower of the original kind only.
        checkpoint: Official name or path of the weights; None for random ones, always the same.
        quick_gelu: The activation that OpenAI's weights were trained with.
        cache: Keep image features on disk, keyed by weights and pixels.

    Attributes:
        dim: C, width of the shared space.
        text_width: Width of the text tower's tokens.
        context_length: Longest token sequence, 77 in CLIP.
        image_size: Side of the square input in pixels.
        grid: (rows, columns) of patches.

    Raises:
        WeightsError: For a checkpoint that is absent, damaged or of another architecture.
        ValueError: For an architecture that open_clip does not know or that is not of this kind.
    """

    def __init__(self, architecture: str, checkpoint: str | None = None, quick_gelu: bool = False,
                 cache: bool = True) -> None:
        super().__init__()
        self.architecture, self.checkpoint = architecture, checkpoint
        with fixed_seed():
            self.clip = _build(architecture, quick_gelu)
        if checkpoint is not None:
            path = locate(checkpoint)
            load_exactly(self.clip, read_state(path), path=path, ignore=("input_resolution", "context_length",
                                                                         "vocab_size", "attn_mask"))
        freeze(self)
        self.clip.visual.output_tokens = True
        self.dim = self.clip.visual.output_dim
        self.text_width = self.clip.positional_embedding.shape[1]
        self.context_length = self.clip.context_length
        self.image_size, self.grid = self.clip.visual.image_size[0], self.clip.visual.grid_size
        self.tokenizer = open_clip.SimpleTokenizer(context_length=self.context_length)
        self.cache = FeatureCache(self._visual_fingerprint) if cache else None
        scale = torch.tensor([OPENAI_DATASET_MEAN, OPENAI_DATASET_STD]).reshape(2, 3, 1, 1) * 255
        self.register_buffer("pixel_scale", scale, persistent=False)

    @property
    def text_tower(self) -> CLIP:
        """The model whose ``token_embedding``, ``positional_embedding``, ``transformer`` and ``ln_final`` make text."""
        return self.clip

    def tokens(self, text: str) -> list[int]:
        """Token ids of the text alone, without start and end tokens, of any length."""
        return self.tokenizer.encode(text)

    @torch.no_grad()
    def encode_image(self, scenes: Tensor, cached: bool = True) -> ImageFeatures:
        """Features of (B, H, W) uint8 grey scenes, resized to CLIP's input size where they are not.

        With ``cached`` they come from the cache where there is one, and go into it. They are computed in float32,
        also under autocast, and rounded to half precision either way, so that it makes no difference.
        """
        with torch.autocast(self.pixel_scale.device.type, enabled=False):
            return self._encode_image(scenes, cached)

    def _encode_image(self, scenes: Tensor, cached: bool) -> ImageFeatures:
        if self.cache is None or not cached:
            features = torch.cat([self._compute(scene[None]) for scene in scenes])
        else:
            features = self.cache.through(scenes, self._compute)
        features = features.to(self.pixel_scale.device).float()
        return ImageFeatures(features[:, 0], features[:, 1:])

    @torch.no_grad()
    def encode_text(self, text: str) -> Tensor:
        """(C,) sentence feature of a caption, by open_clip's own encoder."""
        return self.clip.encode_text(self.tokenizer([text]).to(self.pixel_scale.device))[0]

    def _compute(self, scenes: Tensor) -> Tensor:
        # (1, 1 + P, C) in half precision, global feature first
        pixels = scenes.to(self.pixel_scale.device).float().unsqueeze(1)
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            pixels = F.interpolate(pixels, size=(self.image_size, self.image_size), mode="bilinear", antialias=True)
        mean, std = self.pixel_scale
        pooled, tokens = self.clip.visual((pixels.expand(-1, 3, -1, -1) - mean) / std)
        return torch.cat([pooled.unsqueeze(1), tokens @ self.clip.visual.proj], dim=1).half()

    def _visual_fingerprint(self) -> str:
        digest = hashlib.sha256()
        for _, tensor in sorted(self.clip.visual.state_dict().items()):
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def _build(architecture: str, quick_gelu: bool) -> CLIP:
    config = OWN_ARCHITECTURES.get(architecture) or open_clip.get_model_config(architecture)
    if config is None:
        raise ValueError(f"unknown CLIP architecture {architecture!r}; known: {', '.join(OWN_ARCHITECTURES)} and those "
                         "of open_clip.list_models()")
    vision, text = config["vision_cfg"], config["text_cfg"]
    if "timm_model_name" in vision or "hf_model_name" in text or isinstance(vision.get("layers"), (list, tuple)):
        raise ValueError(f"CLIP architecture {architecture!r}: only vision transformers with CLIP's own text tower")
    return CLIP(embed_dim=config["embed_dim"], vision_cfg=dict(vision), text_cfg=dict(text),
                quick_gelu=quick_gelu or config.get("quick_gelu", False))


def weights_name(clip: FrozenCLIP) -> str:
    """``'random'``, or the name of the checkpoint that this CLIP came from; for logs and records."""
    return "random" if clip.checkpoint is None else Path(clip.checkpoint).name
