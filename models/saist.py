"""SAIST: CLIP-guided SAM with the infrared imaging equation (Zhang et al., CVPR 2025), as an mmseg segmentor.

Image and caption go through frozen CLIP to prompts (SR-CLIP), the image through SAM's encoder to maps, and a mask
decoder (CG-SAM) makes the scene of both. Prompts and decoder are chosen by config, which gives every row of the
paper's ablations: SAM + CLIP is plain CLIP prompts with SAM's decoder.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS
from torch import Tensor

from baselines.score_maps import at_count_shape, attach_scores
from models.cg_sam import mask_decoders  # noqa: F401  - registers what configs name
from models.cg_sam.maps import Decoded, at_input_size
from models.cg_sam.sam import SAM
from models.frozen import TrainedStateOnly
from models.losses import mask_loss
from models.precision import running_in
from models.sr_clip import prompts as prompt_kinds  # noqa: F401  - likewise
from models.sr_clip.clip import FrozenCLIP, ImageFeatures, weights_name

NO_CAPTION = "a photo of a scene"
PROMPTS = ("SRCLIPPrompts", "CLIPPrompts", "CoOpPrompts", "NoPrompts")
DECODERS = ("CGSAMDecoder", "SAMDecoder", "HQSAMDecoder")


@MODELS.register_module()
class SAIST(TrainedStateOnly, BaseSegmentor):
    """SAIST and, by config, its ablations.

    Takes grey levels 0 to 255, (B, 1, H, W) of any size, and reads from each sample's ``metainfo`` its ``text``
    (caption; without one ``'a photo of a scene'``) and ``scene``, the whole image as CLIP shall see it, (S, S) uint8
    (without one CLIP sees the input itself).

    Its state dict holds what trains; frozen weights are those of the same checkpoints or the same random ones.

    Args:
        sam: Arguments of ``models.cg_sam.sam.SAM``.
        clip: Config of ``FrozenCLIP``.
        prompts: Config of ``SRCLIPPrompts``, ``CLIPPrompts``, ``CoOpPrompts`` or ``NoPrompts``.
        decoder: Config of ``CGSAMDecoder``, ``SAMDecoder`` or ``HQSAMDecoder``.
        loss: Weights ``bce`` and ``dice`` of the mask loss on J, ``positive`` of target pixels in it, and ``degraded``
            of the same loss on I. The paper gives the MMD loss alone; these are chosen here.
        autocast: ``'bfloat16'`` or ``'float16'`` to run the network in; None for float32. Eq. 14 and losses stay in
            float32 either way.
        channels_last: Memory format of weights and activations; same results, faster convolutions on CPU.
    """

    def __init__(self, sam: dict[str, Any], clip: dict[str, Any], prompts: dict[str, Any], decoder: dict[str, Any],
                 loss: dict[str, float] | None = None, autocast: str | None = None, channels_last: bool = False,
                 data_preprocessor: dict[str, Any] | None = None, init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.loss_weights = {"bce": 1.0, "dice": 1.0, "positive": 1.0, "degraded": 0.5} | (loss or {})
        self.autocast = None if autocast is None else getattr(torch, autocast)
        self.sam = SAM(**sam)
        needs_clip = MODELS.get(prompts["type"]).needs_clip
        self.clip: FrozenCLIP | None = MODELS.build(clip) if needs_clip else None
        self.prompts = MODELS.build(_fitting(prompts, PROMPTS) | dict(clip=self.clip))
        self.decoder = MODELS.build(_fitting(decoder, DECODERS) | dict(early_channels=self.sam.early_channels))
        self.sam.load_decoder(self.decoder)
        if channels_last:
            self.to(memory_format=torch.channels_last)
        names = {"sam_weights": self.sam.checkpoint or "random",
                 "clip_weights": weights_name(self.clip) if self.clip else "none"}
        print_log(f"SAIST: {', '.join(f'{key}: {name}' for key, name in names.items())}", "current", logging.WARNING)

    def run_network(self, inputs: Tensor, data_samples: list[Any] | None = None) -> tuple[Decoded, dict[str, Tensor]]:
        """Decoder output at its own size and the prompts' losses, for (B, 1, H, W) grey levels."""
        metainfos = [sample.metainfo for sample in data_samples] if data_samples else [{}] * len(inputs)
        texts = [info.get("text") or NO_CAPTION for info in metainfos]
        with running_in(self.autocast, inputs):
            features = self.encode_scenes(inputs, metainfos) if self.clip is not None else None
            prompts, losses = self.prompts(texts, features)
            maps = self.sam(inputs)
            decoded = self.decoder(maps, self.sam.position_code(maps.late.shape[-2:]), self.sam.no_mask, prompts)
        return decoded, losses

    def encode_scenes(self, inputs: Tensor, metainfos: list[dict[str, Any]]) -> ImageFeatures:
        """CLIP's features of each sample's scene; of the input itself where a sample has none."""
        # Without samples somebody measures the network, or calls it by hand: then nothing is taken from the cache.
        side, cached = self.clip.image_size, any(metainfos)
        scenes = []
        for image, info in zip(inputs, metainfos, strict=True):
            scene = info.get("scene")
            if scene is None:
                resized = F.interpolate(image[None], size=(side, side), mode="bilinear", antialias=True)[0, 0]
                scene = resized.round().clamp(0, 255).to(torch.uint8)
            scenes.append(torch.as_tensor(scene))
        return self.clip.encode_image(torch.stack(scenes), cached)

    def logits(self, inputs: Tensor, data_samples: list[Any] | None = None) -> Tensor:
        """Logits of J, (B, 1, H, W)."""
        return self._at_input_size(self.run_network(inputs, data_samples)[0].logits, inputs)

    def loss(self, inputs: Tensor, data_samples: list[Any]) -> dict[str, Tensor]:
        """``loss_mask`` on J, ``loss_degraded`` on I where the decoder gives it, ``loss_mmd`` where prompts do."""
        decoded, losses = self.run_network(inputs, data_samples)
        mask = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).to(inputs.device)
        weights = {name: self.loss_weights[name] for name in ("bce", "dice", "positive")}
        losses["loss_mask"] = mask_loss(self._at_input_size(decoded.logits, inputs), mask, **weights)
        if "degraded" in decoded.parts and self.loss_weights["degraded"]:
            degraded = self._at_input_size(decoded.parts["degraded"], inputs)
            losses["loss_degraded"] = self.loss_weights["degraded"] * mask_loss(degraded, mask, **weights)
        return losses

    def predict(self, inputs: Tensor, data_samples: list[Any]) -> list[Any]:
        """The samples, each with ``pred_score``: (1, H, W) float32 in [0, 1] at ``count_shape`` (else input) size."""
        return attach_scores(self.logits(inputs, data_samples).float().sigmoid(), data_samples)

    @torch.no_grad()
    def explain(self, inputs: Tensor, data_samples: list[Any]) -> list[dict[str, Tensor]]:
        """For each sample the maps behind its prediction, (H, W) float32 at ``count_shape``.

        ``score`` in [0, 1]; ``scene`` (J), ``degraded`` (I) and ``background`` (A) as logits and ``depth`` in [0, 1]
        as far as the decoder has them; ``similarity``, the cosine of CLIP's patches with the caption, where CLIP is
        part of the model.
        """
        decoded, _ = self.run_network(inputs, data_samples)
        maps = {"score": decoded.logits.float(), "scene": decoded.logits.float()} | decoded.parts
        maps = {name: self._at_input_size(value.float(), inputs) for name, value in maps.items()}
        maps["score"] = maps["score"].sigmoid()
        results = [{name: at_count_shape(value[index:index + 1], sample)[0, 0] for name, value in maps.items()}
                   for index, sample in enumerate(data_samples)]
        if self.clip is not None:
            similarity = self._similarity(inputs, [sample.metainfo for sample in data_samples])
            for result, value in zip(results, similarity, strict=True):
                size = result["score"].shape
                result["similarity"] = F.interpolate(value[None, None], size=size, mode="bicubic")[0, 0]
        return results

    def _similarity(self, inputs: Tensor, metainfos: list[dict[str, Any]]) -> Tensor:
        patches = self.encode_scenes(inputs, metainfos).patches
        texts = torch.stack([self.clip.encode_text(info.get("text") or NO_CAPTION) for info in metainfos])
        cosines = F.normalize(patches, dim=-1) @ F.normalize(texts, dim=-1).unsqueeze(-1)
        return cosines.squeeze(-1).unflatten(1, self.clip.grid)

    def _at_input_size(self, logits: Tensor, inputs: Tensor) -> Tensor:
        return at_input_size(logits, inputs.shape[-2:], self.sam.size_multiple)

    def _forward(self, inputs: Tensor, data_samples: list[Any] | None = None) -> Tensor:
        return self.logits(inputs, data_samples)

    def extract_feat(self, inputs: Tensor) -> Any:
        """SAM's late map (B, 256, H/16, W/16)."""
        return self.sam(inputs).late

    def encode_decode(self, inputs: Tensor, batch_data_samples: list[Any] | None = None) -> Tensor:
        """Logits of J, the name that mmseg's tools call."""
        return self.logits(inputs, batch_data_samples)


def _fitting(config: dict[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    # So that naming another kind is all that an ablation takes: arguments that only its siblings have are left out, and
    # those that no kind has are for the constructor to refuse.
    known = {kind: set(inspect.signature(MODELS.get(kind)).parameters) for kind in kinds}
    own, others = known[config["type"]], set().union(*known.values())
    return {name: value for name, value in config.items() if name == "type" or name in own or name not in others}
