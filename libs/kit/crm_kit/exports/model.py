"""An export: how a list is asked for, how far it has been read, and what is kept of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

VERB = "export"
PAGE_SIZE = 200
"""Records that are read at a time."""
PART_BYTES = 1 << 20
"""Of records that are kept together; one that is larger is kept by itself."""
MAX_BYTES = 1 << 30
"""Of all records of an export."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file is to be: which records in which order, and how they are written."""

    filter: str
    order_by: str
    format: str
    fields: tuple[str, ...]
    language: str
    time_zone: str

    @property
    def request(self) -> Mapping[str, object]:
        """As the job has it, beside its filter; what is not set is left out."""
        told = {
            "format": self.format,
            "order_by": self.order_by,
            "fields": list(self.fields),
            "language": self.language,
            "time_zone": self.time_zone,
        }
        return {name: value for name, value in told.items() if value}

    @classmethod
    def of(cls, filter: str, request: Mapping[str, Any]) -> "Asked":
        """What a job was asked for."""
        return cls(
            filter=filter,
            order_by=request.get("order_by", ""),
            format=request["format"],
            fields=tuple(request.get("fields", ())),
            language=request.get("language", ""),
            time_zone=request.get("time_zone", ""),
        )


@dataclass(frozen=True, slots=True)
class Export:
    """What a job that is an export has besides: the page of its list that comes next, and what its records take."""

    job_id: UUID
    page_token: str
    size_bytes: int
    expire_time: datetime


def room_of_exports(max_tenant_bytes: int) -> int:
    """Up to where exports fill the room of a tenant's files; what comes unasked by mail, up to four fifths.

    So exports never keep files of customers out.
    """
    return max_tenant_bytes * 3 // 5


def in_parts(records: Iterable[bytes], most: int) -> Iterator[Sequence[bytes]]:
    """The records in their order, in as few parts as have `most` bytes each; a larger record is a part of its own."""
    part: list[bytes] = []
    size = 0
    for record in records:
        if part and size + len(record) > most:
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record)
    if part:
        yield part
