from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sweeper.two_tower.data.sources import why_unreachable


class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/here" else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def test_a_host_that_answers(server: str) -> None:
    assert why_unreachable(f"{server}/here") is None


def test_a_host_that_refuses_the_file(server: str) -> None:
    assert why_unreachable(f"{server}/gone") == "it answered 404 Not Found"


def test_a_host_that_cannot_be_resolved_is_known_within_ten_seconds() -> None:
    start = time.monotonic()
    reason = why_unreachable("https://no-such-host.invalid/file.zip")
    assert reason is not None
    assert "no-such-host.invalid" in reason
    assert time.monotonic() - start < 10


def test_a_host_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        reason = why_unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.5)
        assert reason
        assert time.monotonic() - start < 2


def test_a_name_lookup_that_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def block(*_: object, **__: object) -> None:
        time.sleep(2)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", block)
    start = time.monotonic()
    assert why_unreachable("https://example.invalid/", 0.5) == "no answer within 0.5 s"
    assert time.monotonic() - start < 2
