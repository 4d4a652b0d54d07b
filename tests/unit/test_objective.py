"""What a batch says, against torch's own loss and against counting."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minillm.training.objective import score
from minillm.vocabulary.tokenizer import PAD


class Fixed(nn.Module):
    """Gives the logits it was made of."""

    def __init__(self, logits_BTV: Tensor) -> None:
        super().__init__()
        self.logits_BTV = nn.Parameter(logits_BTV)

    def forward(self, _: Tensor) -> Tensor:
        return self.logits_BTV


@pytest.fixture
def batch() -> tuple[Fixed, Tensor]:
    """Random logits, and targets of which some are PAD."""
    torch.manual_seed(0)
    targets_BT = torch.randint(1, 11, (3, 5))
    targets_BT[0, 3:] = PAD
    targets_BT[2] = PAD
    return Fixed(torch.randn(3, 5, 11) * 3), targets_BT


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_the_objective_is_that_of_torch(batch: tuple[Fixed, Tensor], smoothing: float) -> None:
    model, targets_BT = batch
    sums = score(model, targets_BT, targets_BT, smoothing)
    sums[0].backward()
    found, model.logits_BTV.grad = model.logits_BTV.grad, None
    expected = F.cross_entropy(
        model.logits_BTV.flatten(0, 1),
        targets_BT.flatten(),
        ignore_index=PAD,
        label_smoothing=smoothing,
        reduction="sum",
    )
    expected.backward()
    torch.testing.assert_close(sums[0], expected)
    torch.testing.assert_close(found, model.logits_BTV.grad)
    assert not found[2].any(), "what stands at PAD is of no consequence"
    assert found[0, 0].any()


def test_loss_and_counts_know_no_smoothing(batch: tuple[Fixed, Tensor]) -> None:
    model, targets_BT = batch
    loss, hits, count = 0.0, 0, 0
    for row, logits_TV in zip(targets_BT.tolist(), model.logits_BTV.detach().double(), strict=True):
        for target, logits_V in zip(row, logits_TV, strict=True):
            if target != PAD:
                loss -= torch.log(torch.exp(logits_V[target]) / torch.exp(logits_V).sum()).item()
                hits += logits_V.argmax().item() == target
                count += 1
    assert count == 8
    assert score(model, targets_BT, targets_BT, 0.4)[1:].tolist() == pytest.approx([loss, hits, count], rel=1e-5)


def test_logits_of_half_precision_are_added_up_in_single(batch: tuple[Fixed, Tensor]) -> None:
    model, targets_BT = batch
    half = Fixed(model.logits_BTV.detach().bfloat16())
    exact = Fixed(half.logits_BTV.detach().float())
    assert torch.equal(score(half, targets_BT, targets_BT, 0.1), score(exact, targets_BT, targets_BT, 0.1))
