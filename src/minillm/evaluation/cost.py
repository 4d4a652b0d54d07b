"""What a model costs: parameters, memory and time. Times depend on the machine and are marked so in the manifest."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.benchmark import Timer

from minillm.evaluation.generation import generate
from minillm.evaluation.record import Record, write_records
from minillm.model.build import count_parameters
from minillm.stage import run_stage
from minillm.training.device import peak_memory, prepare
from minillm.training.saved import load_model

SECONDS = 1.0  # measured for each time
GENERATED_TOKENS = 32


def evaluate_cost(
    weights: Path, description: Path, corpus: str, model: str, seed: str, threads: int, device: str, records: Path
) -> None:
    """Measure one forward pass of a full window and one generated token, both for a single text, and the memory."""
    place = prepare(threads, device)
    network = load_model(weights, description, place)
    context = network.context
    window_1T = torch.full((1, context), network.specials.bos, device=place)
    with torch.no_grad():
        passes = _milliseconds("network(window)", {"network": network, "window": window_1T}, threads)
    prompt = [[network.specials.bos] * (context // 2)]
    tokens = _milliseconds(
        "generate(network, prompt, count)",
        {"generate": generate, "network": network, "prompt": prompt, "count": GENERATED_TOKENS},
        threads,
    )
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed}
    found = [
        Record(metric="latency_mean", value=float(passes.mean()), unit="ms", n=len(passes), better="lower", **shared),
        Record(metric="latency_deviation", value=float(passes.std()), unit="ms", n=len(passes), **shared),
        _median("latency", passes, shared),
        _median("generation_latency", tokens / GENERATED_TOKENS, shared),
        Record(metric="parameters", value=float(count_parameters(network)), unit="", **shared),
        Record(metric="weights_size", value=weights.stat().st_size / 1e6, unit="MB", better="lower", **shared),
        Record(metric="peak_memory", value=peak_memory(place) / 1e6, unit="MB", better="lower", **shared),
    ]
    write_records(records, found)


def _milliseconds(statement: str, names: dict[str, object], threads: int) -> np.ndarray:
    """Times of a statement, after a warm-up and with the device synchronised."""
    measured = Timer(statement, globals=names, num_threads=threads).blocked_autorange(min_run_time=SECONDS)
    return np.array(measured.times) * 1000


def _median(metric: str, times: np.ndarray, shared: dict[str, Any]) -> Record:
    low, middle, high = np.percentile(times, [25, 50, 75])
    return Record(
        metric=metric,
        value=float(middle),
        unit="ms",
        low=float(low),
        high=float(high),
        interval="quartiles",
        n=len(times),
        better="lower",
        **shared,
    )


if __name__ == "__main__":
    run_stage(evaluate_cost)
