"""Which GPUs there are, and one of them for each worker; without loading TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def one_of(gpus: Sequence[str], worker: int) -> Iterator[None]:
    """Leaves this process, and what it starts meanwhile, the GPU of its worker's turn.

    Each of several TensorFlow processes on a GPU is slower than one after the other, so that
    workers share GPUs only where there are more of them. Without GPUs nothing changes.
    """
    if not gpus:
        yield
        return
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = gpus[worker % len(gpus)]
    try:
        yield
    finally:
        # The process may be the study's own, or run another worker next.
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
