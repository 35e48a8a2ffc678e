"""Passwords in addresses: found before anything is written, and left out of what is told."""

from __future__ import annotations

import re
from urllib.parse import unquote

# As SQLAlchemy reads an address, whose password may have slashes; a web server's port may not.
_NAMED = re.compile(r"(?i)(?:(?<!http)(?<!https)|(?!://[^/@:\s]*:\d+/))://[^/@:\s]*:[^@\s]+@")
_BEFORE_HOST = re.compile(r"://[^/\s]+@")
_OPTION = re.compile(
    r"(?i)([?&;][^=&;#\s]*(?:password|passwd|pwd|secret|token)[^=&;#\s]*=)[^&;#\s]+"
)


def password_in(address: str) -> bool:
    """Whether an address has a password: before its host, or among its options."""
    unbroken = "".join(address.split())
    return bool(_NAMED.search(unbroken) or _OPTION.search(unquote(unbroken)))


def without_password(text: str) -> str:
    """A text without what stands before the host in any address, and without passwords after it."""
    for pattern in (_BEFORE_HOST, _NAMED):
        text = pattern.sub("://", text)
    return _OPTION.sub(r"\1…", text)
