"""`If-Match` and `If-None-Match` of RFC 9110, as pure functions."""

import re

from crm_gateway.problems import Problem, ProblemError, malformed

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_ENTITY_TAGS = re.compile(rf"{_ENTITY_TAG.pattern}(?:\s*,\s*{_ENTITY_TAG.pattern})*")


def etag_required(if_match: bytes) -> str | None:
    """The one etag the resource must still have; None for any."""
    header = if_match.decode("latin-1").strip()
    if header == "*":
        return None
    match = _ENTITY_TAG.fullmatch(header)
    if match is None:
        raise ProblemError(malformed("If-Match", "format", "expected one etag in double quotes, or *"))
    if match[1]:
        # A weak etag never matches strongly: the precondition is false whatever the resource.
        raise ProblemError(Problem(412, "ETAG_MISMATCH", "If-Match compares strongly; a weak etag matches nothing."))
    return match[2]


def is_none_match(if_none_match: bytes, etag: str) -> bool:
    """Whether the caller has this etag already, compared weakly; a header that cannot be read has none."""
    header = if_none_match.decode("latin-1").strip()
    if header == "*":
        return True
    if not _ENTITY_TAGS.fullmatch(header):
        return False
    return etag in (match[2] for match in _ENTITY_TAG.finditer(header))


def entity_tag(etag: str) -> bytes | None:
    """An etag as the `ETag` header has it; None when there is none that could be sent."""
    quoted = f'"{etag}"'
    return quoted.encode() if etag and etag.isascii() and _ENTITY_TAG.fullmatch(quoted) else None
