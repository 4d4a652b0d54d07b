"""What a model costs: parameters, memory and time. Times depend on the machine and are marked so in the manifest.

Each stage runs in a process of its own, so that the peak memory is that of this model alone: the libraries, the
weights, one pass and one generated text.
"""

import dataclasses
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.benchmark import Timer

from minillm.evaluation.generation import generate
from minillm.evaluation.record import Record, write_records
from minillm.files import write_json
from minillm.model.build import count_parameters
from minillm.stage import run_stage
from minillm.training.device import peak_memory, prepare
from minillm.training.saved import load_model

SECONDS = 1.0  # measured for each time
FEWEST_RUNS = 5
GENERATED_TOKENS = 32
TEXTS_AT_ONCE = 32


def evaluate_cost(
    weights: Path,
    description: Path,
    corpus: str,
    model: str,
    seed: str,
    threads: int,
    device: str,
    records: Path,
    machine: Path,
) -> None:
    """Measure one forward pass of a full window and one generated token, both for a single text, generated tokens a
    second with 32 texts at once, and the memory; `machine` gets what the times depend on.
    """
    place = prepare(threads, device)
    network = load_model(weights, description, place)
    # No text ends early: all have as many tokens as are timed.
    network.specials = dataclasses.replace(network.specials, eos=None)
    context, bos = network.context, network.specials.bos
    window_1T = torch.full((1, context), bos, device=place)
    names = {"network": network, "window": window_1T, "generate": generate, "count": GENERATED_TOKENS}
    with torch.no_grad():
        passes = _milliseconds("network(window)", names, threads)
    names["prompt"] = [[bos] * (context // 2)]
    tokens = _milliseconds("generate(network, prompt, count)", names, threads) / GENERATED_TOKENS
    memory = peak_memory(place)
    names["prompt"] = [[bos] * min(GENERATED_TOKENS, context // 2)] * TEXTS_AT_ONCE
    batches = _milliseconds("generate(network, prompt, count)", names, threads)
    parameters = list(network.parameters())
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed}
    found = [
        Record(metric="latency_mean", value=float(passes.mean()), unit="ms", n=len(passes), better="lower", **shared),
        Record(metric="latency_deviation", value=float(passes.std()), unit="ms", n=len(passes), **shared),
        *_quantiles("latency", passes, "ms", shared),
        *_quantiles("generation_latency", tokens, "ms", shared),
        _median("throughput", TEXTS_AT_ONCE * GENERATED_TOKENS / (batches / 1000), "token/s", shared),
        Record(metric="parameters", value=float(count_parameters(network)), unit="", **shared),
        Record(
            metric="parameters_size",
            value=sum(parameter.numel() * parameter.element_size() for parameter in parameters) / 1e6,
            unit="MB",
            better="lower",
            **shared,
        ),
        Record(metric="weights_size", value=weights.stat().st_size / 1e6, unit="MB", better="lower", **shared),
        Record(metric="peak_memory", value=memory / 1e6, unit="MB", better="lower", **shared),
    ]
    write_records(records, found)
    write_json(
        machine,
        {
            "processor": torch.cuda.get_device_name(place) if place.type == "cuda" else _processor(),
            "cores": os.cpu_count(),
            "threads": threads,
            "dtype": str(parameters[0].dtype).removeprefix("torch."),
            "system": platform.system(),
            "torch": torch.__version__,
        },
    )


def _milliseconds(statement: str, names: dict[str, Any], threads: int) -> npt.NDArray[np.float64]:
    """Times of single runs of a statement, after a warm-up and with the device synchronised."""
    timer = Timer(statement, globals=names, num_threads=threads)
    timer.timeit(2)
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < FEWEST_RUNS or time.perf_counter() - start < SECONDS:
        times.append(timer.timeit(1).mean * 1000)
    return np.array(times)


def _quantiles(metric: str, times: npt.NDArray[np.float64], unit: str, shared: dict[str, Any]) -> list[Record]:
    slowest = Record(
        metric=f"{metric}_p95", value=float(np.percentile(times, 95)), unit=unit, n=len(times), better="lower", **shared
    )
    return [_median(metric, times, unit, shared), slowest]


def _median(metric: str, values: npt.NDArray[np.float64], unit: str, shared: dict[str, Any]) -> Record:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return Record(
        metric=metric,
        value=float(middle),
        unit=unit,
        low=float(low),
        high=float(high),
        interval="quartiles",
        n=len(values),
        better="lower" if unit == "ms" else "higher",
        **shared,
    )


def _processor() -> str:
    """The name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    run_stage(evaluate_cost)
