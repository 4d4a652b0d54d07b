"""Where and in which precision to compute."""

import os
import resource
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Floating-point operations (of a thread or a GPU) from which a run is long: some three minutes in fp32.
LONG_RUN = {"cpu": 8e12, "cuda": 5e15, "mps": float("inf")}


def choose_device(wanted: str = "auto") -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `mps`. Raises ValueError if the one asked for is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[wanted]:
        raise ValueError(f"device {wanted} is not available on this machine: set device to auto or cpu")
    return torch.device(wanted)


@dataclass(frozen=True)
class Speed:
    """How a training computes."""

    precision: str
    """`fp32`, `bf16` or `fp16`."""
    compiled: bool
    """By torch.compile."""


def choose_speed(precision: str, compilation: str, device: torch.device, operations: float) -> Speed:
    """What is fastest here for a training of so many floating-point operations on each thread or GPU.

    GPUs are told by their compute capability, since those before 8.0 report bf16 as supported and emulate it slowly. A
    CPU computes in bf16 only if it has instructions for it and the run is long: a short one then gives the same numbers
    on most machines. To compile takes half a minute and pays in long runs, where nothing is gained in fp32 on a CPU.
    Raises ValueError if it should compile and cannot.
    """
    if compilation == "always" and not can_compile():
        raise ValueError(
            "compile: always needs a C++ compiler (g++) and Python's headers (python3-dev): install them, or set "
            "compile to auto"
        )
    long = operations > LONG_RUN[device.type]
    if precision == "auto":
        precision = "fp32"
        if device.type == "cuda":
            precision = "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
        elif device.type == "cpu" and long and has_bf16_instructions():
            precision = "bf16"
    worthwhile = long and (device.type == "cuda" or (device.type == "cpu" and precision == "bf16"))
    return Speed(precision, compilation == "always" or (compilation == "auto" and worthwhile and can_compile()))


def has_bf16_instructions() -> bool:
    """Whether this CPU multiplies matrices in bf16 at full speed."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def can_compile() -> bool:
    """Whether torch.compile finds what it needs: a C++ compiler and Python's headers."""
    return shutil.which("g++") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


def prepare(threads: int, device: str = "auto") -> torch.device:
    """Set the number of threads and deterministic algorithms; the device to use."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # without it CUDA's matrix products are not reproducible
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    return choose_device(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: the largest amount allocated on a GPU, or the largest resident size of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB, macOS in bytes
