"""Which GPUs there are, and one of them for each worker; without loading TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
# NVIDIA's driver has a folder here for each GPU.
DRIVER = Path("/proc/driver/nvidia/gpus")


def visible_gpus() -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` would name one by one: the user's choice, or all there are."""
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        return [str(index) for index in range(len(list(DRIVER.glob("*"))))]
    names: list[str] = []
    for name in chosen.split(","):
        # As CUDA reads it: what follows a number that is none is not seen.
        if name.strip() in ("", "-1"):
            break
        names.append(name.strip())
    return names


def take_gpu(worker: int) -> None:
    """Leaves this process, and what it starts, the GPU of its worker's turn; before TensorFlow.

    Each of several TensorFlow processes on a GPU is slower than one after the other, so that
    workers share GPUs only where there are more of them.
    """
    if gpus := visible_gpus():
        os.environ[VISIBLE] = gpus[worker % len(gpus)]
