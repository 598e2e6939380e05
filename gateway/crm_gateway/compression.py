"""Answers in gzip for who asks for it (RFC 9110): large ones only, and none that is compressed or streamed.

A coded answer is another representation, so its strong etag ends in `-gzip`; preconditions take it with and without.
"""

import asyncio
import re
import zlib
from collections.abc import Iterable

from crm_gateway.preconditions import CODED

Header = tuple[bytes, bytes]

# Less fits into one packet anyway.
MIN_BYTES = 1400
# What is larger would hold the event loop for milliseconds: it is compressed on a thread.
MAX_BYTES_AT_ONCE = 256 * 1024
# Higher levels of zlib take ten times as long for a list and save a tenth of it.
_LEVEL = 3
_GZIP = 16 + zlib.MAX_WBITS
_TYPES = re.compile(rb"application/(?:[a-z]+\+)?json|text/.*", re.IGNORECASE)
_NEVER = re.compile(rb"0(?:\.0{0,3})?")


def accepts_gzip(accept_encoding: bytes | None) -> bool:
    """Whether the header says that gzip is welcome; `*` says so too."""
    weights = dict(_weight(part) for part in (accept_encoding or b"").lower().split(b",") if part.strip())
    weight = weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*")))
    return weight is not None and not _NEVER.fullmatch(weight)


def _weight(part: bytes) -> tuple[bytes, bytes]:
    coding, _, parameter = part.partition(b";")
    name, _, value = parameter.partition(b"=")
    return coding.strip(), value.strip() if name.strip() == b"q" else b"1"


def is_worth_it(headers: Iterable[Header], size: int) -> bool:
    """Whether an answer of this size is text that is not coded yet."""
    if size < MIN_BYTES:
        return False
    found = dict(headers)
    return b"content-encoding" not in found and _TYPES.match(found.get(b"content-type", b"")) is not None


async def gzipped(body: bytes | bytearray) -> bytes:
    """The body in gzip."""
    return _gzip(body) if len(body) <= MAX_BYTES_AT_ONCE else await asyncio.to_thread(_gzip, body)


def _gzip(body: bytes | bytearray) -> bytes:
    coder = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return coder.compress(body) + coder.flush()


def coded(headers: Iterable[Header], size: int) -> list[Header]:
    """The headers of an answer once it is in gzip and has this size."""
    kept = [_coded_etag(header) for header in headers if header[0] != b"content-length"]
    return [*kept, (b"content-encoding", b"gzip"), (b"content-length", b"%d" % size)]


def _coded_etag(header: Header) -> Header:
    name, value = header
    if name == b"etag" and value.startswith(b'"'):
        return name, value[:-1] + CODED.encode() + b'"'
    return header
