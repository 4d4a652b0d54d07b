"""Where and in which precision to compute."""

import os
import resource
import sys

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(wanted: str = "auto") -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `mps`. Raises ValueError if the one asked for is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[wanted]:
        raise ValueError(f"device {wanted} is not available on this machine: set device to auto or cpu")
    return torch.device(wanted)


def choose_precision(wanted: str, device: torch.device) -> str:
    """`fp32`, `bf16` or `fp16`.

    By compute capability, since GPUs before 8.0 report bf16 as supported and emulate it slowly.
    """
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"


def prepare(threads: int, device: str = "auto", precision: str = "auto") -> tuple[torch.device, str]:
    """Set the number of threads and deterministic algorithms; the device and precision to use."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # without it CUDA's matrix products are not reproducible
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    chosen = choose_device(device)
    return chosen, choose_precision(precision, chosen)


def peak_memory(device: torch.device) -> int:
    """Bytes: the largest amount allocated on a GPU, or the largest resident size of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB, macOS in bytes
