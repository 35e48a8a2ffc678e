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

# By default XLA uses half of AVX-512's registers; with whole ones an epoch is 4 to 6 % shorter.
# Without AVX-512 the flag changes nothing.
XLA_FLAG = "--xla_cpu_prefer_vector_width"

THREADS_VARIABLE = "TF_NUM_INTRAOP_THREADS"

# Notices that TensorFlow prints on any machine without a GPU, at any log level.
NOTICES = (
    b"All log messages before absl::InitializeLog()",
    b"oneDNN custom operations are on",
    b"Could not find cuda drivers",
    b"This TensorFlow binary is optimized",
    b"To enable the following instructions",
    b"failed call to cuInit",
)


def available_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mb() -> float:
    """Returns the peak memory of this process, in MiB."""
    with suppress(OSError):
        # Unlike `getrusage`, this doesn't include the memory of the parent process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def set_threads(threads: int | None) -> int:
    """Sets how many threads one operation uses (None for all cores), and returns the number.

    Raises:
      ConfigError: TensorFlow already runs in this process with another number.
    """
    wanted = threads or available_cores()
    held = os.environ.get(THREADS_VARIABLE)
    if "tensorflow" in sys.modules and held and int(held) != wanted:
        raise ConfigError(
            f"train.threads: got {wanted}, but TensorFlow runs with {held} in this process; "
            "must be the same in all trials of a process"
        )
    os.environ[THREADS_VARIABLE] = str(wanted)
    # Operations run one at a time, each with its own threads.
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
            # Otherwise the first process would take all of its memory.
            with suppress(RuntimeError):  # The GPU is already in use.
                tf.config.experimental.set_memory_growth(gpu, True)
        # Otherwise a GPU would multiply float32 with ten bits of mantissa.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.constant(0) + 1
    # Only Keras 3 has a version here.
    version = getattr(tf.keras, "__version__", "2")
    if not version.startswith("2"):
        raise SweeperError(
            f"tf.keras is version {version}; TensorFlow Recommenders needs Keras 2. "
            "Import sweeper before tensorflow, or set TF_USE_LEGACY_KERAS=1"
        )


def gpu_names() -> list[str]:
    """Returns the name of the GPU that TensorFlow uses in this process; empty if there is none."""
    import tensorflow as tf

    # TensorFlow runs no operation on further GPUs.
    gpus = tf.config.list_physical_devices("GPU")[:1]
    details = map(tf.config.experimental.get_device_details, gpus)
    return [each.get("device_name", "GPU") for each in details]


@contextmanager
def _without_notices() -> Iterator[None]:
    """Filters the notices out of what native code writes to standard error."""
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
# NVIDIA's driver has a folder for each GPU here.
DRIVER = Path("/proc/driver/nvidia/gpus")


def visible_gpus() -> list[str]:
    """Returns the names of `CUDA_VISIBLE_DEVICES`: the user's choice, or all GPUs."""
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        return [str(index) for index in range(len(list(DRIVER.glob("*"))))]
    names: list[str] = []
    for name in chosen.split(","):
        # As in CUDA, names after an invalid one are ignored.
        if name.strip() in ("", "-1"):
            break
        names.append(name.strip())
    return names


@contextmanager
def assign_gpu(gpus: Sequence[str], worker: int) -> Iterator[None]:
    """Restricts this process, and what it starts meanwhile, to the GPU of its worker.

    Several TensorFlow processes on one GPU are slower together than one after the other, so workers
    only share GPUs if there are more workers than GPUs. Without GPUs nothing changes.
    """
    if not gpus:
        yield
        return
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = gpus[worker % len(gpus)]
    try:
        yield
    finally:
        # This process may run another worker next.
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
