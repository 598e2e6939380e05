"""A file that comes in part by part, and the job that makes accounts and contacts of its rows."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.errors import (
    CrmError,
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    illegal_state,
    invalid_field,
    wrong_state,
)
from crm_kit.phone_numbers import check_phone_country
from crm_kit.regions import DEFAULT_REGION

from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.mapping import Field, check_given

DEFAULT_SOURCE = "spreadsheet"
"""The system whose keys a column of external ids has when it names none."""

"""The country of phone numbers and states where neither the row nor the import names one, as of accounts."""

MAX_BYTES = 50 << 20
"""Of an uploaded file."""

MAX_TENANT_BYTES = 5 << 30
"""Of the files that a tenant has uploaded and that are still there: all tenants share the disk."""

MAX_USER_BYTES = MAX_TENANT_BYTES // 2
"""Of those that one user has uploaded, so that there is room for colleagues."""

MIN_COUNTED_BYTES = 1 << 20
"""What a file counts at least, so that there are not any number of small ones."""

STANDS_STILL = timedelta(minutes=20)
"""After so long without a part an upload keeps room for what is here only.

On the slowest line that the gateway takes, 1,000 bytes a second, a part of 1 MiB needs 17.5 minutes.
"""

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
    """A file on its way in.

    `total_bytes` is 0 until the sender has told it or the end is here; `held_bytes` is the room that is kept for it;
    `sealed` once it is imported.
    """

    id: UUID
    file_name: str
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    content_type: str = ""
    total_bytes: int = 0
    received_bytes: int = 0
    held_bytes: int = 0
    sealed: bool = False
    owner_team_id: UUID | None = None
    version: int = 1

    @property
    def expected_bytes(self) -> int:
        """What it may come to."""
        return self.total_bytes or MAX_BYTES

    @property
    def counted_bytes(self) -> int:
        """What it takes of the tenant's room."""
        return max(self.held_bytes, MIN_COUNTED_BYTES)

    def append(self, offset: int, size: int) -> "Upload":
        """With `size` more bytes at `offset`, which must be where the bytes that are here end."""
        if self.sealed:
            raise illegal_state("upload_sealed", "an upload that is imported takes no more bytes")
        self._check_ends_at(offset)
        received = offset + size
        most = self.expected_bytes
        if received > most:
            told = {"rule": "too_many_bytes", "max_bytes": str(most)}
            detail = f"the upload may have {most} bytes and no more"
            raise InvalidArgument(detail, reason="UPLOAD_UNREADABLE", metadata=told)
        # If its room was given back, it takes all of it anew.
        has_room = received <= self.held_bytes
        return replace(self, received_bytes=received, held_bytes=self.held_bytes if has_room else most)

    def end(self, size: int) -> "Upload":
        """Complete, with `size` bytes, which must all be here."""
        self._check_ends_at(size)
        self._check_complete()
        return replace(self, total_bytes=size, held_bytes=size)

    def seal(self) -> "Upload":
        """As it is imported: complete, and not to be changed any more."""
        return replace(self.end(self.received_bytes), sealed=True)

    def _check_ends_at(self, offset: int) -> None:
        if offset != self.received_bytes:
            raise FailedPrecondition(
                f"the part begins at byte {offset}, but {self.received_bytes} bytes are here; go on there",
                reason="UPLOAD_OFFSET_MISMATCH",
                metadata={"offset": str(offset), "received_bytes": str(self.received_bytes)},
            )

    def _check_complete(self) -> None:
        if self.received_bytes < max(self.total_bytes, 1):
            told = {"rule": "incomplete", "received_bytes": str(self.received_bytes)}
            expected = ""
            if self.total_bytes:
                told["total_bytes"] = str(self.total_bytes)
                expected = f" of {self.total_bytes}"
            detail = f"the upload is not complete: {self.received_bytes}{expected} bytes are here"
            raise InvalidArgument(detail, reason="UPLOAD_UNREADABLE", metadata=told)


def check_room(more: int, *, of_tenant: int, of_user: int) -> None:
    """Raise ResourceExhausted when so many more bytes are too much beside those that a tenant and the user have."""
    for rule, whose, held, most in (
        ("uploads", "", of_tenant, MAX_TENANT_BYTES),
        ("own_uploads", " by this user", of_user, MAX_USER_BYTES),
    ):
        if held + more > most:
            raise ResourceExhausted(
                f"the files uploaded{whose} and still here take {held} of {most} bytes, and this one needs {more}; "
                "delete uploads that nobody needs, or wait until the oldest are gone",
                retry_after_seconds=int(STANDS_STILL.total_seconds()),
                metadata={"rule": rule, "held_bytes": str(held), "max_bytes": str(most), "needed_bytes": str(more)},
            )


