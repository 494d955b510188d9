"""Cross-modal description: CLIP's frozen text transformer over text, context and visual tokens (SAIST, Eq. 3 and 4).

The sequence is start, M context vectors, text, visual tokens, end. Attention is causal, so everything before the visual
tokens is the same for every image with this caption: its keys and values are computed once a caption and kept while
nothing trains.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from models.sr_clip.clip import FrozenCLIP

KEPT_CAPTIONS = 64


@dataclass(frozen=True)
class Prefix:
    """A caption's tokens after the transformer, with what later tokens need of them."""

    output: Tensor
    """(T, W) after the last block."""
    keys: Tensor
    """(layers, T, W)."""
    values: Tensor
    """(layers, T, W)."""


class CrossModalTextEncoder(nn.Module):
    """Per-token outputs of CLIP's text transformer for descriptions of text and, optionally, visual tokens.

    Args:
        clip: The frozen CLIP; it is not a submodule of this one.
        context: M, number of learnable context vectors before the text (CoOp, Zhou et al., IJCV 2022); 0 for none.
        visual: Number of visual tokens that ``forward`` will be given; room is kept for them.

    Attributes:
        max_text: Most text tokens that fit; longer captions lose their end, visual tokens never.
    """

    def __init__(self, clip: FrozenCLIP, context: int, visual: int) -> None:
        super().__init__()
        self._clip = [clip]  # in a list, or it would be registered here a second time
        self.context = nn.Parameter(0.02 * torch.randn(context, clip.text_width)) if context else None
        self.context_size, self.visual_size = context, visual
        self.max_text = clip.context_length - 2 - context - visual
        if self.max_text < 1:
            raise ValueError(f"{context} context and {visual} visual tokens leave no room for text in "
                             f"{clip.context_length} tokens")
        self._kept: OrderedDict[tuple, Prefix] = OrderedDict()

    @property
    def tower(self) -> CLIP:
        """The frozen text tower."""
        return self._clip[0].text_tower

    def forward(self, texts: list[str], visual: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Args:
            texts: B captions.
            visual: (B, N, W) tokens to splice in before the end token, or None.

        Returns:
            Outputs (B, L, W), normalised as CLIP does, the last valid one being the end token's, and (B, L) bool that
            says which are valid.
        """
        prefixes = [self._prefix(tuple(self._clip[0].tokens(text)[: self.max_text])) for text in texts]
        lengths = torch.tensor([len(prefix.output) for prefix in prefixes], device=self._device)
        ending = self._embed([self._end_token]).expand(len(texts), -1, -1)
        suffix = ending if visual is None else torch.cat([visual.to(ending.dtype), ending], dim=1)
        places = lengths[:, None] + torch.arange(suffix.shape[1], device=self._device)
        suffix = suffix + self.tower.positional_embedding[places]
        valid = torch.arange(int(lengths.max()), device=self._device) < lengths[:, None]
        suffix = self._run_suffix(suffix, prefixes, valid)
        prefix_output = pad_sequence([prefix.output for prefix in prefixes], batch_first=True)
        output = self.tower.ln_final(torch.cat([prefix_output, suffix], dim=1))
        return output, torch.cat([valid, valid.new_ones(suffix.shape[:2])], dim=1)

    def sentence(self, texts: list[str]) -> Tensor:
        """(B, C) sentence features in the shared space, from the end token, as CLIP's own ``encode_text``."""
        output, _ = self(texts)
        return output[:, -1] @ self.tower.text_projection

    def _prefix(self, text: tuple[int, ...]) -> Prefix:
        if torch.is_grad_enabled() and self.context is not None:
            return self._compute_prefix(text)
        # The context's version counts changes of its values, so what was kept before a training step is not found.
        key = (text, self._device, self.tower.positional_embedding.dtype,
               None if self.context is None else self.context._version)
        if key not in self._kept:
            with torch.no_grad():
                self._kept[key] = self._compute_prefix(text)
            if len(self._kept) > KEPT_CAPTIONS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _compute_prefix(self, text: tuple[int, ...]) -> Prefix:
        parts = [self._embed([self._start_token])]
        parts += [] if self.context is None else [self.context]
        parts += [self._embed(list(text))] if text else []
        x = torch.cat(parts)
        x = (x + self.tower.positional_embedding[: len(x)]).unsqueeze(0)
        keys, values = [], []
        for block in self.tower.transformer.resblocks:
            q, k, v = _project(block, x)
            keys.append(k[0])
            values.append(v[0])
            x = _finish(block, x, _attend(block, q, k, v, causal=True))
        return Prefix(x[0], torch.stack(keys), torch.stack(values))

    def _run_suffix(self, x: Tensor, prefixes: list[Prefix], valid: Tensor) -> Tensor:
        count = x.shape[1]
        causal = torch.ones(count, count, dtype=torch.bool, device=x.device).tril()
        mask = torch.cat([valid[:, None, :].expand(-1, count, -1), causal.expand(len(x), -1, -1)], dim=2)
        for index, block in enumerate(self.tower.transformer.resblocks):
            q, k, v = _project(block, x)
            k = torch.cat([pad_sequence([prefix.keys[index] for prefix in prefixes], batch_first=True), k], dim=1)
            v = torch.cat([pad_sequence([prefix.values[index] for prefix in prefixes], batch_first=True), v], dim=1)
            x = _finish(block, x, _attend(block, q, k, v, mask=mask[:, None]))
        return x

    def _embed(self, ids: list[int]) -> Tensor:
        return self.tower.token_embedding(torch.tensor(ids, device=self._device))

    @property
    def _device(self) -> torch.device:
        return self.tower.positional_embedding.device

    @property
    def _start_token(self) -> int:
        return self._clip[0].tokenizer.sot_token_id

    @property
    def _end_token(self) -> int:
        return self._clip[0].tokenizer.eot_token_id


def _project(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    attention = block.attn
    return F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)


def _attend(block: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None,
            causal: bool = False) -> Tensor:
    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (block.attn.num_heads, -1)).transpose(1, 2)

    attended = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), attn_mask=mask, is_causal=causal)
    return block.attn.out_proj(attended.transpose(1, 2).flatten(2))


def _finish(block: nn.Module, x: Tensor, attended: Tensor) -> Tensor:
    x = x + block.ls_1(attended)
    return x + block.ls_2(block.mlp(block.ln_2(x)))
