"""A file that comes in part by part, and the job that makes accounts and contacts of its rows."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from crm_kit.errors import FailedPrecondition, InvalidArgument

MAX_BYTES = 50 << 20
"""Of an uploaded file."""

MAX_ERRORS = 10_000
"""Listed errors of one import; the counter of failed rows goes on."""

MAX_REPORT_BYTES = 8 << 20
"""Text of the bad rows that are kept for the report."""


class Mode(enum.StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    UPSERT = "UPSERT"


class State(enum.StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


UNDER_WAY = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in. `total_bytes` is 0 when the sender did not tell it; `sealed` once it is imported."""

    id: UUID
    file_name: str
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    content_type: str = ""
    total_bytes: int = 0
    received_bytes: int = 0
    sealed: bool = False
    owner_team_id: UUID | None = None
    version: int = 1

    def append(self, offset: int, size: int, *, now: datetime) -> "Upload":
        """With `size` more bytes at `offset`, which must be where the bytes that are here end."""
        if self.sealed:
            raise FailedPrecondition("an upload that is imported takes no more bytes")
        if offset != self.received_bytes:
            raise FailedPrecondition(
                f"the part begins at byte {offset}, but {self.received_bytes} bytes are here; go on there",
                reason="UPLOAD_OFFSET_MISMATCH",
            )
        received = offset + size
        most = self.total_bytes or MAX_BYTES
        if received > most:
            raise InvalidArgument(f"the upload may have {most} bytes and no more", reason="UPLOAD_UNREADABLE")
        return replace(self, received_bytes=received, version=self.version + 1, update_time=max(now, self.update_time))

    def seal(self, *, now: datetime) -> "Upload":
        """As it is imported: complete, and not to be changed any more."""
        if self.received_bytes < max(self.total_bytes, 1):
            expected = f" of {self.total_bytes}" if self.total_bytes else ""
            raise InvalidArgument(
                f"the upload is not complete: {self.received_bytes}{expected} bytes are here",
                reason="UPLOAD_UNREADABLE",
            )
        if self.sealed:
            return self
        return replace(self, sealed=True, version=self.version + 1, update_time=max(now, self.update_time))


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of rows. `errors` and `error_bytes` are what is kept of the failed ones, `reported` how many."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    reported: int = 0
    errors: int = 0
    error_bytes: int = 0

    @property
    def rows(self) -> int:
        return self.created + self.updated + self.skipped + self.failed


@dataclass(frozen=True, slots=True)
class Import:
    """The job. `owner_id` made it and lends it their rights; `account_owner_id` will own what it creates.

    `columns` is what was told of the columns (header to field), `mapping` what they were taken for; `header` is all
    columns of the file. Both are empty until the file was opened, `rows_total` is 0.
    """

    id: UUID
    upload_id: UUID
    file_name: str
    mode: Mode
    external_source: str
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    columns: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    account_owner_id: UUID | None = None
    owner_team_id: UUID | None = None
    state: State = State.QUEUED
    header: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    rows_total: int = 0
    counts: Counts = Counts()
    failure_reason: str = ""
    failure: str = ""
    start_time: datetime | None = None
    finish_time: datetime | None = None
    version: int = 1

    @property
    def rows_read(self) -> int:
        """How many rows are done with: where to go on."""
        return self.counts.rows

    def start(self, now: datetime) -> "Import":
        """Under way: the file is being looked through."""
        self._check_under_way("started")
        return replace(self, state=State.RUNNING, start_time=now)._changed(now)

    def begin(self, header: tuple[str, ...], mapping: Mapping[str, str], rows_total: int, now: datetime) -> "Import":
        """With what the file turned out to be; its rows come next."""
        self._check_under_way("begun")
        return replace(self, header=header, mapping=mapping, rows_total=rows_total)._changed(now)

    def advance(self, counts: Counts, now: datetime) -> "Import":
        """With more rows done."""
        self._check_under_way("carried on")
        return replace(self, counts=counts)._changed(now)

    def succeed(self, now: datetime) -> "Import":
        """All rows are done."""
        self._check_under_way("finished")
        return replace(self, state=State.SUCCEEDED, finish_time=now)._changed(now)

    def fail(self, reason: str, detail: str, now: datetime) -> "Import":
        """It cannot go on."""
        self._check_under_way("finished")
        failed = replace(self, state=State.FAILED, failure_reason=reason, failure=detail, finish_time=now)
        return failed._changed(now)

    def cancel(self, now: datetime) -> "Import":
        """Stopped by a user."""
        self._check_under_way("cancelled")
        return replace(self, state=State.CANCELLED, finish_time=now)._changed(now)

    def _check_under_way(self, verb: str) -> None:
        if self.state not in UNDER_WAY:
            raise FailedPrecondition(
                f"an import that is {self.state} cannot be {verb}; it must be {' or '.join(UNDER_WAY)}"
            )

    def _changed(self, now: datetime) -> "Import":
        return replace(self, version=self.version + 1, update_time=max(now, self.update_time))
