"""Options of samplers and pruners: what their constructors take, checked before a study starts.

Optuna's constructors check little of what they are given: a text where a number belongs
fails in the middle of a study, in every trial. So names and types are checked here,
against the constructors' own signatures.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.common.errors import ConfigError, closest, either

# What an annotation's parts mean for a value of a configuration, and in words.
_PLAIN_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a text"),
    "dict": ((dict,), "a mapping"),
    "None": ((type(None),), "null"),
}


@dataclass(frozen=True)
class Kind:
    """A sampler or a pruner of Optuna.

    Attributes:
      constructor: its class.
      settings: what this project gives the constructor; the user's options come on top.
      reserved: by option, the key of the configuration that sets it instead.
      label: what messages call it, if not by its class.
    """

    constructor: type
    settings: Callable[..., dict[str, Any]]
    reserved: Mapping[str, str]
    label: str = ""

    def build(self, options: Mapping[str, Any], *values: int) -> Any:
        """One of this kind; `values` are what `settings` computes from."""
        from optuna.exceptions import ExperimentalWarning

        with warnings.catch_warnings():
            # Optuna warns of every class and argument that may still change; which ones this
            # project's settings use is not the user's concern.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.constructor(**{**self.settings(*values), **options})


def options_of(blocks: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options under `name`, none if there are none or they are no mapping."""
    block = blocks.get(name)
    return block if isinstance(block, dict) else {}


def option_problems(
    key: str,
    blocks: Mapping[str, Any],
    chosen: str,
    kinds: Mapping[str, Kind],
    build: Callable[[str], Any],
) -> Iterator[str]:
    """Everything wrong with `blocks`, the options by name under `key`.

    Args:
      key: `study.sampler_options` or `study.pruner_options`.
      blocks: the options by name.
      chosen: the name that the study uses, with options or without.
      kinds: every name.
      build: makes one by name, to hear what its constructor refuses.
    """
    for name in dict.fromkeys([*(str(name) for name in blocks), chosen]):
        if name not in kinds:
            if name in blocks:
                words = f"must be one of {', '.join(kinds)}"
                yield f"{key}.{name}: is unknown; {words}{closest(name, kinds)}"
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
            # A package that is missing is no concern while another name is chosen.
            yield from error.problems if name == chosen else []
        except (ValueError, TypeError) as error:
            yield f"{key}.{name}: {error}"


def _signature_problems(key: str, options: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    """Options that the constructor lacks, or of another type than it declares."""
    parameters = inspect.signature(kind.constructor).parameters
    for option, value in options.items():
        if option in kind.reserved:
            yield f"{key}.{option}: is set by {kind.reserved[option]}; must not be given here"
        elif option not in parameters:
            label = kind.label or kind.constructor.__name__
            hint = closest(str(option), set(parameters) - set(kind.reserved))
            yield f"{key}.{option}: is no option of {label}{hint}"
        else:
            yield from _type_problems(f"{key}.{option}", value, parameters[option].annotation)


def _type_problems(key: str, value: Any, annotation: Any) -> Iterator[str]:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    parts = [part.split("[")[0] for part in text.split(" | ")]
    plain = [_PLAIN_TYPES[part] for part in parts if part in _PLAIN_TYPES]
    if value is None and "None" in parts:
        return
    if not set(parts) & (set(_PLAIN_TYPES) - {"None"}):
        yield f"{key}: takes a Python object, which a configuration can't hold; leave it out"
    elif not any(_is_instance(value, types) for types, _ in plain):
        yield f"{key}: got {value!r}; must be {either([words for _, words in plain])}"


def _is_instance(value: Any, types: tuple[type, ...]) -> bool:
    """As isinstance, but True and False are no numbers."""
    return isinstance(value, types) and (not isinstance(value, bool) or bool in types)
