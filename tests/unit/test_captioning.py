"""Image captioning: Eq. 1 and 2 by their laws and by hand."""

from __future__ import annotations

import math

import pytest
import torch

from models.sr_clip.captioning import (
    ImageCaptioner,
    VisualDescription,
    object_object_similarity,
    scene_object_correlation,
)


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_both_softmaxes_sum_to_one():
    objects, scene = features(4, 3, 16), features(4, 16, seed=1)
    assert torch.allclose(object_object_similarity(objects).sum(-1), torch.ones(4, 3))
    assert torch.allclose(scene_object_correlation(scene, objects).sum(-1), torch.ones(4))


def test_an_object_is_most_similar_to_itself():
    matrix = object_object_similarity(features(5, 6, 8))
    assert (matrix.diagonal(dim1=-2, dim2=-1) >= matrix.max(dim=-1).values - 1e-7).all()


def test_rescaling_a_feature_changes_nothing():
    objects, scene = features(2, 3, 16), features(2, 16, seed=1)
    scaled = objects * torch.tensor([0.01, 3.0, 500.0])[:, None]
    assert torch.allclose(object_object_similarity(objects), object_object_similarity(scaled), atol=1e-6)
    assert torch.allclose(scene_object_correlation(scene, objects), scene_object_correlation(7 * scene, scaled),
                          atol=1e-6)


def test_two_objects_by_hand():
    # cosine of (1, 0) and (3, 4) is 0.6
    objects = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    own, other = math.exp(1.0), math.exp(0.6)
    expected = torch.tensor([[own, other], [other, own]]) / (own + other)
    assert torch.allclose(object_object_similarity(objects), expected, atol=1e-6)
    # a scene along (0, 2): cosines 0 and 0.8
    scene = scene_object_correlation(torch.tensor([0.0, 2.0]), objects)
    assert torch.allclose(scene, torch.softmax(torch.tensor([0.0, 0.8]), 0), atol=1e-6)


def test_a_low_temperature_sharpens_and_a_high_one_levels():
    objects = features(3, 16)
    assert object_object_similarity(objects, 0.01).diagonal().min() > 0.99
    assert torch.allclose(object_object_similarity(objects, 1e6), torch.full((3, 3), 1 / 3), atol=1e-4)


def test_a_zero_feature_gives_finite_numbers():
    assert torch.isfinite(object_object_similarity(torch.zeros(3, 8))).all()
    assert torch.isfinite(scene_object_correlation(torch.zeros(8), torch.zeros(3, 8))).all()


def test_captioning_without_learned_weights_is_the_description_itself():
    captioner = ImageCaptioner(16)
    for parameter in captioner.parameters():
        parameter.data.zero_()
    scene, objects = features(2, 16), features(2, 3, 16, seed=1)
    assert torch.equal(captioner(scene, objects), torch.cat([scene[:, None], objects], dim=1))


def test_captioning_with_identity_weights_follows_the_equations():
    captioner = ImageCaptioner(8)
    for parameter in captioner.parameters():
        parameter.data.copy_(torch.eye(8))
    scene, objects = features(1, 8), features(1, 2, 8, seed=1)
    told = objects + object_object_similarity(objects) @ objects
    weights = scene_object_correlation(scene, told)
    expected_scene = scene + (weights[..., None] * told).sum(1)
    expected_objects = told + weights[..., None] * scene[:, None]
    assert torch.allclose(captioner(scene, objects), torch.cat([expected_scene[:, None], expected_objects], 1))


def test_the_visual_description_attends_to_the_patch_that_a_query_asks_for():
    description = VisualDescription(8, objects=1)
    patches = features(1, 20, 8)
    normalised = torch.nn.functional.layer_norm(patches, (8,))
    description.queries.data.copy_(1000 * normalised[0, 13:14])
    _, objects = description(features(1, 8, seed=1), patches)
    assert torch.allclose(objects[0, 0], normalised[0, 13], atol=1e-4)


@pytest.mark.parametrize("objects", [1, 3, 5])
def test_the_description_set_has_one_scene_and_n_objects(objects):
    description, captioner = VisualDescription(16, objects), ImageCaptioner(16)
    assert captioner(*description(features(2, 16), features(2, 49, 16))).shape == (2, 1 + objects, 16)
