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
