"""`If-Match` and `If-None-Match` of RFC 9110, as pure functions."""

import re
from zlib import crc32

from crm_gateway.problems import Problem, ProblemError, malformed

# Ends the etag of an answer in gzip.
CODED = "-gzip"
# Ends the etag of what is shown of a version: which fields, and the names of other records, which change by themselves.
_SHOWN = re.compile(r"~[0-9a-f]{8}$")
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_ENTITY_TAGS = re.compile(rf"{_ENTITY_TAG.pattern}(?:\s*,\s*{_ENTITY_TAG.pattern})*")


def etag_required(if_match: bytes) -> str | None:
    """The one etag the resource must still have; None for any."""
    header = if_match.decode("latin-1").strip()
    if header == "*":
        return None
    match = _ENTITY_TAG.fullmatch(header)
    if match is None:
        raise ProblemError(malformed("If-Match", "format", "entity_tag"))
    if match[1]:
        # A weak etag never matches strongly: the precondition is false whatever the resource.
        raise ProblemError(Problem(412, "ETAG_MISMATCH", text="ETAG_MISMATCH.weak"))
    return _SHOWN.sub("", match[2].removesuffix(CODED))


def shown_tag(etag: str, body: bytes | bytearray) -> str:
    """The etag of an answer that shows a version of a resource; as `If-Match` it stands for the version."""
    return f"{etag}~{crc32(body):08x}" if etag else ""


def known_tag(if_none_match: bytes, etag: str) -> str | None:
    """The etag as the caller has it already, coded or not, compared weakly; a header that cannot be read has none."""
    header = if_none_match.decode("latin-1").strip()
    if header == "*":
        return etag
    if not _ENTITY_TAGS.fullmatch(header):
        return None
    tags = (match[2] for match in _ENTITY_TAG.finditer(header))
    return next((tag for tag in tags if tag.removesuffix(CODED) == etag), None)


def entity_tag(etag: str) -> bytes | None:
    """An etag as the `ETag` header has it; None when there is none that could be sent."""
    quoted = f'"{etag}"'
    return quoted.encode() if etag and etag.isascii() and _ENTITY_TAG.fullmatch(quoted) else None
