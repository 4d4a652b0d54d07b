"""Temperatures of models whose logits were multiplied: the fit must divide by the same number."""

import numpy as np
import pytest
import torch
from test_score import Known

from minillm.evaluation import temperature
from minillm.evaluation.score import score_documents
from minillm.evaluation.temperature import fit_temperature

SIZE = 12


def drawn(table_VV: torch.Tensor, length: int) -> list[int]:
    """A text drawn from the probabilities that the table gives after each token, [BOS] = 2 first."""
    random, p_VV = np.random.default_rng(5), table_VV.double().softmax(-1).numpy()
    ids = [2]
    for _ in range(length):
        ids.append(int(random.choice(SIZE, p=p_VV[ids[-1]])))
    return ids[1:]


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0, 20.0])
def test_a_model_that_is_too_sure_by_a_factor(factor: float) -> None:
    table = torch.randn(SIZE, SIZE, generator=torch.manual_seed(0))
    text = drawn(table, 6000)
    fitted = fit_temperature(Known(factor * table, 50), [text])  # type: ignore[arg-type]
    assert fitted == pytest.approx(factor, rel=0.1), "the texts are a sample"
    unscaled = fit_temperature(Known(table, 50), [text])  # type: ignore[arg-type]
    assert fitted == pytest.approx(factor * unscaled, rel=1e-3)
    tempered = score_documents(Known(factor * table, 50), [text], fitted)  # type: ignore[arg-type]
    plain = score_documents(Known(factor * table / fitted, 50), [text])  # type: ignore[arg-type]
    np.testing.assert_allclose(tempered.tempered, plain.confidence, rtol=1e-5)
    np.testing.assert_array_equal(tempered.predicted, plain.predicted)


def test_a_uniform_model_has_none() -> None:
    assert fit_temperature(Known(torch.zeros(SIZE, SIZE), 5), [[3, 4, 5]]) == 1.0  # type: ignore[arg-type]
    assert fit_temperature(Known(torch.eye(SIZE), 5), []) == 1.0  # type: ignore[arg-type]


def test_only_so_many_tokens_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Known(torch.randn(SIZE, SIZE, generator=torch.manual_seed(0)), 5)
    random = np.random.default_rng(0)
    documents = [random.integers(3, SIZE, size=length).tolist() for length in (7, 9, 30)]
    monkeypatch.setattr(temperature, "TOKENS", 10)
    cut = [documents[0], documents[1][:3]]
    assert fit_temperature(model, documents) == fit_temperature(model, cut)  # type: ignore[arg-type]
