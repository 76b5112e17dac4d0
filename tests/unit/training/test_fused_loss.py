"""The fused loss by itself, as autocast meets it."""

import pytest
import torch
import torch.nn.functional as F

from ftcore import compat

compat.apply()
from ftcore.training.fast.loss import linear_cross_entropy  # noqa: E402


def reference(hidden, weight, targets):
    """As transformers' head and loss under autocast: 16-bit products, fp32 softmax."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = F.linear(hidden, weight)
    return F.cross_entropy(logits.float(), targets)


@pytest.mark.parametrize("trains_head", [True, False])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_under_autocast(kind, trains_head):
    """Rows and head are fp32 in full fine-tuning and qlora, which autocast computes in 16 bit."""
    torch.manual_seed(0)
    hidden = torch.randn(24, 32).to(kind).requires_grad_()
    weight = (torch.randn(50, 32) / 6).requires_grad_(trains_head)
    targets = torch.randint(50, (24,))
    ours, theirs = [], []
    for loss_of, gradients in ((linear_cross_entropy, ours), (reference, theirs)):
        hidden.grad = weight.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(hidden, weight, targets)
        loss.backward()
        gradients += [loss.detach(), hidden.grad, weight.grad]
    assert ours[0].dtype == torch.float32
    assert ours[1].dtype == kind
    for one, other in zip(ours, theirs, strict=True):
        if other is not None:
            assert (one - other).norm() <= 0.02 * other.norm()
    assert (ours[2] is None) == (not trains_head)
