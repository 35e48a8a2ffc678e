"""Runs programs in forks of one process, which has imported what takes seconds to import.

A script; `processes.py` starts it with the number of a connection as its argument.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

STANDARD_STREAMS = ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY))


@dataclass(frozen=True)
class Request:
    """A program to run.

    Attributes:
      program: the path of a script, or the name of a module.
      environment: all of its variables; `PYTHONPATH` is among them.
      streams: the files of its standard input, output and error.
    """

    program: str
    arguments: tuple[str, ...]
    directory: str
    environment: dict[str, str]
    streams: tuple[str, str, str]


def serve(connection: Connection) -> Request | None:
    """Forks for each request and sends the child's process number, then its exit code.

    Returns:
      The request, in the child; None in the server once the connection is closed.
    """
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return None
        child = os.fork()
        if child == 0:
            connection.close()
            return request
        connection.send(child)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def run(request: Request) -> None:
    """Runs a program as a new interpreter would; this interpreter ends as that one would."""
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    for (number, flags), path in zip(STANDARD_STREAMS, request.streams, strict=True):
        file = os.open(path, flags)
        os.dup2(file, number)
        os.close(file)
    is_script = request.program.endswith(".py")
    first = str(Path(request.program).parent) if is_script else request.directory
    # In place of this script's folder and of the server's own PYTHONPATH.
    sys.path[:2] = [first, *request.environment["PYTHONPATH"].split(os.pathsep)]
    sys.argv[:] = [request.program, *request.arguments]
    sys.orig_argv[1:] = [*([] if is_script else ["-m"]), *sys.argv]
    if is_script:
        runpy.run_path(request.program, run_name="__main__")
    else:
        runpy.run_module(request.program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # What a trial, a study and its report import as they go.
    for name in (
        "alembic.context", "matplotlib.pyplot", "plotly.graph_objects", "scipy.stats",
        "sweeper.cli.command_line", "sweeper.report.report", "sweeper.study.runner",
        "sweeper.two_tower.trial.repeats", "tensorflow_recommenders",
    ):  # fmt: skip
        importlib.import_module(name)
    # What is imported is shared: the children's collections must not write to it.
    gc.freeze()
    requested = serve(Connection(int(sys.argv[1])))
    if requested is not None:
        run(requested)
