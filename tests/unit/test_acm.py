"""ACM: sizes to the digit, shapes, gradients, and its loss by hand."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def acm(stack):
    import baselines.acm

    return baselines.acm


# (form, stem, blocks, channels): parameters. The first two are the released checkpoint and its FPN sibling; the third
# is the four-block FPN with three; the last one BasicIRSTD's, which has two more in an affine input norm.
@pytest.mark.parametrize(("arguments", "expected"), [
    (("fpn", "full", 4, 3), 385_637), (("unet", "full", 4, 3), 516_869), (("fpn", "full", 3, 3), 288_421),
    (("unet", "full", 3, 3), 396_421), (("unet", "quarter", 3, 1), 397_823 - 2),
])
def test_parameter_count_is_the_published_one(acm, arguments, expected):
    assert sum(parameter.numel() for parameter in acm.ACM(*arguments).parameters()) == expected


@pytest.mark.parametrize("form", ["fpn", "unet"])
@pytest.mark.parametrize("stem", ["full", "quarter"])
def test_logits_have_the_size_of_the_image(acm, form, stem):
    net = acm.ACM(form, stem, blocks=1, in_channels=1).eval()
    assert net(torch.rand(2, 1, 48, 64)).shape == (2, 1, 48, 64)


def test_every_parameter_gets_a_gradient(acm):
    net = acm.ACM("fpn", "full", blocks=1)
    net(torch.rand(2, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_unknown_forms_are_refused(acm):
    with pytest.raises(ValueError, match="'fpn' or 'unet'"):
        acm.ACM("pyramid")


def test_soft_iou_loss_by_hand(stack):
    from baselines.losses import SoftIoULoss

    # Probabilities .5 and 1 on a mask of 1 and 0: intersection .5, union 2, so 1 - (.5 + 1) / (2 + 1).
    logits, mask = torch.tensor([[[[0.0, 100.0]]]]), torch.tensor([[[[1, 0]]]])
    assert SoftIoULoss()(logits, mask).item() == pytest.approx(1 - 1.5 / 3)


def test_soft_iou_over_the_batch_differs_from_the_mean_over_images(stack):
    from baselines.losses import SoftIoULoss

    logits = torch.full((2, 1, 4, 4), -100.0)
    mask = torch.zeros(2, 1, 4, 4)
    mask[0] = 1  # one image missed altogether, the other rightly empty
    assert SoftIoULoss()(logits, mask).item() == pytest.approx(1 - 1 / 17)
    assert SoftIoULoss(per_image=True)(logits, mask).item() == pytest.approx((1 - 1 / 17) / 2)


def test_soft_iou_is_finite_without_targets(stack):
    from baselines.losses import SoftIoULoss

    logits = torch.full((1, 1, 512, 512), 30.0, dtype=torch.bfloat16, requires_grad=True)
    loss = SoftIoULoss()(logits, torch.zeros(1, 1, 512, 512))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