@dataclass(frozen=True, slots=True)
class ImportColumn:
    """A column of the file, and the field that it is; empty if it is none."""

    column: str
    field: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What some more rows add to the counters of an import."""

    created_count: int
    updated_count: int
    skipped_count: int
    failed_count: int
    partial_count: int
    reported_count: int
    disagreeing_count: int
    error_count: int
    error_bytes: int


@dataclass(frozen=True, slots=True)
class Import:
    """The job. `owner_id` made it and lends it their rights; `account_owner_id` will own what it creates.

    With `keep_opportunities`, accounts that get another owner leave their open opportunities with the former one.

    What rows say stands among what `value_source` says of their accounts, if there is one, as found at `observed_time`;
    with `keep_values` accounts that are there keep what they have.

    `feed_delivery_id` is the delivery of a feed that it carries out, if it does.

    `columns` is what was told of the columns, `mapping` what all columns of the file were taken for. It is empty,
    and `rows_total` None, until the file was opened. `layout` is what was told of the file, `read_layout` how it was
    read then. `error_count` and `error_bytes` are what is kept of bad rows.
    """

    id: UUID
    upload_id: UUID
    file_name: str
    mode: Mode
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    external_source: str = DEFAULT_SOURCE
    default_region: str = DEFAULT_REGION
    columns: tuple[ImportColumn, ...] = ()
    layout: Layout | None = None
    read_layout: Layout | None = None
    skip_invalid_cells: bool = False
    dry_run: bool = False
    keep_opportunities: bool = False
    value_source: str = ""
    keep_values: bool = False
    observed_time: datetime | None = None
    account_owner_id: UUID | None = None
    feed_delivery_id: UUID | None = None
    owner_team_id: UUID | None = None
    state: State = State.QUEUED
    mapping: tuple[ImportColumn, ...] = ()
    rows_total: int | None = None
    created_count: int = 0
    updated_count: int = 0
    skipped_count: int = 0
    failed_count: int = 0
    reported_count: int = 0
    partial_count: int = 0
    disagreeing_count: int = 0
    error_count: int = 0
    error_bytes: int = 0
    failure_reason: str | None = None
    failure: str | None = None
    failure_metadata: Mapping[str, str] = field(default_factory=dict)
    start_time: datetime | None = None
    finish_time: datetime | None = None

    @property
    def rows_read(self) -> int:
        """How many rows are done with: where to go on."""
        return self.created_count + self.updated_count + self.skipped_count + self.failed_count

    @property
    def header(self) -> tuple[str, ...]:
        """The file's columns."""
        return tuple(each.column for each in self.mapping)

    def checked(self) -> "Import":
        """The import, unless what was told of the columns makes no sense. Which there are, only the file knows."""
        check_given([(each.column, each.field) for each in self.columns], path="job.columns")
        check_phone_country(self.default_region, field="job.default_region")
        at = next((at for at, each in enumerate(self.columns) if each.field == Field.ID), None)
        if self.mode is Mode.CREATE and at is not None:
            detail = "an id names an account that is there, and mode CREATE makes new ones; use UPSERT or UPDATE"
            raise invalid_field(f"job.columns[{at}].field", "mapping.mode", detail)
        check_source(self.value_source, place="job", keep_values=self.keep_values)
        if self.observed_time is not None and not self.value_source:
            raise invalid_field("job.observed_time", "source_needed", "is of a value_source, and there is none")
        return self

    def start(self, now: datetime) -> "Import":
        """Under way: the file is being looked through."""
        self._check_under_way("started")
        return replace(self, state=State.RUNNING, start_time=now)

    def begin(self, mapping: tuple[ImportColumn, ...], rows_total: int, layout: Layout) -> "Import":
        """With what the file turned out to be; its rows come next."""
        self._check_under_way("begun")
        return replace(self, mapping=mapping, rows_total=rows_total, read_layout=layout)

    def advance(self, progress: "Progress") -> "Import":
        """With so many more rows done, and so much kept of what is wrong with them."""
        self._check_under_way("carried on")
        more = {name: getattr(self, name) + getattr(progress, name) for name in Progress.__slots__}
        return replace(self, **more)

    def succeed(self, now: datetime) -> "Import":
        """All rows are done."""
        self._check_under_way("finished")
        return replace(self, state=State.SUCCEEDED, finish_time=now)

    def fail(self, error: CrmError, now: datetime) -> "Import":
        """It cannot go on."""
        self._check_under_way("finished")
        return replace(
            self,
            state=State.FAILED,
            failure_reason=error.reason,
            failure=error.detail,
            failure_metadata=error.metadata,
            finish_time=now,
        )

    def cancel(self, now: datetime) -> "Import":
        """Stopped by a user."""
        self._check_under_way("cancelled")
        return replace(self, state=State.CANCELLED, finish_time=now)

    def _check_under_way(self, verb: str) -> None:
        if self.state not in UNDER_WAY:
            raise wrong_state("import", self.state, verb, legal=UNDER_WAY)


def check_source(value_source: str, *, place: str, keep_values: bool) -> None:
    """InvalidArgument where values are kept and nobody says what differs from them: it would be lost in silence."""
    if keep_values and not value_source:
        detail = "is required with keep_values, or what differs would be lost"
        raise invalid_field(f"{place}.value_source", "source_of_kept", detail)


def fields_of(columns: Iterable[ImportColumn]) -> dict[str, str]:
    """Column to field."""
    return {each.column: each.field for each in columns}
