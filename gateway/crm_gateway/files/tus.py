"""What the tus protocol 1.0 has in its headers (https://tus.io/protocols/resumable-upload)."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from crm_gateway.problems import Problem, ProblemError, malformed

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
BODY = "application/offset+octet-stream"
HEADERS = {"tus-resumable": VERSION, "cache-control": "no-store"}
# What clients write there of a file, by what is asked for here.
_NAMES = ("filename", "name")


@dataclass(frozen=True, slots=True)
class Creation:
    """What a creation says of the file."""

    name: str
    size_bytes: int
    sha256: str
    description: str


def check_version(headers: Mapping[bytes, bytes]) -> None:
    """ProblemError 412 for a client of another version of the protocol."""
    if headers.get(b"tus-resumable") != VERSION.encode():
        told = ((b"tus-version", VERSION.encode()),)
        raise ProblemError(Problem(412, "INVALID_ARGUMENT", headers=told, text="INVALID_ARGUMENT.tus_version"))


def creation_of(headers: Mapping[bytes, bytes]) -> Creation:
    """What the headers of a creation say; ProblemError INVALID_ARGUMENT where they cannot be read."""
    told = metadata_of(headers.get(b"upload-metadata", b"").decode("latin-1"))
    return Creation(
        name=next((told[each] for each in _NAMES if told.get(each)), ""),
        size_bytes=number_of(headers, "Upload-Length"),
        sha256=told.get("sha256", ""),
        description=told.get("description", ""),
    )


def metadata_of(header: str) -> dict[str, str]:
    """`filename d29ybGQ=,is_confidential` as texts by their keys."""
    found = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ProblemError(malformed("Upload-Metadata", "format", "tus_metadata")) from None
    return found


def number_of(headers: Mapping[bytes, bytes], name: str) -> int:
    """A number of bytes from a header."""
    value = headers.get(name.lower().encode(), b"")
    if not value.isdigit() or len(value) > 18:
        raise ProblemError(malformed(name, "format", "bytes"))
    return int(value)
