"""A real PostgreSQL server on a loopback port, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "sweeper", "pass:word/with@signs"


def _programs() -> Path | None:
    """Where Debian has the server's programs, the newest version of several."""
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return max(found, key=lambda place: float(place.parent.name), default=None)


PROGRAMS = _programs()


@dataclass
class Server:
    """A server that tests start, stop and fill with databases."""

    directory: Path
    port: int
    _databases: int = field(default=0)

    def start(self, *settings: str) -> None:
        options = [
            f"-p {self.port}",
            "-c listen_addresses=127.0.0.1",
            f"-c unix_socket_directories={self.directory}",
            *(f"-c {setting}" for setting in settings),
        ]
        self._control("start", "-o", " ".join(options), "-l", str(self.directory / "log"))

    def stop(self) -> None:
        """At once, with all connections broken."""
        self._control("stop", "-m", "immediate")

    def url(self, database: str | None = None) -> str:
        """Of a new database, unless one is named."""
        if database is None:
            self._databases += 1
            database = f"studies_{self._databases}"
            self.run("createdb", database)
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> str:
        """One of PostgreSQL's own programs, as the user that owns all databases."""
        assert PROGRAMS is not None
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        return subprocess.run(
            [PROGRAMS / program, *place, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        ).stdout

    def _control(self, *arguments: str) -> None:
        _as_postgres(self.directory, "pg_ctl", "-D", str(self.directory / "data"), "-w", *arguments)


@contextmanager
def running_server() -> Iterator[Server]:
    """Starts a server that takes a password from everybody, and removes it at the end."""
    with tempfile.TemporaryDirectory(prefix="sweeper_postgresql_") as place:
        directory = Path(place)
        if os.getuid() == 0:
            # A server refuses to run as root; Debian's package brings the user.
            shutil.chown(directory, "postgres")
        secret = directory / "secret"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:
            shutil.chown(secret, "postgres")
        _as_postgres(
            directory, "initdb", "-D", str(directory / "data"), "-U", USER, "-A", "scram-sha-256",
            f"--pwfile={secret}",
        )  # fmt: skip
        server = Server(directory, free_port())
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # A test may have stopped it.
                server.stop()


def free_port() -> int:
    """A port of this machine that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_postgres(directory: Path, program: str, *arguments: str) -> None:
    assert PROGRAMS is not None
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    subprocess.run(
        [PROGRAMS / program, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=directory,
        **user,  # type: ignore[call-overload]
    )
