"""An attachment, the upload that it comes from, and what may be attached."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import FailedPrecondition, InvalidArgument, denied, invalid_field

UPLOAD_LASTS = timedelta(days=1)
# As long as a part may be on its way to the store.
PART_LASTS = timedelta(hours=1)
MAX_NAME_BYTES = 255
"""As file systems have it: a name that nobody could save is none."""
_SEPARATORS = frozenset("/\\")
# Control characters, and those that turn the writing round: `‮fdp.exe` would be read as `exe.pdf`.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class State(StrEnum):
    AVAILABLE = "AVAILABLE"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    record_id: UUID
    name: str
    description: str
    size_bytes: int
    content_type: str
    sha256: str
    has_preview: bool
    creator_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: State = State.AVAILABLE
    delete_time: datetime | None = None
    deleter_id: UUID | None = None

    def delete(self, by: UUID, *, may_change_record: bool, now: datetime) -> "Attachment":
        """Without its bytes, by who attached it or by somebody who may change the record."""
        if by != self.creator_id and not may_change_record:
            raise denied("not_attacher", "only who attached a file, or who may change the record, deletes it")
        if self.state is State.DELETED:
            return self
        return replace(self, state=State.DELETED, delete_time=now, deleter_id=by)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way; fields as those of `AttachmentUpload` in the contract."""

    id: UUID
    collection: str
    record_id: UUID
    name: str
    description: str
    size_bytes: int
    sha256: str | None
    creator_id: UUID
    expire_time: datetime
    create_time: datetime
    update_time: datetime
    version: int = 1
    received_bytes: int = 0
    complete: bool = False

    def append(self, offset: int, size: int, *, now: datetime) -> "Upload":
        """With `size` more bytes at `offset`, which must be where the bytes that are here end."""
        if offset != self.received_bytes:
            raise FailedPrecondition(
                f"the part begins at byte {offset}, but {self.received_bytes} bytes are here; go on there",
                reason="UPLOAD_OFFSET_MISMATCH",
                metadata={"offset": str(offset), "received_bytes": str(self.received_bytes)},
            )
        received = offset + size
        if received > self.size_bytes:
            raise refused(
                "too_many_bytes",
                f"the file has {self.size_bytes} bytes, as was said, and no more",
                max_bytes=self.size_bytes,
            )
        complete = received == self.size_bytes
        return replace(
            self,
            received_bytes=received,
            complete=complete,
            version=self.version + 1,
            update_time=max(now, self.update_time),
        )


def refused(rule: str, detail: str, **values: object) -> InvalidArgument:
    """The file is not taken; `rule` says why."""
    told = {name: str(value) for name, value in values.items()}
    return InvalidArgument(detail, reason="ATTACHMENT_REFUSED", metadata={"rule": rule, **told})


def check_size(size_bytes: int, most: int) -> None:
    """InvalidArgument for a file that is larger than the installation takes."""
    if size_bytes > most:
        raise refused(
            "too_large",
            f"the file has {size_bytes} bytes, and files have at most {most}",
            bytes=size_bytes,
            max_bytes=most,
        )


def checked_name(name: str) -> str:
    """The name as it is kept, without blanks around it; InvalidArgument for what is none.

    A path is refused rather than cut: whoever sends one means something else than its last part.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if name in ("", ".", ".."):
        raise invalid_field("name", "file_name", "must be the name of a file")
    if any(each in _SEPARATORS for each in name):
        raise invalid_field("name", "file_name_path", "must be a name and no path: without / and \\")
    if any(unicodedata.category(each) in _UNSAFE or each in _TURNING for each in name):
        raise invalid_field(
            "name", "file_name_signs", "must have no control characters, nor such that turn the writing"
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise invalid_field("name", "file_name_bytes", f"must have at most {MAX_NAME_BYTES} bytes in UTF-8")
    return name
