"""Finds passwords in addresses, and removes them from what is printed."""

from __future__ import annotations

import re
from urllib.parse import unquote

# As in SQLAlchemy, a password may contain slashes; the port of a web server may not.
_NAMED = re.compile(r"(?i)(?:(?<!http)(?<!https)|(?!://[^/@:\s]*:\d+/))://[^/@:\s]*:[^@\s]+@")
_BEFORE_HOST = re.compile(r"://[^/\s]+@")
_OPTION = re.compile(
    r"(?i)([?&;][^=&;#\s]*(?:password|passwd|pwd|secret|token)[^=&;#\s]*=)[^&;#\s]+"
)


def password_in(address: str) -> bool:
    """Tells whether an address contains a password: before its host, or in its options."""
    unbroken = "".join(address.split())
    return bool(_NAMED.search(unbroken) or _OPTION.search(unquote(unbroken)))


def without_password(text: str) -> str:
    """Removes from a text what precedes the host in addresses, and passwords in their options."""
    for pattern in (_BEFORE_HOST, _NAMED):
        text = pattern.sub("://", text)
    return _OPTION.sub(r"\1…", text)
