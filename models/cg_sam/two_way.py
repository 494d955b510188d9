"""SAM's two-way transformer for batches of different images, whose prompts differ in number.

Weights and results are those of ``segment_anything``; what is new is a mask over the prompt tokens (upstream has none,
since it decodes one image at a time) and attention through torch's fused kernel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer
from torch import Tensor


class MaskedTwoWayTransformer(TwoWayTransformer):
    """``TwoWayTransformer`` whose prompt tokens may be padded."""

    def forward(self, image: Tensor, image_pe: Tensor, tokens: Tensor,
                valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Let tokens and image attend to each other.

        Args:
            image: (B, D, h, w) map.
            image_pe: (1 or B, D, h, w) position code.
            tokens: (B, T, D), which also serve as their own position code.
            valid: (B, T) bool; tokens that are not valid are seen by nobody. None: all are.

        Returns:
            Tokens (B, T, D), of which those not valid mean nothing, and image (B, h·w, D).
        """
        # Contiguous, since every sum and normalisation below would pay for the transposed layout.
        keys = image.flatten(2).transpose(1, 2).contiguous()
        key_pe = image_pe.flatten(2).transpose(1, 2).contiguous()
        mask = None if valid is None else valid[:, None, None, :]
        queries = tokens
        for block in self.layers:
            queries, keys = _run_block(block, queries, keys, tokens, key_pe, mask)
        queries = queries + _attend(self.final_attn_token_to_image, queries + tokens, keys + key_pe, keys)
        return self.norm_final_attn(queries), keys


def _run_block(block: TwoWayAttentionBlock, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor,
               mask: Tensor | None) -> tuple[Tensor, Tensor]:
    if block.skip_first_layer_pe:
        # The first layer replaces the tokens instead of adding to them: so SAM was trained.
        queries = _attend(block.self_attn, queries, queries, queries, mask)
    else:
        positioned = queries + query_pe
        queries = queries + _attend(block.self_attn, positioned, positioned, queries, mask)
    queries = block.norm1(queries)
    placed = keys + key_pe
    queries = block.norm2(queries + _attend(block.cross_attn_token_to_image, queries + query_pe, placed, keys))
    queries = block.norm3(queries + block.mlp(queries))
    attended = _attend(block.cross_attn_image_to_token, placed, queries + query_pe, queries, mask)
    return queries, block.norm4(keys + attended)


def _attend(layer: Attention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)

    attended = F.scaled_dot_product_attention(heads(layer.q_proj(q)), heads(layer.k_proj(k)), heads(layer.v_proj(v)),
                                              attn_mask=mask)
    return layer.out_proj(torch.flatten(attended.transpose(1, 2), 2))
