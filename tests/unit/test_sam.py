"""SAM and HQ-SAM as methods: what trains under which protocol, no way in for a prompt, and small bright masks."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
import torch

from benchmark import configs


@pytest.fixture(scope="module", autouse=True)
def _stack(stack):
    pass


def build(name, tune="full", encoder="vit_t", channels_last=False, **loss):
    from mmseg.registry import MODELS

    import baselines.sam_hq  # noqa: F401  - registers, sam with it

    config = copy.deepcopy(configs.load("methods", name)["model"])
    config["sam"] |= {"encoder": encoder, "checkpoint": None, "tune": tune}
    torch.manual_seed(0)
    return MODELS.build(config | {"loss": loss, "channels_last": channels_last})


def batch(size=(64, 80)):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    images = 255 * torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    samples = []
    for index in range(2):
        mask = torch.zeros(1, *size, dtype=torch.uint8)
        mask[:, 10:14, 20 + index:24 + index] = 1
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=mask)))
    return images, samples


@pytest.mark.parametrize("name", ["sam", "sam_hq"])
@pytest.mark.parametrize(("tune", "encoder_learns", "adapters_learn"), [
    ("full", True, False), ("lora", False, True), ("frozen", False, False)])
def test_the_protocol_says_what_learns(name, tune, encoder_learns, adapters_learn):
    model = build(name, tune)
    images, samples = batch()
    for _ in range(2):  # the adapters' first factor has a gradient only once the second has left zero
        sum(model.train().loss(images, samples).values()).backward()
        torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], 1e-2).step()
    learns = {name for name, parameter in model.named_parameters()
              if parameter.grad is not None and parameter.grad.abs().sum() > 0}
    assert any("decoder.sam.output_upscaling" in name for name in learns)
    assert any("lora_A" in name for name in learns) == adapters_learn
    assert any(name.startswith("sam.encoder") and "lora" not in name for name in learns) == encoder_learns
    assert any("hf_token" in name for name in learns) == (name == "sam_hq")


def test_the_decoder_only_state_holds_no_encoder():
    state = build("sam", "frozen").state_dict()
    assert state and not any(name.startswith("sam.encoder") for name in state)


@pytest.mark.parametrize("name", ["sam", "sam_hq"])
def test_there_is_no_way_in_for_a_prompt_or_a_mask_when_predicting(name):
    model = build(name).eval()
    images, samples = batch()
    with torch.no_grad():
        scores = [sample.pred_score.data.clone() for sample in model.predict(images, samples)]
        for sample in samples:
            sample.gt_sem_seg.data.fill_(1)
        again = [sample.pred_score.data for sample in model.predict(images, samples)]
    assert all(torch.equal(one, other) for one, other in zip(scores, again, strict=True))
    assert list(inspect.signature(model.logits).parameters) == ["inputs"]


def test_the_high_quality_model_also_learns_sams_own_mask():
    images, samples = batch()
    assert set(build("sam_hq").loss(images, samples)) == {"loss_mask", "loss_sam"}
    assert set(build("sam_hq", sam=0.0).loss(images, samples)) == {"loss_mask"}
    assert set(build("sam").loss(images, samples)) == {"loss_mask"}


def test_sam_and_saist_without_language_have_the_same_decoder_and_encoder():
    from models.cg_sam.mask_decoders import SAMDecoder
    from models.cg_sam.sam import SAM

    model = build("sam")
    assert type(model.decoder) is SAMDecoder and type(model.sam) is SAM


@pytest.fixture(scope="module")
def zero_shot():
    import baselines.sam_zero_shot as module

    return module.SAMZeroShot(dict(encoder="vit_t", checkpoint=None), points_per_side=1)


def test_zero_shot_keeps_small_bright_masks_at_their_predicted_quality(zero_shot, monkeypatch):
    image = np.full((100, 100), 50, np.uint8)
    small_bright, small_dark, large = (np.zeros((100, 100), bool) for _ in range(3))
    small_bright[10:13, 10:13] = small_dark[50:53, 50:53] = large[70:90, 0:100] = True
    image[small_bright], image[small_dark], image[large] = 200, 10, 200
    found = [{"segmentation": mask, "area": int(mask.sum()), "predicted_iou": quality}
             for mask, quality in ((small_bright, 0.9), (small_dark, 0.95), (large, 0.99))]
    monkeypatch.setattr(zero_shot.generator, "generate", lambda rgb: found)
    score = zero_shot.score(image)
    assert score.dtype == np.float32 and np.allclose(score[small_bright], 0.9)
    assert not score[~small_bright].any()


def test_zero_shot_runs_the_official_generator_on_our_encoder(zero_shot):
    score = zero_shot.score(np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8))
    assert score.shape == (60, 80) and score.min() >= 0 and score.max() <= 1


def test_plain_non_maximum_suppression_equals_a_greedy_loop():
    from benchmark.engine.compat import plain_nms

    generator = torch.Generator().manual_seed(1)
    corners = 50 * torch.rand(60, 2, generator=generator)
    boxes = torch.cat([corners, corners + 5 + 20 * torch.rand(60, 2, generator=generator)], dim=1)
    scores = torch.rand(60, generator=generator)

    def iou(one, other):
        width = min(one[2], other[2]) - max(one[0], other[0])
        height = min(one[3], other[3]) - max(one[1], other[1])
        overlap = max(width, 0) * max(height, 0)
        area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
        return overlap / (area - overlap)

    kept = []
    for index in sorted(range(60), key=lambda index: -scores[index].item()):
        if all(iou(boxes[index].tolist(), boxes[other].tolist()) <= 0.3 for other in kept):
            kept.append(index)
    assert plain_nms(boxes, scores, 0.3).tolist() == kept and 1 < len(kept) < 60
    assert plain_nms(boxes[:0], scores[:0], 0.3).tolist() == []


def test_torchvisions_own_suppression_runs_on_this_machine(stack):
    # SAM's automatic masks call it as soon as one mask is found.
    from torchvision.ops.boxes import batched_nms

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    kept = batched_nms(boxes, torch.tensor([0.5, 0.9, 0.8, 0.3]), torch.tensor([0, 0, 1, 0]), 0.5)
    assert kept.tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["sam", "sam_hq"])
def test_the_memory_format_changes_how_convolutions_run_and_no_logit(name):
    plain, last = (build(name, encoder="tiny_vit", channels_last=choice).eval() for choice in (False, True))
    assert any(weight.dim() == 4 and not weight.is_contiguous() for weight in last.parameters())
    last.load_state_dict(plain.state_dict())
    images, _ = batch()
    with torch.no_grad():
        torch.testing.assert_close(last.logits(images), plain.logits(images), rtol=1e-4, atol=1e-4)
