"""The word for a difference: only an interval on one side of zero decides."""

import pytest

from minillm.paper.outcomes import compare, flattered
from minillm.results import Number


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.2, -0.1, "better"),
        (0.1, 0.2, "worse"),
        (-0.1, 0.2, "unclear"),
        (-0.2, 0.0, "unclear"),
        (0.0, 0.2, "unclear"),
        (0.0, 0.0, "unclear"),
        (-0.2, -1e-12, "better"),
        (1e-12, 0.2, "worse"),
    ],
)
def test_the_interval_decides(low: float, high: float, outcome: str) -> None:
    assert compare(Number(-5.0, "bit/byte", low, high, "95 %", 9)) == outcome


@pytest.mark.parametrize(("low", "high"), [(None, None), (-1.0, None), (None, 1.0)])
def test_without_an_interval_nothing_is_decided(low: float | None, high: float | None) -> None:
    with pytest.raises(ValueError, match="without an interval"):
        compare(Number(-5.0, "", low, high, "", None))


@pytest.mark.parametrize(
    ("parallel", "incremental", "expected"),
    [(100.0, 100.0, False), (100.0, 199.9, False), (100.0, 200.0, True), (1.3, 3.7e7, True), (200.0, 100.0, False)],
)
def test_twice_as_good_is_flattered(parallel: float, incremental: float, expected: bool) -> None:
    numbers = [Number(value, "", None, None, "", 9) for value in (parallel, incremental)]
    assert flattered(*numbers) == expected
