"""Image captioning: a scene token and object tokens that know of each other (SAIST, section 3.2.2, Eq. 1 and 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def object_object_similarity(objects: Tensor, temperature: float = 1.0) -> Tensor:
    """Eq. 1: row-wise softmax of the cosines between objects.

    Args:
        objects: (..., n, C).
        temperature: Divides the cosines; the paper has 1.

    Returns:
        (..., n, n); rows sum to 1, and o_ii is the largest of its row.
    """
    unit = F.normalize(objects, dim=-1)
    return torch.softmax(unit @ unit.transpose(-1, -2) / temperature, dim=-1)


def scene_object_correlation(scene: Tensor, objects: Tensor, temperature: float = 1.0) -> Tensor:
    """Eq. 2: softmax over the objects of their cosines with the scene.

    Args:
        scene: (..., C).
        objects: (..., n, C).
        temperature: Divides the cosines; the paper has 1.

    Returns:
        (..., n), sums to 1.
    """
    cosines = F.normalize(objects, dim=-1) @ F.normalize(scene, dim=-1).unsqueeze(-1)
    return torch.softmax(cosines.squeeze(-1) / temperature, dim=-1)


class VisualDescription(nn.Module):
    """The visual description set {[scene], [object], [object], [object]} (section 3.2.1) before captioning.

    The scene token is CLIP's global feature through a learnable projection. How objects are found the paper leaves
    open; here learnable queries attend once over the normalised patch features.

    Args:
        dim: C.
        objects: n, number of object tokens.
    """

    def __init__(self, dim: int, objects: int) -> None:
        super().__init__()
        self.scene = nn.Linear(dim, dim)
        self.queries = nn.Parameter(torch.randn(objects, dim))

    def forward(self, scene: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C) and (B, P, C) to scene token (B, C) and object tokens (B, n, C)."""
        dim = scene.shape[-1]
        keys = F.layer_norm(patches, (dim,))
        attention = torch.softmax(self.queries @ keys.transpose(1, 2) / dim**0.5, dim=-1)
        return self.scene(F.layer_norm(scene, (dim,))), attention @ keys


class ImageCaptioner(nn.Module):
    """Object-to-Object and Scene-to-Object exchange through the matrices of Eq. 1 and 2.

    o ← o + (Eq. 1 @ o)·W_o, then s ← s + (Σ s_i·o_i)·W_s and o_i ← o_i + s_i·s·W_so. The paper gives the matrices
    and names the two modules; this form is chosen here.

    Args:
        dim: C.
        temperature: Of both softmaxes.
    """

    def __init__(self, dim: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.object_to_object = nn.Linear(dim, dim, bias=False)
        self.object_to_scene = nn.Linear(dim, dim, bias=False)
        self.scene_to_object = nn.Linear(dim, dim, bias=False)

    def forward(self, scene: Tensor, objects: Tensor) -> Tensor:
        """Scene token (B, C) and object tokens (B, n, C) to the visual description (B, 1 + n, C), scene first."""
        objects = objects + self.object_to_object(object_object_similarity(objects, self.temperature) @ objects)
        weights = scene_object_correlation(scene, objects, self.temperature).unsqueeze(-1)
        told = scene + self.object_to_scene((weights * objects).sum(dim=1))
        objects = objects + weights * self.scene_to_object(scene).unsqueeze(1)
        return torch.cat([told.unsqueeze(1), objects], dim=1)
