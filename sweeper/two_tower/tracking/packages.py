"""Which packages the trackers need; known before anything trains, without loading any."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from sweeper.common.errors import install_command
from sweeper.two_tower.config import TrackingConfig

# Each key's package, and the extra that installs it, have the key's name.
PRODUCTS = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}


def package_problems(tracking: TrackingConfig) -> Iterator[str]:
    """A line for each tracker that is on and isn't installed."""
    for key, product in PRODUCTS.items():
        value = getattr(tracking, key)
        if value and not _is_installed(key):
            yield (
                f"tracking.{key}: got {value!r}, which needs {product}; install it with "
                + install_command(key)
            )


def _is_installed(package: str) -> bool:
    spec = find_spec(package)
    # Any folder of that name is found too, such as the one that W&B leaves where it runs.
    return spec is not None and spec.origin is not None
