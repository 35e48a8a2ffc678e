"""Turns errors into exit codes: 2 for a mistake of the user, 128 + N for signal N."""

from __future__ import annotations

import argparse
import errno
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from sweeper.common.errors import Stopped, SweeperError, shortened
from sweeper.common.passwords import without_password

NO_ROOM_OR_RIGHT = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
# Whether the user wants whole tracebacks; read before `exit_codes` sets the variable.
SHOW_ALL = os.environ.get("HYDRA_FULL_ERROR") == "1"
LONGEST_LINE = 2_000


@contextmanager
def exit_codes() -> Iterator[None]:
    """Prints an error of this project and ends with exit code 2, or 128 + N for signal N.

    If nothing reads its output any more (`| head`), it ends silently, as by SIGPIPE. Any other
    exception passes through, with its traceback and exit code 1.
    """
    # With this, Hydra lets exceptions through instead of printing them and exiting with 1.
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except KeyboardInterrupt as error:
        sys.exit(128 + (error.number if isinstance(error, Stopped) else signal.SIGINT))
    except BrokenPipeError:
        if not _output_is_closed():
            raise
        sys.exit(128 + signal.SIGPIPE)
    except SweeperError as error:
        if SHOW_ALL:
            raise
        _fail([*error.problems, *getattr(error, "__notes__", [])])
        sys.exit(error.exit_code)
    except (HydraException, OmegaConfBaseException) as error:
        if SHOW_ALL:
            raise
        _fail([first_lines(error)])
        sys.exit(2)
    except OSError as error:
        if SHOW_ALL or error.errno not in NO_ROOM_OR_RIGHT:
            raise
        _fail(
            [f"{error.filename or 'output'}: {error.strerror}; must be a place that can be written"]
        )
        sys.exit(2)
    finally:
        _flush_output()
        # Restored for what this process runs afterwards.
        del os.environ["HYDRA_FULL_ERROR"]
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def _output_is_closed() -> bool:
    """Tells whether standard output is a pipe that nothing reads any more."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _flush_output() -> None:
    """Flushes the output, so that Python doesn't complain at exit if nothing reads it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stop_in_order() -> None:
    """Makes SIGTERM and SIGHUP end this process as Ctrl-C does, so that it can clean up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` ignores SIGHUP.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _: object) -> None:
    """Stops once, as a scheduler may signal both the process and its group."""
    # Child processes would inherit `SIG_IGN`.
    signal.signal(number, lambda *_: None)
    raise Stopped(number)


def command_parser(module: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Returns the parser of `python -m MODULE`, whose help shows both texts unchanged."""
    return argparse.ArgumentParser(
        f"python -m {module}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def first_lines(error: BaseException) -> str:
    """Returns an error's message without the lines on OmegaConf's internals."""
    if isinstance(error, RecursionError):
        return "is nested too deeply; must have fewer levels"
    lines = [line.strip() for line in str(error).splitlines()]
    inner = ("full_key:", "object_type=", "reference_type=")
    text = " ".join(line for line in lines if line and not line.startswith(inner))
    key = getattr(error, "full_key", None)
    return text if not key or key in text else f"{key}: {text}"


def _fail(problems: list[str]) -> None:
    for problem in problems:
        lines = without_password(problem).splitlines()
        text = "\n".join(shortened(line, LONGEST_LINE) for line in lines)
        print(f"error: {text}", file=sys.stderr)
