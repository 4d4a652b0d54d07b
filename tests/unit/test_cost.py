"""Times in milliseconds, sizes in megabytes, and parameters that are counted exactly."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minillm.evaluation import cost
from minillm.evaluation.cost import evaluate_cost
from minillm.evaluation.record import Record, read_records
from minillm.files import read_json


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.02)


@pytest.fixture
def measure(save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> Callable[[], dict[str, Record]]:
    def run() -> dict[str, Record]:
        weights, description = save_tiny(30)
        outputs = tmp_path / "cost.json", tmp_path / "machine.json"
        evaluate_cost(weights, description, "toy", "tiny", "1", 1, "cpu", *outputs)
        return {found.metric: found for found in read_records(tmp_path / "cost.json")}

    return run


def test_what_is_exact(measure: Callable[[], dict[str, Record]], tmp_path: Path) -> None:
    found = measure()
    # embedding and head, attention, feed-forward, three norms, for a width of 16 and one layer
    parameters = 2 * 30 * 16 + 4 * (16 * 16 + 16) + 2 * (16 * 16 + 16) + 3 * 2 * 16
    assert found["parameters"].value == parameters
    size = (tmp_path / "model.safetensors").stat().st_size
    assert found["weights_size"].value == pytest.approx(size / 1e6)
    assert 4 * parameters < size < 4 * parameters + 3000  # float32, and a header
    assert found["parameters_size"].value == pytest.approx(4 * parameters / 1e6)
    assert 50 < found["peak_memory"].value < 50_000


def test_times_have_quartiles(measure: Callable[[], dict[str, Record]]) -> None:
    found = measure()
    for metric in ("latency", "generation_latency"):
        one = found[metric]
        assert one.low is not None
        assert one.high is not None
        assert 0 < one.low <= one.value <= one.high
        assert (one.unit, one.interval, one.better, one.split) == ("ms", "quartiles", "lower", "")
        assert found[f"{metric}_p95"].value >= one.high
    assert found["latency_mean"].value > 0
    assert found["latency_deviation"].value >= 0


def test_times_are_in_milliseconds() -> None:
    names: dict[str, Any] = {"sleep": time.sleep}
    times = cost._milliseconds("sleep(0.004)", names, threads=1)
    assert times.min() >= 4
    assert np.median(times) < 40


def test_the_time_of_a_text_is_shared_by_its_tokens(
    measure: Callable[[], dict[str, Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """32 tokens in 64 ms: 2 ms each; of 32 texts at once 16,000 a second."""
    asked = []

    def generate(model: object, prompts: list[list[int]], count: int) -> None:
        asked.append((len(prompts), len(prompts[0]), count))
        time.sleep(0.064)

    monkeypatch.setattr(cost, "generate", generate)
    monkeypatch.setattr(cost, "FEWEST_RUNS", 2)
    found = measure()
    assert 2 <= found["generation_latency"].value < 10
    assert 3200 < found["throughput"].value <= 16_000
    assert set(asked) == {(1, 4, cost.GENERATED_TOKENS), (32, 4, cost.GENERATED_TOKENS)}
    assert cost.GENERATED_TOKENS == 32


def test_the_middle_of_the_times() -> None:
    shared: dict[str, Any] = {"corpus": "c", "model": "m", "seed": "1"}
    found, slow = cost._quantiles("latency", np.array([1.0, 2.0, 3.0, 4.0, 100.0]), "ms", shared)
    assert (found.low, found.value, found.high, found.n) == (2, 3, 4, 5)
    assert slow.metric == "latency_p95"
    assert slow.value == pytest.approx(4 + 0.8 * 96)


def test_the_machine_that_times_depend_on(measure: Callable[[], dict[str, Record]], tmp_path: Path) -> None:
    measure()
    machine = read_json(tmp_path / "machine.json")
    assert machine["processor"]
    assert (machine["threads"], machine["dtype"], machine["cores"]) == (1, "float32", os.cpu_count())
