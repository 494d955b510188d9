"""The one adapter: padding, channels, sizes and deep supervision, on a network whose answer is known."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def registry(stack):
    from mmseg.registry import MODELS

    import baselines.losses
    import baselines.segmentor  # noqa: F401

    @MODELS.register_module(force=True)
    class Identity3(torch.nn.Module):
        """Returns its mean channel as logits; insists on three channels and multiples of 16."""

        in_channels, size_multiple = 3, 16

        def __init__(self, maps: int = 1) -> None:
            super().__init__()
            self.maps = maps
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, image):
            assert image.shape[1] == 3 and image.shape[2] % 16 == 0 and image.shape[3] % 16 == 0
            logits = image.mean(1, keepdim=True) * self.scale
            return logits if self.maps == 1 else [logits] + [torch.full_like(logits, -50.0)] * (self.maps - 1)

    return MODELS


def build(registry, maps=1, channels_last=False):
    return registry.build(dict(type="BaselineSegmentor", network=dict(type="Identity3", maps=maps),
                               loss=dict(type="SoftIoULoss"), channels_last=channels_last))


def sample(shape, count_shape=None):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    found = SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, *shape, dtype=torch.uint8)))
    found.set_metainfo({"img_shape": shape, "count_shape": count_shape or shape})
    return found


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (96, 135), (5, 3)])
def test_scores_have_the_images_own_size_and_its_own_pixels(registry, shape, channels_last):
    image = torch.randn(2, 1, *shape)
    model = build(registry, channels_last=channels_last)
    predicted = model(image, [sample(shape), sample(shape)], mode="predict")
    for index in range(2):
        assert torch.allclose(predicted[index].pred_score.data, image[index].sigmoid(), atol=1e-6)


def test_a_network_whose_map_is_of_another_shape_is_told_what_was_expected(registry, monkeypatch):
    model = build(registry)
    monkeypatch.setattr(model.network, "forward", lambda image: image[:, :1, ::2, ::2])
    with pytest.raises(ValueError, match=r"Identity3 returned \(2, 1, 16, 16\), expected logits \(2, 1, 32, 32\)"):
        model.loss(torch.randn(2, 1, 32, 32), [sample((32, 32))] * 2)


def test_scores_are_brought_back_to_the_size_at_which_they_are_counted(registry):
    samples = [sample((32, 32), count_shape=(50, 70))]
    predicted = build(registry)(torch.full((1, 1, 32, 32), 2.0), samples, mode="predict")
    score = predicted[0].pred_score.data
    assert score.shape == (1, 50, 70)
    assert torch.allclose(score, torch.tensor(2.0).sigmoid())


def test_deep_supervision_averages_the_loss_and_predicts_from_the_first_map(registry):
    image, target = torch.full((1, 1, 16, 16), 50.0), [sample((16, 16))]
    one, three = build(registry), build(registry, maps=3)
    # The main map is perfect (loss 0), the two others predict nothing: 1 - 1/257 each.
    assert one(image, target, mode="loss")["loss"].item() == pytest.approx(0, abs=1e-6)
    assert three(image, target, mode="loss")["loss"].item() == pytest.approx(2 / 3 * (1 - 1 / 257), abs=1e-6)
    assert (three(image, target, mode="predict")[0].pred_score.data > 0.5).all()


def test_it_is_an_mmseg_segmentor(registry):
    from mmseg.models.segmentors.base import BaseSegmentor

    model = build(registry)
    assert isinstance(model, BaseSegmentor)
    assert model(torch.zeros(1, 1, 20, 20)).shape == (1, 1, 20, 20)


def test_a_network_with_losses_of_its_own_gets_image_and_mask_padded_alike(registry):
    @registry.register_module(force=True)
    class OwnLosses(torch.nn.Module):
        in_channels, size_multiple = 3, 16

        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, image):
            return image.mean(1, keepdim=True) * self.scale

        def training_losses(self, image, mask):
            assert image.shape == (2, 3, 32, 48) and mask.shape == (2, 1, 32, 48)
            return {"loss_sum": mask.sum() * self.scale}

    network = dict(type="OwnLosses")
    model = registry.build(dict(type="BaselineSegmentor", network=network, loss=None))
    losses = model.loss(torch.randn(2, 1, 20, 40), [sample((20, 40)), sample((20, 40))])
    assert losses["loss_sum"].item() == 2 * 20 * 40  # the padding is background
    with pytest.raises(ValueError, match="OwnLosses: a config gives a loss exactly where"):
        registry.build(dict(type="BaselineSegmentor", network=network, loss=dict(type="SoftIoULoss")))
    with pytest.raises(ValueError, match="Identity3: a config gives a loss exactly where"):
        registry.build(dict(type="BaselineSegmentor", network=dict(type="Identity3"), loss=None))


@pytest.mark.parametrize("name", ["gcinet", "dim2clear"])  # a loss of the network's own, and one of its logits
def test_autocast_trains_in_float32_weights_and_stays_near_full_precision(registry, name):
    import copy

    from mmengine.utils import import_modules_from_strings

    from benchmark import configs

    config = configs.load("methods", name)
    import_modules_from_strings(config["custom_imports"]["imports"])
    torch.manual_seed(0)
    full = registry.build(config["model"])
    half = registry.build(config["model"] | {"autocast": "bfloat16"})
    half.load_state_dict(copy.deepcopy(full.state_dict()))
    image, samples = torch.randn(2, 1, 64, 64), [sample((64, 64)), sample((64, 64))]
    totals = [sum(model.train()(image, samples, mode="loss").values()) for model in (full, half)]
    assert totals[1].dtype == torch.float32 and totals[1].item() == pytest.approx(totals[0].item(), rel=0.02)
    totals[1].backward()
    gradients = [parameter.grad for parameter in half.parameters()]
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in gradients)
    with torch.no_grad():
        scores = [model.eval()(image, samples, mode="predict")[0].pred_score.data for model in (full, half)]
        assert half.logits(image)[0].dtype == torch.bfloat16
    assert scores[1].dtype == torch.float32 and torch.allclose(scores[0], scores[1], atol=0.05)


def test_without_a_precision_of_its_own_the_callers_autocast_stays_in_force(registry):
    from mmengine.utils import import_modules_from_strings

    from benchmark import configs

    config = configs.load("methods", "gcinet")
    import_modules_from_strings(config["custom_imports"]["imports"])
    model = registry.build(config["model"]).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert model.logits(torch.randn(1, 1, 64, 64))[0].dtype == torch.bfloat16
