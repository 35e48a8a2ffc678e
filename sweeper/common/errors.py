"""The errors that this project raises on purpose.

Every message says what was given, where, and what would be right. The user can fix their causes (a
value, a file, the network), so the process ends with exit code 2. Any other exception is a bug of
this project, and ends the process with 1.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

# Finding the closest of more names would take seconds.
MAX_COMPARED = 10_000
# If more keys of other sections end with the same name, none is suggested.
MAX_SAME_NAME = 3


class SweeperError(Exception):
    """The base of the errors below; `exit_code` is the exit code of the process.

    Attributes:
      problems: a line for each thing that is wrong.
    """

    exit_code = 2

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(SweeperError):
    """One or more values of the configuration are wrong."""


class DataError(SweeperError):
    """The data can't be loaded, or isn't what it should be."""


class DataChangedError(DataError):
    """The data has changed since a study began, so its trials couldn't be compared."""


class OutputError(SweeperError):
    """A result can't be written where it should go."""


def unwritable(key: str, directory: object, error: OSError) -> OutputError:
    """Returns the error for an output directory, given by `key`, that can't be made or written."""
    return OutputError(
        f"{key}: got {directory}: {error.strerror or error}; must be a directory that can be made "
        "and written"
    )


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP ends this process, as Ctrl-C would."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"interrupted by {signal.Signals(number).name}")


class TrialError(SweeperError):
    """Training or scoring went wrong: a loss or a score that is not finite."""


class TrialPruned(Exception):  # noqa: N818, the name that Optuna gives it
    """Raised by a report if the study prunes the trial; not an error."""


class StudyError(SweeperError):
    """A study stopped early because too many of its trials, or its workers, failed."""

    exit_code = 1


@contextmanager
def finishing(*steps: Callable[[], object]) -> Iterator[None]:
    """Calls all steps in order when the block ends, so that no failure hides an earlier one.

    The block's own error is raised, and errors of steps are added to it as notes. Without an error
    of the block, the first error of a step is raised. `TrialPruned` is not an error.
    """
    own: BaseException | None = None
    try:
        yield
    except BaseException as error:
        own = error
    first = None if isinstance(own, TrialPruned) else own
    for step in steps:
        try:
            step()
        except Exception as error:
            if first is None:
                first = error
            elif type(error) is not type(first):
                # The same error again, such as a full disk, says nothing new.
                first.add_note(f"afterwards: {type(error).__name__}: {error}")
    if first is None:
        first = own
    if first is not None:
        raise first


def closest(name: str, choices: Iterable[str]) -> str:
    """Returns an ending for an error line: ". Did you mean 'x'?", or "" if nothing is close."""
    choices = list(choices)
    if len(choices) > MAX_COMPARED:
        return ""
    return _question(difflib.get_close_matches(name, choices, n=1, cutoff=0.5))


def closest_key(name: str, known: Iterable[str]) -> str:
    """Does the same for a dotted key: one of its section, or one of the same name elsewhere.

    "train.epoch" is answered with "train.epochs" and "learning_rate" with
    "optimizer.learning_rate", never with a key of another section that only looks alike.
    """
    known = list(known)
    section, _, last = name.rpartition(".")
    near = _closest_section(section, known)
    beside = [] if near is None else _within(near, known)
    same_name = [key for key in known if key.endswith(f".{last}")]
    for cutoff in (0.8, 0.5):
        if matches := difflib.get_close_matches(last, beside, n=1, cutoff=cutoff):
            return _question([_under(near or "", matches[0])])
        if 0 < len(same_name) <= MAX_SAME_NAME:
            return _question(same_name)
    return ""


def _closest_section(name: str, known: Sequence[str]) -> str | None:
    """Returns the section ("" for top-level keys), or the closest one, part by part."""
    found = ""
    for part in name.split(".") if name else ():
        sections = [each for each in _within(found, known) if _within(_under(found, each), known)]
        matches = difflib.get_close_matches(part, sections, n=1, cutoff=0.5)
        if not matches:
            return None
        found = _under(found, matches[0])
    return found


def _within(section: str, known: Iterable[str]) -> list[str]:
    """Returns the names directly below a section."""
    below = [key.rpartition(".") for key in known]
    return [last for parent, _, last in below if parent == section]


def _under(section: str, name: str) -> str:
    return f"{section}.{name}" if section else name


def _question(names: Sequence[str]) -> str:
    return f". Did you mean {either([repr(name) for name in names])}?" if names else ""


def shortened(text: str, length: int = 100) -> str:
    """Shortens a text of any length for an error message."""
    return text if len(text) <= length else f"{text[:length]}…"


def install_command(extra: str) -> str:
    """Returns the command that installs an extra, in a checkout, as no index has the package.

    `constraints.txt` lists the versions that were tested together.
    """
    return f"pip install -c constraints.txt -e '.[{extra}]'"


def either(choices: Sequence[str]) -> str:
    """Joins choices: "a", "a or b", "a, b or c"."""
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last
