"""The Segment Anything side without its mask decoder: image encoder, position code, what trains, official weights."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from segment_anything.modeling import PromptEncoder
from torch import Tensor, nn

from models.cg_sam.image_encoder import SIZE_MULTIPLE, build_encoder
from models.cg_sam.maps import EncoderMaps
from models.checkpoints import load_exactly, read_state, resize_positions
from models.frozen import fixed_seed, freeze
from models.weights import locate

TUNE = ("lora", "full", "frozen")
PIXEL_MEAN, PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
HQ_PARTS = ("hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")


class SAM(nn.Module):
    """SAM's image encoder under one of three ways of training, with the frozen prompt encoder's position code.

    Args:
        encoder: One of ``models.cg_sam.image_encoder.ENCODERS``.
        checkpoint: Official name or path (SAM, MobileSAM or HQ-SAM layout); None for random weights, always the same.
        tune: ``'lora'`` (frozen, low-rank adapters on the qkv projections; Hu et al. 2022), ``'full'`` or ``'frozen'``.
        lora: ``r``, ``alpha``, ``dropout`` of the adapters.
        gradient_checkpointing: Recompute activations of the encoder in the backward pass instead of keeping them.

    Raises:
        WeightsError: For a checkpoint that is absent, damaged or of another encoder.
        ValueError: For an unknown ``tune``.
    """

    size_multiple = SIZE_MULTIPLE

    def __init__(self, encoder: str, checkpoint: str | None = None, tune: str = "lora",
                 lora: dict[str, Any] | None = None, gradient_checkpointing: bool = False) -> None:
        super().__init__()
        if tune not in TUNE:
            raise ValueError(f"sam.tune is {tune!r}; it must be one of {', '.join(TUNE)}")
        self.checkpoint, self.tune = checkpoint, tune
        with fixed_seed() if tune != "full" else contextlib.nullcontext():
            self.encoder = build_encoder(encoder, gradient_checkpointing)
        with fixed_seed():
            self.prompt_encoder = PromptEncoder(embed_dim=256, image_embedding_size=(64, 64),
                                                input_image_size=(1024, 1024), mask_in_chans=16)
        self.early_channels = self.encoder.early_channels
        if checkpoint is not None:
            self._load()
        freeze(self.prompt_encoder)
        if tune != "full":
            freeze(self.encoder)
        if tune == "lora":
            options = {"r": 4, "alpha": 4, "dropout": 0.0} | (lora or {})
            inject_adapter_in_model(LoraConfig(r=options["r"], lora_alpha=options["alpha"],
                                               lora_dropout=options["dropout"], target_modules=["qkv"]), self.encoder)
        pixels = torch.tensor([PIXEL_MEAN, PIXEL_STD]).reshape(2, 3, 1, 1)
        self.register_buffer("pixel_scale", pixels, persistent=False)

    def forward(self, images: Tensor) -> EncoderMaps:
        """(B, 1, H, W) grey levels 0 to 255 of any size; padded right and bottom to a multiple of 16."""
        height, width = images.shape[-2:]
        mean, std = self.pixel_scale
        normalised = (images.expand(-1, 3, -1, -1) - mean) / std
        return self.encoder(nn.functional.pad(normalised, (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE)))

    def position_code(self, size: tuple[int, int]) -> Tensor:
        """(1, 256, h, w) random Fourier code of a map of that size."""
        return self.prompt_encoder.pe_layer(tuple(size)).unsqueeze(0)

    @property
    def no_mask(self) -> Tensor:
        """(1, 256, 1, 1) dense prompt that stands for none."""
        return self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)

    def train(self, mode: bool = True) -> SAM:
        """Training mode for what trains; frozen normalisation layers keep their statistics."""
        super().train(mode)
        self.prompt_encoder.eval()
        if self.tune != "full":
            for module in self.encoder.modules():
                if not isinstance(module, nn.Dropout):
                    module.training = False
        return self

    def merge_adapters(self) -> None:
        """Fold the low-rank updates into the frozen weights: the same results with fewer operations, for inference."""
        for module in self.encoder.modules():
            if isinstance(module, LoraLayer):
                module.merge()

    def load_decoder(self, decoder: nn.Module) -> None:
        """Give a mask decoder the weights of the same official file; HQ parts too where both have them."""
        if self.checkpoint is None:
            return
        path = locate(self.checkpoint)
        state = read_state(path)
        extra = tuple(f"mask_decoder.{part}." for part in HQ_PARTS)
        load_exactly(decoder.sam, state, path=path, prefix="mask_decoder.", ignore=extra)
        for part in HQ_PARTS:
            if hasattr(decoder, part) and any(name.startswith(f"mask_decoder.{part}.") for name in state):
                load_exactly(getattr(decoder, part), state, path=path, prefix=f"mask_decoder.{part}.")

    def _load(self) -> None:
        path = locate(self.checkpoint)
        state = read_state(path)
        load_exactly(self.encoder, state, path=path, prefix="image_encoder.", rename=self.encoder.official_name,
                     ignore=("image_encoder.head.", "image_encoder.norm_head."), resize=resize_positions)
        load_exactly(self.prompt_encoder, state, path=path, prefix="prompt_encoder.")
