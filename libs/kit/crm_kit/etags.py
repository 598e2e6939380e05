"""Etags: the version of a resource as callers see it. They compare etags for equality and read nothing into them."""

import re

from crm_kit.errors import EtagMismatch

CHANGED = "it has changed since you read it: read it again, then repeat your change"
UNKNOWN = "this is no etag that the record has had: read it, and send the etag of the answer"
_ETAG = re.compile(r"v(0|[1-9][0-9]{0,18})")


def etag_of(version: int) -> str:
    """The etag of a version (0, 1, 2 ...), without the quotes that HTTP puts around it."""
    if version < 0:
        raise ValueError(f"a version is not negative: {version}")
    return f"v{version}"


def version_of(etag: str) -> int | None:
    """The version an etag stands for; None when `etag_of` cannot have made it."""
    match = _ETAG.fullmatch(etag)
    return int(match[1]) if match else None


def check_etag(sent: str, version: int) -> None:
    """Raise EtagMismatch when a caller sent an etag and it is not the one of this version."""
    if sent and sent != etag_of(version):
        raise EtagMismatch(CHANGED)
