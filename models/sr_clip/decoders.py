"""Text decoder and visual decoder of the cross-modal interaction (SAIST, section 3.2.3, Eq. 5 and 6)."""

from __future__ import annotations

from torch import Tensor, nn


class AttentionBlock(nn.Module):
    """Attention and MLP, each with layer normalisation before it and a residual around it.

    Args:
        width: D.
        heads: Attention heads.
        mlp_ratio: MLP width over D.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm_query, self.norm_key = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, int(width * mlp_ratio)), nn.GELU(),
                                 nn.Linear(int(width * mlp_ratio), width))

    def forward(self, queries: Tensor, keys: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, Q, D) attending to (B, K, D), of which ``valid`` (B, K) count, to (B, Q, D)."""
        normed = self.norm_key(keys)
        attended, _ = self.attention(self.norm_query(queries), normed, normed, need_weights=False,
                                     key_padding_mask=None if valid is None else ~valid)
        queries = queries + attended
        return queries + self.mlp(self.norm_mlp(queries))


class CrossModalDecoder(nn.Module):
    """Self-attention within one modality, then cross-attention to the other.

    As text decoder (Eq. 5) it is Text-to-Text then Visual-to-Text, as visual decoder (Eq. 6) Visual-to-Visual then
    Text-to-Visual. The paper leaves sizes open: one layer, 8 heads.
    """

    def __init__(self, width: int, heads: int = 8, mlp_ratio: float = 2.0) -> None:
        super().__init__()
        self.within = AttentionBlock(width, heads, mlp_ratio)
        self.across = AttentionBlock(width, heads, mlp_ratio)
        self.norm = nn.LayerNorm(width)

    def forward(self, own: Tensor, other: Tensor, own_valid: Tensor | None = None,
                other_valid: Tensor | None = None) -> Tensor:
        """Prompt (B, N, D) from own (B, N, D) and other (B, M, D) features; the masks are (B, N) and (B, M) bool."""
        own = self.within(own, own, own_valid)
        return self.norm(self.across(own, other, other_valid))
