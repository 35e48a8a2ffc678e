"""The hardware and TensorFlow as this project needs them: threads, GPUs, Keras 2, a quiet start.

TensorFlow reads its settings once, when it starts, so they are set through the environment before
the first import, wherever that happens.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sweeper.common.errors import ConfigError, SweeperError

# XLA takes half of AVX-512's registers by itself; with whole ones an epoch takes 4 to 6 %
# less. Where there is no AVX-512 it changes nothing.
XLA_FLAG = "--xla_cpu_prefer_vector_width"

THREADS_VARIABLE = "TF_NUM_INTRAOP_THREADS"

# What TensorFlow prints on any machine without a GPU, whatever its log level.
NOTICES = (
    b"All log messages before absl::InitializeLog()",
    b"oneDNN custom operations are on",
    b"Could not find cuda drivers",
    b"This TensorFlow binary is optimized",
    b"To enable the following instructions",
    b"failed call to cuInit",
)


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mb() -> float:
    """The most memory that this process has had, in MiB."""
    with suppress(OSError):
        # Unlike `getrusage`, it leaves out what the process that started this one had.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def set_threads(threads: int | None) -> int:
    """Sets how many threads one operation uses (None: all cores); returns the number.

    Raises:
      ConfigError: TensorFlow runs in this process already, with another number.
    """
    wanted = threads or available_cores()
    held = os.environ.get(THREADS_VARIABLE)
    if "tensorflow" in sys.modules and held and int(held) != wanted:
        raise ConfigError(
            f"train.threads: got {wanted}, but TensorFlow runs with {held} in this process; "
            "must be the same in all trials of a process"
        )
    os.environ[THREADS_VARIABLE] = str(wanted)
    # One operation at a time: what runs side by side is decided within it.
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    return wanted


def start_tensorflow() -> None:
    """Imports TensorFlow and starts it, without its start-up notices.

    Raises:
      SweeperError: it was imported before this package, with Keras 3.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if XLA_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_FLAG}=512".strip()
    with _without_notices():
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            # Else the first process takes all of its memory.
            with suppress(RuntimeError):  # It has been started before.
                tf.config.experimental.set_memory_growth(gpu, True)
        # Ten bits of mantissa, in which a GPU would multiply what is meant to be float32.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.constant(0) + 1
    # Keras 2 has no version here; Keras 3 has.
    version = getattr(tf.keras, "__version__", "2")
    if not version.startswith("2"):
        raise SweeperError(
            f"tf.keras is version {version}; TensorFlow Recommenders needs Keras 2. "
            "Import sweeper before tensorflow, or set TF_USE_LEGACY_KERAS=1"
        )


def gpu_names() -> list[str]:
    """The GPU that TensorFlow, which runs in this process, computes on; empty: there is none."""
    import tensorflow as tf

    # The others that it sees get no operation.
    gpus = tf.config.list_physical_devices("GPU")[:1]
    details = map(tf.config.experimental.get_device_details, gpus)
    return [each.get("device_name", "GPU") for each in details]


@contextmanager
def _without_notices() -> Iterator[None]:
    """Holds back what native code writes to standard error; passes on all but the notices."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held_back.seek(0)
            for line in held_back:
                if not any(notice in line for notice in NOTICES):
                    os.write(2, line)


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
def assign_gpu(gpus: Sequence[str], worker: int) -> Iterator[None]:
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
