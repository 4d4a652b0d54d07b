"""The word for a difference: only an interval on one side of zero decides."""

import pytest

from minillm.paper.outcomes import compare, flattered, side
from minillm.results import Number


def between(low: float | None, high: float | None) -> Number:
    return Number(-5.0, "bit/byte", low, high, "95 %", 9)


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
        (None, None, "unclear"),
    ],
)
def test_the_interval_decides(low: float | None, high: float | None, outcome: str) -> None:
    assert compare([between(low, high)]) == outcome


def test_all_seeds_have_to_agree() -> None:
    better, worse, unclear = between(-0.2, -0.1), between(0.1, 0.2), between(-0.1, 0.1)
    assert compare([better, better]) == "better"
    assert compare([worse, worse, worse]) == "worse"
    assert compare([better, worse]) == "unclear"
    assert compare([better, unclear]) == "unclear"
    assert compare([better, between(None, None)]) == "unclear"


def test_nothing_is_unclear() -> None:
    assert compare([]) == "unclear"


@pytest.mark.parametrize(
    ("parallel", "incremental", "expected"),
    [(100.0, 100.0, False), (100.0, 199.9, False), (100.0, 200.0, True), (1.3, 3.7e7, True), (200.0, 100.0, False)],
)
def test_twice_as_good_is_flattered(parallel: float, incremental: float, expected: bool) -> None:
    numbers = [Number(value, "", None, None, "", 9) for value in (parallel, incremental)]
    assert flattered(*numbers) == expected


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ((0.3, 0.4), (0.1, 0.2), "above"),
        ((0.1, 0.2), (0.3, 0.4), "below"),
        ((0.1, 0.3), (0.2, 0.4), "unclear"),
        ((0.2, 0.4), (0.1, 0.2), "unclear"),
        ((0.0, 0.0), (0.0, 0.0), "unclear"),
        ((0.3, 0.4), (None, None), "unclear"),
        ((None, None), (0.1, 0.2), "unclear"),
    ],
)
def test_two_numbers_are_apart_if_their_intervals_are(
    own: tuple[float | None, float | None], other: tuple[float | None, float | None], expected: str
) -> None:
    assert side([between(*own)], [between(*other)]) == expected
    assert side([between(*own)] * 3, [between(*other)] * 3) == expected


def test_all_seeds_must_agree() -> None:
    low, high = between(0.1, 0.2), between(0.7, 0.8)
    assert side([high, high], [low, low]) == "above"
    assert side([high, low], [low, high]) == "unclear"
    assert side([high, between(0.15, 0.3)], [low, low]) == "unclear"
