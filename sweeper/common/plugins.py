"""Loads a user's own classes, which YAML names by Python paths: `package.module:Name`.

Features (`features.query[].kind`), towers (`model.tower`), tasks (`task.name`) and baselines
(`evaluation.baselines[]`) take such a path in place of a built-in name; callbacks of a study
(`study.callbacks[]`) always do. Python looks for modules in the current directory, among others,
and beside the `conf/` that `--config-dir` names. docs/extending.md has an example of each;
`sweeper.testing` checks them.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

from sweeper.common.errors import ConfigError, closest

FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_path(name: str) -> bool:
    """Tells whether a name is meant as a Python path, rather than as a built-in name."""
    return ":" in name


def path_problem(name: str) -> str:
    """Returns why a path can't be loaded, or ""; doesn't load the module itself."""
    if not FORM.fullmatch(name):
        return "must have the form package.module:Name"
    module = name.partition(":")[0]
    try:
        found = importlib.util.find_spec(module)
    except Exception as error:  # Parent packages are loaded, and may raise anything.
        return f"the package of {module!r} can't be loaded: {type(error).__name__}: {error}"
    if found is None:
        return (
            f"there is no module {module!r}; must be in the current directory, on PYTHONPATH, or, "
            "where --config-dir is given, beside the folder that it names"
        )
    return ""


def load(key: str, name: str) -> Any:
    """Loads what a path names.

    Args:
      key: the YAML key of the path, for errors.

    Raises:
      ConfigError: the module doesn't exist, can't be loaded, or lacks the name.
    """
    if problem := path_problem(name):
        raise ConfigError(f"{key}: got {name!r}; {problem}")
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"{key}: got {name!r}; {module_name!r} can't be loaded: {type(error).__name__}: {error}"
        ) from error
    if not hasattr(module, attribute):
        names = [each for each in vars(module) if not each.startswith("_")]
        # Python's own modules may have no file.
        place = getattr(module, "__file__", module_name)
        raise ConfigError(
            f"{key}: got {name!r}; {place} has no {attribute!r}" + closest(attribute, names)
        )
    return getattr(module, attribute)


def make(key: str, name: str, kind: type, *arguments: Any, **options: Any) -> Any:
    """Makes an instance of the class that a path names.

    Raises:
      ConfigError: it is not a subclass of `kind`, or doesn't take these arguments.
    """
    found = load(key, name)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ConfigError(
            f"{key}: got {name!r}, which is not a class of {kind.__module__}.{kind.__qualname__}"
        )
    try:
        return found(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{key}: got {name!r} with the options {options}, which it doesn't accept: {error}"
        ) from error
