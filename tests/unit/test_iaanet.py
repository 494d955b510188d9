"""IAANet: sizes by part, boxes by hand, what evaluation and training make of them, a golden forward.

Networks are narrow unless sizes are counted: the published one has 512 channels at full resolution.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from baselines import iaanet_boxes

NARROW = dict(widths=(4, 8, 8, 8, 8, 8), token_channels=16, layers=2, heads=4)


@pytest.fixture(scope="module")
def iaanet(stack):
    import baselines.iaanet

    return baselines.iaanet


@pytest.fixture(scope="module")
def network(iaanet):
    """One narrow network for tests that change nothing in it."""
    torch.manual_seed(0)
    return iaanet.IAANet(**NARROW).eval()


def greys(batch=2, height=64, width=80):
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(0)) * 255


def mask_with_target(batch=2, height=64, width=80):
    mask = torch.zeros(batch, 1, height, width)
    mask[:, :, 20:24, 30:33] = 1
    return mask


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_are_the_official_ones_by_part(iaanet):
    net = iaanet.IAANet()
    parts = [size(part) for part in (net.detector, net.generator, net.encoder, net.head)]
    assert parts == [2_777_797, 6_533_568, 8_411_136, 525_825]
    assert size(net) == sum(parts) == 18_248_326


@pytest.mark.parametrize(("height", "width"), [(64, 80), (65, 33), (8, 17)])
def test_the_detector_has_a_cell_for_every_begun_sixteen_pixels(iaanet, height, width):
    raw = iaanet.Detector().eval()(torch.rand(1, 1, height, width))
    assert raw.shape == (1, math.ceil(height / 16), math.ceil(width / 16), 5)


def test_raw_zeros_decode_to_boxes_of_the_anchors_size_in_the_middle_of_each_cell(iaanet):
    boxes = iaanet.decode(torch.zeros(1, 2, 3, 5))
    # Offset 2 * 0.5 - 0.5 of 16 pixels: centre 8 + 16 column, 8 + 16 row; side (2 * 0.5)² * 10.
    assert boxes[0, 1, 2].tolist() == [40 - 5, 24 - 5, 40 + 5, 24 + 5, 0.5]
    assert boxes[0, 0, 0].tolist() == [3, 3, 13, 13, 0.5]


def test_a_decoded_box_is_at_most_forty_pixels_wide_and_its_centre_at_most_half_a_cell_outside(iaanet):
    low, high = iaanet.decode(torch.full((1, 1, 1, 5), -99.0)), iaanet.decode(torch.full((1, 1, 1, 5), 99.0))
    assert low[0, 0, 0].tolist() == pytest.approx([-8, -8, -8, -8, 0], abs=1e-4)
    assert high[0, 0, 0].tolist() == pytest.approx([24 - 20, 24 - 20, 24 + 20, 24 + 20, 1], abs=1e-4)


def test_iou_by_hand():
    box = torch.tensor([0.0, 0.0, 4.0, 4.0])
    others = torch.tensor([[0.0, 0, 4, 4], [2, 2, 6, 6], [4, 0, 8, 4], [1, 1, 3, 3]])
    # same; 4 of 16 + 16 - 4; touching; 4 of 16
    assert iaanet_boxes.iou(box, others).tolist() == pytest.approx([1, 4 / 28, 0, 4 / 16])
    assert iaanet_boxes.iou(torch.zeros(4), torch.zeros(1, 4)).item() == 0


def test_complete_iou_by_hand():
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 8]])
    targets = torch.tensor([[0.0, 0, 4, 4], [4, 0, 8, 4], [0, 0, 8, 4]])
    # Second pair: no overlap, centres 4 apart, enclosed in 8 × 4: -16/80. Third: overlap 16 of 48, centres (2, -2)
    # apart, enclosed in 8 × 8, angles atan(1/2) and atan(2).
    shape = 4 / math.pi**2 * (math.atan(0.5) - math.atan(2)) ** 2
    third = 1 / 3 - 8 / 128 - shape * shape / (1 - 1 / 3 + shape)
    assert iaanet_boxes.complete_iou(boxes, targets).tolist() == pytest.approx([1, -0.2, third])


def test_a_box_that_has_shrunk_to_a_point_has_a_finite_gradient(iaanet):
    raw = torch.full((1, 1, 1, 5), -200.0, requires_grad=True)
    sum(iaanet.detection_losses(raw, torch.ones(1, 1, 16, 16)).values()).backward()
    assert torch.isfinite(raw.grad).all()


def test_suppression_keeps_the_most_certain_of_each_cluster_in_order():
    boxes = torch.tensor([[0.0, 0, 10, 10, 0.5], [0, 0, 10, 9, 0.9], [20, 20, 30, 30, 0.7], [0, 0, 10, 5, 0.1]])
    assert iaanet_boxes.suppress(boxes, 0.6, limit=9).tolist() == boxes[[1, 2, 3]].tolist()  # last: 50 of 90
    assert iaanet_boxes.suppress(boxes, 0.6, limit=1).tolist() == boxes[[1]].tolist()
    assert iaanet_boxes.suppress(boxes[:0], 0.6, limit=9).shape == (0, 5)


def test_suppression_equals_a_brute_force_over_random_boxes():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(60, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + 5 + torch.rand(60, 2, generator=generator) * 10,
                       torch.rand(60, 1, generator=generator)], dim=1)
    kept: list[list[float]] = []
    for box in sorted(boxes.tolist(), key=lambda box: -box[4]):
        def overlap(other, box=box):
            sides = [min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1)]
            inner = max(sides[0], 0) * max(sides[1], 0)
            return inner / (sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)) - inner)
        if all(overlap(other) <= 0.4 for other in kept):
            kept.append(box)
    assert 5 < len(kept) < 60
    assert torch.allclose(iaanet_boxes.suppress(boxes, 0.4, limit=60), torch.tensor(kept))


def test_target_boxes_are_components_with_a_margin_cut_at_the_border():
    mask = torch.zeros(3, 1, 40, 50)
    mask[0, 0, 10, 20] = mask[0, 0, 11, 21] = 1  # joined at a corner: one component
    mask[2, 0, 38:40, 0:3] = 1
    images, boxes = iaanet_boxes.target_boxes(mask)
    assert images.tolist() == [0, 2]
    assert boxes.tolist() == [[16, 6, 26, 16], [0, 34, 7, 40]]


def test_random_boxes_follow_torchs_seed_and_stay_inside():
    torch.manual_seed(3)
    first = iaanet_boxes.random_boxes(200, (40, 60))
    torch.manual_seed(3)
    assert torch.equal(first, iaanet_boxes.random_boxes(200, (40, 60)))
    sides = first[:, 2:4] - first[:, :2]
    assert sides.min() == 10 and sides.max() == 16  # twice 5 and twice 8
    assert first[:, :2].min() >= 0 and first[:, 2].max() <= 60 and first[:, 3].max() <= 40
    assert iaanet_boxes.random_boxes(50, (12, 3))[:, 2:4].max(dim=0)[0].tolist() <= [3, 12]


def test_a_perfect_detector_pays_only_for_what_it_cannot_say(iaanet):
    # One target of 10 × 10 with its centre in the middle of cell (1, 2): raw zeros are its box.
    mask = torch.zeros(1, 1, 64, 64)
    mask[0, 0, 23:25, 39:41] = 1
    raw = torch.zeros(1, 4, 4, 5)
    raw[..., 4] = -40
    raw[0, 1, 2, 4] = 40
    losses = iaanet.detection_losses(raw, mask)
    assert losses["loss_box"].item() == pytest.approx(0, abs=1e-6)
    assert losses["loss_object"].item() == pytest.approx(0, abs=1e-6)
    raw[0, 1, 2, 4] = 0  # undecided there: ten times log 2 over sixteen cells
    assert iaanet.detection_losses(raw, mask)["loss_object"].item() == pytest.approx(10 * math.log(2) / 16)
    raw[0, 1, 2, 0] = 99  # the box half a cell and more to the right
    assert iaanet.detection_losses(raw, mask)["loss_box"].item() > 0.5


def test_without_targets_only_objectness_is_paid_for(iaanet):
    losses = iaanet.detection_losses(torch.zeros(2, 4, 4, 5), torch.zeros(2, 1, 64, 64))
    assert losses["loss_box"].item() == 0
    assert losses["loss_object"].item() == pytest.approx(math.log(2))


def test_a_confident_detector_proposes_only_what_it_is_sure_of_and_another_its_five_best(iaanet, network):
    raw = torch.zeros(2, 4, 5, 5)
    raw[..., 4] = torch.linspace(-9, -5, 20).reshape(4, 5)
    raw[0, 1, 2, 4] = raw[0, 3, 0, 4] = 2.0
    sure, unsure = network.propose(raw, (64, 80))
    assert sorted(sure) == [(3, 51, 13, 61), (35, 19, 45, 29)]
    assert unsure == [(3 + 16 * column, 51, 13 + 16 * column, 61) for column in (4, 3, 2, 1, 0)]


def test_training_takes_five_boxes_some_of_them_random(iaanet):
    net = iaanet.IAANet(**NARROW, fallback_boxes=1).train()
    raw = torch.full((1, 4, 5, 5), -9.0)
    raw[0, 1, 2] = 0
    torch.manual_seed(1)
    boxes = net.propose(raw, (64, 80))[0]
    assert (35, 19, 45, 29) in boxes and 2 <= len(boxes) <= 5
    assert net.propose(raw, (64, 80))[0] != boxes


def test_logits_are_given_inside_the_boxes_and_nowhere_else(iaanet, network, monkeypatch):
    monkeypatch.setattr(network, "propose", lambda raw, size: [[(3, 4, 9, 8), (5, 6, 12, 9)], []])
    with torch.no_grad():
        logits = network(greys())
    inside = torch.zeros(2, 64, 80, dtype=torch.bool)
    inside[0, 4:8, 3:9] = inside[0, 6:9, 5:12] = True
    assert torch.equal(logits[:, 0] != iaanet.OUTSIDE, inside)
    assert logits.dtype == torch.float32
    assert logits[1].sigmoid().max() < 1e-40


def test_features_near_boxes_are_those_of_the_whole_image(iaanet, network, monkeypatch):
    boxes = [[(0, 0, 9, 7), (4, 3, 20, 11), (60, 50, 80, 64)], [(40, 30, 52, 42)]]
    monkeypatch.setattr(network, "propose", lambda raw, size: boxes)
    with torch.no_grad():
        near = network(greys())
        monkeypatch.setattr(network, "margin", 1000)
        whole = network(greys())
    assert torch.allclose(near, whole, atol=1e-5)
    assert near.max() > iaanet.OUTSIDE


def test_tokens_of_one_image_do_not_see_another(network):
    first, second = greys()
    with torch.no_grad():
        together = network(torch.stack([first, second]))
        assert torch.allclose(together[:1], network(first[None]), atol=1e-5)
        assert torch.allclose(together[1:], network(second[None]), atol=1e-5)


def test_position_code_by_hand(iaanet):
    code = iaanet.position_code(4, 4, torch.device("cpu"))
    # Rows at 1/4, 2/4, 3/4 and 1 of a turn; frequencies 1 and 10000 ** -0.5.
    turn = torch.tensor([0.25, 0.5, 0.75, 1.0]) * 2 * math.pi
    expected = torch.stack([turn.sin(), turn.cos(), (turn / 100).sin(), (turn / 100).cos()], dim=1)
    assert torch.allclose(code, expected, atol=1e-5)


def test_attention_without_positions_does_not_know_the_order_of_tokens(iaanet):
    layer = iaanet.EncoderLayer(16, 4, 0.1).eval()
    tokens, order = torch.randn(7, 16), torch.randperm(7)
    assert torch.allclose(layer(tokens, torch.zeros(7, 16))[order], layer(tokens[order], torch.zeros(7, 16)), atol=1e-5)
    position = torch.randn(7, 16)
    assert not torch.allclose(layer(tokens, position)[order], layer(tokens[order], position), atol=1e-3)


def test_tokens_are_compared_with_the_mask_inside_the_boxes(iaanet, monkeypatch):
    net = iaanet.IAANet(**NARROW).train()
    monkeypatch.setattr(net, "propose", lambda raw, size: [[(28, 18, 36, 26)], [(0, 0, 5, 5)]])
    values = torch.linspace(-2, 2, 64), torch.zeros(25)

    def decide(grey, proposed):
        for boxes, value in zip(proposed, values, strict=True):
            yield iaanet._union(boxes, (64, 80), grey.device), value

    monkeypatch.setattr(net, "decide", decide)
    mask = mask_with_target()
    truth = mask[0, 0, 18:26, 28:36].flatten()
    first = (3 * truth * F.softplus(-values[0]) + (1 - truth) * F.softplus(values[0])).mean().item()
    losses = net.training_losses(greys(), mask)
    assert losses["loss_tokens"].item() == pytest.approx((first + math.log(2)) / 2, rel=1e-5)
    assert list(losses) == ["loss_box", "loss_object", "loss_tokens"]


def test_every_parameter_gets_a_gradient(iaanet):
    torch.manual_seed(0)
    net = iaanet.IAANet(**NARROW)
    sum(net.training_losses(greys(), mask_with_target()).values()).backward()
    silent = [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert not silent


def test_the_token_loss_does_not_train_the_detector(iaanet):
    torch.manual_seed(0)
    net = iaanet.IAANet(**NARROW)
    net.training_losses(greys(), mask_with_target())["loss_tokens"].backward()
    assert all(parameter.grad is None for parameter in net.detector.parameters())


def test_gradient_checkpointing_changes_neither_gradients_nor_statistics(iaanet):
    results = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        net = iaanet.IAANet(**NARROW, dropout=0.0, gradient_checkpointing=checkpointing)
        torch.manual_seed(1)
        sum(net.training_losses(greys(), mask_with_target()).values()).backward()
        norm = net.generator.blocks[2][1]
        results.append((net.generator.blocks[1][0].weight.grad, norm.running_mean, norm.running_var, norm.momentum))
    for kept, repeated in zip(*results, strict=True):
        assert torch.allclose(torch.as_tensor(kept), torch.as_tensor(repeated), atol=1e-6)


def test_imagenet_weights_are_taken_all_but_the_first_convolution_or_refused(iaanet, tmp_path):
    from torchvision.models import resnet18

    from models.weights import WeightsError

    state = resnet18(weights=None).state_dict()
    path = tmp_path / "resnet18.pth"
    torch.save(state, path)
    detector = iaanet.Detector(str(path))
    assert torch.equal(detector.trunk.layer3[1].conv2.weight, state["layer3.1.conv2.weight"])
    assert detector.trunk.conv1.weight.shape == (64, 1, 7, 7)
    del state["layer2.0.conv1.weight"]
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"layer2\.0\.conv1\.weight"):
        iaanet.Detector(str(path))
    with pytest.raises(WeightsError, match="no such weights file"):
        iaanet.Detector(str(tmp_path / "absent.pth"))


# Printed by this network (torch 2.13, CPU) after its logits and losses agreed with the official one's under shared
# weights: number, mean and standard deviation of the logits inside boxes, then three of them.
GOLDEN = [1831, -0.31654, 0.04862, -0.27962, -0.27192, -0.33065]


def test_golden_forward(iaanet):
    net = iaanet.IAANet(**NARROW).eval()
    fill(net)
    with torch.no_grad():
        logits = net(greys(batch=1))
    inside = logits[logits > iaanet.OUTSIDE]
    found = [len(inside), inside.mean().item(), inside.std().item(), *inside[[0, 50, 100]].tolist()]
    assert found == pytest.approx(GOLDEN, rel=1e-3, abs=1e-4)


def fill(net):
    """Weights that depend on the order of their names alone, of a size that lets the image through."""
    generator = torch.Generator().manual_seed(0)
    for name, value in sorted(net.state_dict().items()):
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator))
            value.mul_((2 / value[0].numel()) ** 0.5 if value.dim() > 1 else 0.05)
            if name.endswith("running_var") or name.endswith("weight") and value.dim() == 1:
                value.fill_(1)
    net.detector.predict.weight.data.mul_(0.01)  # boxes near the anchor's size
