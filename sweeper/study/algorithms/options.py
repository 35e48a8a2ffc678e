"""Checks the options of samplers and pruners before a study starts.

Optuna's constructors check few of their arguments: a text instead of a number fails in the
middle of a study, in every trial. Names and types are therefore checked here, against the
signatures of the constructors.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.common.errors import ConfigError, closest, either

# By part of an annotation: the types that a value may have, and their description.
_PLAIN_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "text"),
    "dict": ((dict,), "a mapping"),
    "None": ((type(None),), "null"),
}


@dataclass(frozen=True)
class Kind:
    """A sampler or a pruner of Optuna.

    Attributes:
      constructor: the class.
      settings: returns this project's arguments for the constructor; the user's options override
        them.
      reserved: the options that a key of the configuration sets, and these keys.
      label: the name for messages, if it is not that of the class.
    """

    constructor: type
    settings: Callable[..., dict[str, Any]]
    reserved: Mapping[str, str]
    label: str = ""

    def build(self, options: Mapping[str, Any], *values: int) -> Any:
        """Constructs one; `values` are the arguments of `settings`."""
        from optuna.exceptions import ExperimentalWarning

        with warnings.catch_warnings():
            # Optuna warns of classes and arguments that may still change. This project, not
            # the user, chooses to use them.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.constructor(**{**self.settings(*values), **options})


def options_of(blocks: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the options under `name`; {} if there are none or they are not a mapping."""
    block = blocks.get(name)
    return block if isinstance(block, dict) else {}


def option_problems(
    key: str,
    blocks: Mapping[str, Any],
    chosen: str,
    kinds: Mapping[str, Kind],
    build: Callable[[str], Any],
) -> Iterator[str]:
    """Yields a line for each problem of the options of samplers or pruners.

    Args:
      key: `study.sampler_options` or `study.pruner_options`.
      blocks: the options, by the name of the sampler or pruner.
      chosen: the name that the study uses.
      kinds: all samplers or all pruners, by name.
      build: constructs one by name; it raises what the constructor raises.
    """
    for name in dict.fromkeys([*(str(name) for name in blocks), chosen]):
        if name not in kinds:
            if name in blocks:
                names = ", ".join(kinds)
                yield f"{key}.{name}: is unknown; must be one of {names}{closest(name, kinds)}"
            continue
        if blocks.get(name) is not None and not isinstance(blocks[name], dict):
            yield f"{key}.{name}: got {blocks[name]!r}; must be a mapping of options to values"
            continue
        options = options_of(blocks, name)
        problems = list(_signature_problems(f"{key}.{name}", options, kinds[name]))
        yield from problems
        if problems:
            continue
        try:
            build(name)
        except ConfigError as error:
            # A missing package doesn't matter while another name is chosen.
            yield from error.problems if name == chosen else []
        except (ValueError, TypeError) as error:
            yield f"{key}.{name}: {error}"


def _signature_problems(key: str, options: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    """Yields a line for each option that the constructor lacks or whose type is wrong."""
    parameters = inspect.signature(kind.constructor).parameters
    for option, value in options.items():
        if option in kind.reserved:
            yield f"{key}.{option}: must not be given; set {kind.reserved[option]} instead"
        elif option not in parameters:
            label = kind.label or kind.constructor.__name__
            hint = closest(str(option), set(parameters) - set(kind.reserved))
            yield f"{key}.{option}: is not an option of {label}{hint}"
        else:
            yield from _type_problems(f"{key}.{option}", value, parameters[option].annotation)


def _type_problems(key: str, value: Any, annotation: Any) -> Iterator[str]:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    parts = [part.split("[")[0] for part in text.split(" | ")]
    plain = [_PLAIN_TYPES[part] for part in parts if part in _PLAIN_TYPES]
    if value is None and "None" in parts:
        return
    if not set(parts) & (set(_PLAIN_TYPES) - {"None"}):
        yield f"{key}: requires a Python object, which YAML can't hold; must not be given"
    elif not any(_is_instance(value, types) for types, _ in plain):
        yield f"{key}: got {value!r}; must be {either([description for _, description in plain])}"


def _is_instance(value: Any, types: tuple[type, ...]) -> bool:
    """Returns isinstance(value, types), but True and False don't count as numbers."""
    return isinstance(value, types) and (not isinstance(value, bool) or bool in types)
