"""What every registered method promises; a new config under configs/methods is tested by being there."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from benchmark import configs

# A variant differs from its method in what it is given, not in its network; tests/unit/test_mirstd.py holds it to that.
METHODS = [name for name in configs.known("methods") if "variant_of" not in configs.load("methods", name)["method"]]
LARGE = 60_000_000  # parameters; networks above are built without memory, and counted only
SIZES = [(96, 135), (256, 256), (388, 456)]


def load(name):
    return configs.load("methods", name)


def build(name, stack, as_stated=False):
    """The method's network from random weights: a contract is kept without downloads.

    A network that has a size of its own in the demo profile is built in that one, unless ``as_stated``.
    """
    from mmengine.config import Config
    from mmengine.utils import import_modules_from_strings
    from mmseg.registry import MODELS

    config = load(name)
    import_modules_from_strings(config["custom_imports"]["imports"])
    model = Config(config["model"])
    if not as_stated and name in SMALLER:
        model.merge_from_dict(config["profiles"]["demo"]["model"])
    torch.manual_seed(0)
    return MODELS.build(configs.without_checkpoints(model.to_dict()))


def stated_parameters(name):
    text = (configs.CONFIG_ROOT / "methods" / f"{name}.py").read_text(encoding="utf-8")
    stated = re.search(r"^Parameters: ([\d,]+)", text, re.MULTILINE)
    assert stated, f"configs/methods/{name}.py: the docstring has no line 'Parameters: N'"
    return int(stated[1].rstrip(",").replace(",", ""))


COUNTED = [name for name in METHODS if load(name)["method"]["trainable"]]
SMALLER = [name for name in COUNTED if load(name).get("profiles", {}).get("demo", {}).get("model")]
TRAINABLE = [name for name in COUNTED if stated_parameters(name) < LARGE or name in SMALLER]
CLASSICAL = [name for name in METHODS if load(name)["method"]["type"] == "Traditional"]


def batch(shape, count=2, targets=True, greys=False):
    """Images with a bright spot each; normalised, or as grey levels for methods that normalise by themselves."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, *shape, generator=generator)
    samples = []
    for index in range(count):
        mask = torch.zeros(1, *shape, dtype=torch.uint8)
        if targets:
            row, column = 20 + 10 * index, 30 + 5 * index
            mask[:, row:row + 4, column:column + 4] = 1
            images[index, :, row:row + 4, column:column + 4] += 4
        sample = SegDataSample(gt_sem_seg=PixelData(data=mask))
        sample.set_metainfo({"img_shape": shape, "count_shape": shape, "img_id": str(index), "text": None})
        samples.append(sample)
    return (images * 20 + 100).clip(0, 255) if greys else images, samples


def batch_for(name, *arguments, **options):
    return batch(*arguments, **options, greys=load(name)["method"].get("greys", False))


def test_every_method_of_the_house_is_found():
    assert {"top_hat", "ipi", "acm", "saist", "sam", "sam_hq"} <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_config_says_who_the_method_is(name):
    method = load(name)["method"]
    assert method["name"] == name
    assert set(method) >= {"title", "type", "year", "trainable", "reconstruction", "paper"}


@pytest.mark.parametrize("name", TRAINABLE)
def test_loss_is_finite_and_falls_within_twenty_steps(name, stack):
    model = build(name, stack).train()
    images, samples = batch_for(name, (96, 96))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        loss = sum(model(images, samples, mode="loss").values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < np.mean(losses[:5]), losses


@pytest.mark.parametrize("name", TRAINABLE)
@pytest.mark.parametrize("shape", SIZES)
def test_scores_have_the_shape_of_the_image_and_are_probabilities(name, shape, stack):
    model = build(name, stack).eval()
    images, samples = batch_for(name, shape, count=1)
    with torch.no_grad():
        score = model(images, samples, mode="predict")[0].pred_score.data
    assert score.shape == (1, *shape) and score.dtype == torch.float32
    assert score.min() >= 0 and score.max() <= 1


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_batch_of_two_gives_what_two_batches_of_one_give(name, stack):
    model = build(name, stack).eval()
    images, _ = batch_for(name, (64, 80))
    with torch.no_grad():
        together = model(images)
        apart = torch.cat([model(images[:1]), model(images[1:])])
    # Logits of an untrained network reach 60; other sums are taken in another order.
    assert torch.allclose(together, apart, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", TRAINABLE)
def test_evaluation_is_deterministic_and_the_state_dict_round_trips(name, stack):
    images, _ = batch_for(name, (64, 64))
    first, second = build(name, stack).eval(), build(name, stack).eval()
    for parameter in second.parameters():
        if parameter.requires_grad:  # what is frozen need not be in the state
            parameter.data.zero_()
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        assert torch.equal(first(images), first(images))
        assert torch.equal(first(images), second(images))


@pytest.mark.parametrize("name", TRAINABLE)
def test_an_image_without_targets_gives_a_finite_loss_and_gradient(name, stack):
    model = build(name, stack).train()
    images, samples = batch_for(name, (64, 64), targets=False)
    loss = sum(model(images, samples, mode="loss").values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("name", COUNTED)
def test_parameter_count_is_the_one_in_the_configs_docstring(name, stack):
    with torch.device("meta") if stated_parameters(name) >= LARGE else torch.device("cpu"):
        model = build(name, stack, as_stated=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == stated_parameters(name)


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("shape", [(96, 135), (64, 64)])
def test_classical_score_maps_find_a_bright_spot(name, shape, stack):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = 60 + 20 * np.sin(columns / 25) + np.random.default_rng(0).normal(0, 1, shape)
    image += 120 * np.exp(-((rows - 40) ** 2 + (columns - 30) ** 2) / (2 * 1.5**2))
    image = image.clip(0, 255).astype(np.uint8)
    method = build(name, stack)
    score = method.score(image)
    assert score.shape == shape and score.dtype == np.float32
    assert score.min() >= 0 and score.max() <= 1
    assert np.unravel_index(score.argmax(), shape) == (40, 30)
    assert score[40, 30] > 0.5
    assert np.array_equal(score, method.score(image))


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_score_maps_of_a_constant_image_are_zero(name, stack):
    assert not build(name, stack).score(np.full((64, 70), 9, np.uint8)).any()
