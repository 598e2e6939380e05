"""A job: what is done to many records, carried out in the name of who asked for it."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.errors import CrmError, FailedPrecondition, FieldViolation, denied, wrong_state

MAX_RECORDS = 50_000
"""Of one job."""

MAX_UNDER_WAY = 20
"""Jobs of a tenant that are not done."""

FILE_LASTS = timedelta(days=7)
"""The file of an export, from its end on."""


class Kind(enum.StrEnum):
    BULK_CHANGE = "BULK_CHANGE"
    IMPORT = "IMPORT"
    EXPORT = "EXPORT"
    DUPLICATE_SCAN = "DUPLICATE_SCAN"


class State(enum.StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


UNDER_WAY = (State.QUEUED, State.RUNNING)


class Outcome(enum.StrEnum):
    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one record; why, where it was refused."""

    outcome: Outcome
    record_etag: str | None = None
    reason: str | None = None
    detail: str | None = None
    violations: Sequence[FieldViolation] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Fields as in the contract. Methods return the changed one.

    Its records have positions from 1 on and have their turns in that order, so `done_count` is the last one done.
    """

    id: UUID
    collection: str
    verb: str
    filter: str
    total_count: int
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    kind: Kind = Kind.BULK_CHANGE
    request: Mapping[str, object] = field(default_factory=dict)
    state: State = State.QUEUED
    changed_count: int = 0
    unchanged_count: int = 0
    failed_count: int = 0
    skipped_count: int = 0
    failure_reason: str | None = None
    failure: str | None = None
    start_time: datetime | None = None
    finish_time: datetime | None = None
    file_delete_time: datetime | None = None

    @property
    def done_count(self) -> int:
        """How many records have had their turn."""
        return self.changed_count + self.unchanged_count + self.failed_count

    @property
    def expire_time(self) -> datetime | None:
        """Until when there is a file of it; None where there is none."""
        has_file = self.kind is Kind.EXPORT and self.state is State.SUCCEEDED and self.file_delete_time is None
        return self.finish_time + FILE_LASTS if has_file and self.finish_time is not None else None

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    def without_file(self, now: datetime) -> "Job":
        """Its file is deleted before its time."""
        return replace(self, file_delete_time=now)

    def start(self, now: datetime) -> "Job":
        """Under way."""
        self._check_under_way("started")
        return replace(self, state=State.RUNNING, start_time=now)

    def advance(self, outcomes: Iterable[Outcome]) -> "Job":
        """With the outcomes of the next records, in any order."""
        self._check_under_way("carried on")
        told = list(outcomes)
        return replace(
            self,
            changed_count=self.changed_count + told.count(Outcome.CHANGED),
            unchanged_count=self.unchanged_count + told.count(Outcome.UNCHANGED),
            failed_count=self.failed_count + told.count(Outcome.FAILED),
        )

    def succeed(self, now: datetime) -> "Job":
        """All records have had their turn."""
        self._check_under_way("finished")
        return self._ended(State.SUCCEEDED, now)

    def fail(self, error: CrmError, now: datetime) -> "Job":
        """It cannot go on."""
        self._check_under_way("finished")
        return replace(self._ended(State.FAILED, now), failure_reason=error.reason, failure=error.detail)

    def cancel(self, now: datetime) -> "Job":
        """Stopped by somebody."""
        self._check_under_way("cancelled")
        return self._ended(State.CANCELLED, now)

    def check_may_cancel(self, by: UUID, *, answers_for_all: bool) -> None:
        """PermissionDenied for who neither began it nor `answers_for_all` records of the collection."""
        if by != self.owner_id and not answers_for_all:
            detail = "only who began a job, or who may do the same to all records of the collection, cancels it"
            raise denied("not_asker", detail)

    def _ended(self, state: State, now: datetime) -> "Job":
        return replace(self, state=state, skipped_count=self.total_count - self.done_count, finish_time=now)

    def _check_under_way(self, verb: str) -> None:
        if not self.is_under_way:
            raise wrong_state("job", self.state, verb, legal=UNDER_WAY)


def check_count(count: int) -> None:
    """FailedPrecondition for more records than one job may have; `count` is cut off beyond that."""
    if count > MAX_RECORDS:
        detail = f"the filter takes more than {MAX_RECORDS} records, which is the most that one job may have"
        raise FailedPrecondition(detail, reason="JOB_TOO_MANY_RECORDS", metadata={"most": str(MAX_RECORDS)})


def check_expected(count: int, expected: int) -> None:
    """FailedPrecondition for another number of records than the caller has counted."""
    check_count(count)
    if count != expected:
        values = {"count": str(count), "expected_count": str(expected)}
        detail = f"records that the filter takes: {count}; expected: {expected}; nothing was begun"
        raise FailedPrecondition(detail, reason="JOB_COUNT_MISMATCH", metadata=values)


def check_room(under_way: int) -> None:
    """FailedPrecondition while a tenant has as many jobs under way as it may."""
    if under_way >= MAX_UNDER_WAY:
        detail = f"{under_way} jobs are under way; wait until one has ended, or cancel one"
        raise FailedPrecondition(detail, reason="JOB_LIMIT_REACHED", metadata={"most": str(MAX_UNDER_WAY)})


def refused_by(error: CrmError) -> Result:
    """What became of a record that was refused: as a caller would have been told."""
    return Result(Outcome.FAILED, None, error.reason, error.detail, error.violations)
