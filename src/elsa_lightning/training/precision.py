"""Which arithmetic a device is good at."""

from __future__ import annotations

import pathlib

import torch


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 natively (avx512_bf16, AMX or Arm's bf16); elsewhere it is emulated, slowly."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = {flag for line in text.splitlines() if line.lower().startswith(("flags", "features")) for flag in line.split(":", 1)[1].split()}
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def resolve_precision(precision: str, accelerator: str) -> str:
    """Lightning's precision string for `auto`: bf16-mixed where the device computes in it natively, else 32-true."""
    if precision != "auto":
        return precision
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if accelerator in ("auto", "cpu") and cpu_has_bf16() else "32-true"


def inference_device(accelerator: str) -> str:
    """Where stages without a trainer compute: the GPU where there is one and it is not ruled out, else the CPU."""
    return "cuda" if torch.cuda.is_available() and accelerator != "cpu" else "cpu"


def inference_autocast(precision: str, device: str) -> torch.autocast:
    """The arithmetic of training on this device, for passes without a trainer.

    Args:
        precision: `trainer.precision`.
        device: of `inference_device`.
    """
    resolved = resolve_precision(precision, device)
    half = torch.float16 if resolved.startswith("16") and device != "cpu" else torch.bfloat16
    return torch.autocast(device, half, enabled=resolved.startswith(("bf16", "16")))
