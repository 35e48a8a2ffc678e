"""Decides within seconds whether a host answers.

TFDS retries a host whose name can't be resolved for more than three minutes,
and resolving a name can't be given a time limit: so ask first, in a thread that
may be left behind.
"""

from __future__ import annotations

import re
import threading

DEADLINE_SECONDS = 8.0


def why_unreachable(url: str, deadline_seconds: float = DEADLINE_SECONDS) -> str | None:
    """None where `url` answers a HEAD request with success, otherwise the reason."""
    reasons: list[str | None] = []
    thread = threading.Thread(
        target=lambda: reasons.append(_ask(url, deadline_seconds)), daemon=True
    )
    thread.start()
    thread.join(deadline_seconds)
    return reasons[0] if reasons else f"no answer within {deadline_seconds:g} s"


def _ask(url: str, timeout_seconds: float) -> str | None:
    import requests  # what TFDS downloads with: the same proxies and certificates

    try:
        response = requests.head(url, timeout=timeout_seconds, allow_redirects=True)
    except (OSError, ValueError) as error:  # requests's own errors are OSErrors
        return _innermost(error)
    return None if response.ok else f"it answered {response.status_code} {response.reason}"


def _innermost(error: BaseException) -> str:
    """The last part of a nested network error, which says what went wrong."""
    words = re.sub(r"""["']\)+$""", "", str(error).rsplit(": ", 1)[-1])
    return words or type(error).__name__
