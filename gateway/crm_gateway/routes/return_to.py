"""Where a browser may be sent back to after it was away: to a path of ours or a page of an allowed origin."""

from collections.abc import Collection
from urllib.parse import quote, urlsplit, urlunsplit

MAX_LENGTH = 1000
PARAMETER = "sign_in_error"


def is_safe(return_to: str, allowed_origins: Collection[str]) -> bool:
    """Whether it leads nowhere but to our own pages or those of the origins named, however a browser reads it."""
    # Browsers drop tabs and line breaks, and take a backslash for a slash.
    if len(return_to) > MAX_LENGTH or not return_to.isascii() or set(return_to) & set(" \\\x7f"):
        return False
    if not return_to.isprintable():
        return False
    if return_to.startswith("/"):
        return not return_to.startswith("//")
    try:
        parts = urlsplit(return_to)
    except ValueError:
        return False
    # `*` is no origin: it does not send people anywhere.
    return f"{parts.scheme}://{parts.netloc}" in allowed_origins and return_to.startswith(parts.scheme)


def with_reason(return_to: str, reason: str) -> str:
    """The same place, told why nobody is signed in."""
    parts = urlsplit(return_to)
    query = "&".join(filter(None, (parts.query, f"{PARAMETER}={quote(reason)}")))
    return urlunsplit(parts._replace(query=query))
