"""A delivery of a feed: a file for a day, and whose turn it is among those of its feed. Pure."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.errors import CrmError, denied, illegal_state, invalid_field, wrong_state

from crm_customer.imports.model import Mode

NOUN = "feed_delivery"
# Of a feed, that have not ended: more than come while a person is away for a week.
MAX_OPEN = 60
# Other systems may be ahead of the tenant's clock by a day, and no more: a day of the far future would hold all others.
AHEAD = timedelta(days=1)


class State(enum.StrEnum):
    RECEIVED = "RECEIVED"
    HELD = "HELD"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"


OPEN = (State.RECEIVED, State.HELD, State.WAITING, State.RUNNING)
NOT_BEGUN = (State.RECEIVED, State.HELD, State.WAITING)
# What nothing came of: another one for the same day repeats nothing.
VAIN = (State.FAILED, State.REJECTED, State.WITHDRAWN)


class HeldReason(enum.StrEnum):
    TOTALS_DIFFER = "TOTALS_DIFFER"
    KEYS_MISSING = "KEYS_MISSING"
    OUT_OF_ORDER = "OUT_OF_ORDER"


@dataclass(frozen=True, slots=True)
class ColumnSum:
    """What a column adds up to, as a plain number; an empty text where it adds up to nothing."""

    column: str
    sum: str = ""

    def is_met_by(self, found: "ColumnSum") -> bool:
        """Whether another sum is the same number."""
        return bool(self.sum and found.sum) and Decimal(self.sum) == Decimal(found.sum)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a file turned out to have; `sums` are of the columns of its control totals, in their order."""

    rows: int
    keyless_rows: int
    rows_with_id: int = 0
    sums: tuple[ColumnSum, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of its rows."""

    created_count: int = 0
    updated_count: int = 0
    skipped_count: int = 0
    failed_count: int = 0
    disagreeing_count: int = 0


@dataclass(frozen=True, slots=True)
class FeedDelivery:
    """Fields as in the contract. Methods return the changed one; a wrong state raises FailedPrecondition.

    `content_digest` is the SHA-256 of its file, `rows_with_id` how many rows name their account by its id. Where its
    rows came with the request (`of_rows`), its file was made of them, with `decimal_separator` in its numbers.
    """

    id: UUID
    feed_id: UUID
    delivery_id: str
    data_date: date
    upload_id: UUID
    file_name: str
    content_digest: str
    sender_id: UUID
    expire_time: datetime
    create_time: datetime
    update_time: datetime
    version: int = 1
    expected_rows: int | None = None
    expected_sums: tuple[ColumnSum, ...] = ()
    state: State = State.RECEIVED
    held_reason: HeldReason | None = None
    short: bool = False
    repeated: bool = False
    rows_total: int | None = None
    keyless_rows: int | None = None
    rows_with_id: int = 0
    found_sums: tuple[ColumnSum, ...] = ()
    only_creates: bool = False
    released: bool = False
    of_rows: bool = False
    decimal_separator: str = ""
    import_id: UUID | None = None
    created_count: int = 0
    updated_count: int = 0
    skipped_count: int = 0
    failed_count: int = 0
    disagreeing_count: int = 0
    failure_reason: str | None = None
    failure: str | None = None
    start_time: datetime | None = None
    finish_time: datetime | None = None

    @property
    def turn(self) -> tuple[date, datetime, UUID]:
        """What its turn goes by: the day first, then when it arrived."""
        return self.data_date, self.create_time, self.id

    @property
    def wrote(self) -> bool:
        """Whether values of its day are in."""
        return self.state is State.SUCCEEDED or self.created_count + self.updated_count > 0

    def observed(self, now: datetime, zone: ZoneInfo) -> datetime:
        """When its source was found to say what it says: at the end of its day, or now where that is still to come."""
        return min(now, datetime.combine(self.data_date + timedelta(days=1), time(), zone).astimezone(UTC))

    def checked(self, today: date) -> "FeedDelivery":
        """The delivery itself. InvalidArgument for a day that is not yet, and for a column that is named twice."""
        latest = today + AHEAD
        if self.data_date > latest:
            detail = f"must not be after {latest}"
            raise invalid_field(f"{NOUN}.data_date", "feed_day", detail, metadata={"latest": latest.isoformat()})
        columns = [each.column for each in self.expected_sums]
        twice = next((at for at, each in enumerate(columns) if each in columns[:at]), None)
        if twice is not None:
            raise invalid_field(f"{NOUN}.expected_sums[{twice}].column", "unique", "is there twice")
        empty = next((at for at, each in enumerate(self.expected_sums) if not each.sum), None)
        if empty is not None:
            raise invalid_field(f"{NOUN}.expected_sums[{empty}].sum", "required", "is required")
        return self

    def differs_from(self, other: "FeedDelivery") -> tuple[str, ...]:
        """The fields that another delivery under the same id would have to have alike, and has not."""
        content = "rows" if self.of_rows else "upload_id"
        names = {"content_digest": content, "data_date": "data_date", "expected_rows": "expected_rows"}
        fields = [field for name, field in names.items() if getattr(self, name) != getattr(other, name)]
        if self.expected_sums != other.expected_sums:
            fields.append("expected_sums")
        return tuple(fields)

    # --- what happens to it

    def count(self, counted: Counted, mode: Mode, *, short: bool, repeated: bool) -> "FeedDelivery":
        """Counted: it waits for its turn, or is held where it is not what it says it is."""
        self._require("counted", State.RECEIVED)
        found = replace(
            self,
            rows_total=counted.rows,
            keyless_rows=counted.keyless_rows,
            rows_with_id=counted.rows_with_id,
            found_sums=counted.sums,
            short=short,
            repeated=repeated,
            state=State.WAITING,
        )
        if not self._totals_fit(counted):
            return found.hold(HeldReason.TOTALS_DIFFER)
        if mode is Mode.UPSERT and counted.keyless_rows:
            return found.hold(HeldReason.KEYS_MISSING)
        return found

    def _totals_fit(self, counted: Counted) -> bool:
        rows_fit = self.expected_rows in (None, counted.rows)
        return rows_fit and all(
            told.is_met_by(found) for told, found in zip(self.expected_sums, counted.sums, strict=True)
        )

    def hold(self, reason: HeldReason) -> "FeedDelivery":
        """It waits for a person."""
        self._require("held", State.WAITING)
        return replace(self, state=State.HELD, held_reason=reason)

    def release(self, mode: Mode) -> "FeedDelivery":
        """It waits for its turn all the same. Of a day that is past it only creates what is not there yet."""
        self._require("released", State.HELD)
        only_creates = self.held_reason is HeldReason.OUT_OF_ORDER
        if only_creates and mode is Mode.UPDATE:
            detail = "a newer day is in, and the feed changes accounts only: nothing could come of it; reject it"
            raise illegal_state("nothing_to_create", detail)
        if only_creates and self.rows_with_id:
            # What only creates passes over ids: it would make other accounts of all of these rows.
            detail = (
                "a newer day is in, and rows name accounts that are there by their ids: they are not new; reject it"
            )
            raise illegal_state("rows_have_ids", detail)
        only_creates = only_creates or self.only_creates
        return replace(self, state=State.WAITING, held_reason=None, only_creates=only_creates, released=True)

    def reject(self, now: datetime) -> "FeedDelivery":
        """Nothing comes of it."""
        self._require("rejected", *NOT_BEGUN)
        return replace(self, state=State.REJECTED, held_reason=None, finish_time=now)

    def withdraw(self, *, by: UUID, now: datetime) -> "FeedDelivery":
        """Taken back by its sender; what they took back before stays as it is.

        PermissionDenied for anybody else. FailedPrecondition once somebody has released it, and once it is begun.
        """
        if by != self.sender_id:
            detail = "only who brought a delivery takes it back; who may write feeds rejects it"
            raise denied("not_sender", detail)
        if self.state is State.WITHDRAWN:
            return self
        if self.state is State.RUNNING:
            detail = (
                f"the import {self.import_id} is writing its rows; have that cancelled, and send what is right as "
                "another delivery of its day"
            )
            raise illegal_state("delivery_begun", detail, import_id=self.import_id)
        if self.wrote:
            detail = "its rows are in; send what is right as another delivery of its day"
            raise illegal_state("delivery_in", detail)
        if self.released and self.state is State.WAITING:
            detail = "somebody has released it; have it rejected by who may write feeds"
            raise illegal_state("delivery_released", detail)
        self._require("withdrawn", *NOT_BEGUN)
        return replace(self, state=State.WITHDRAWN, held_reason=None, finish_time=now)

    def start(self, import_id: UUID, now: datetime) -> "FeedDelivery":
        """It is being imported."""
        self._require("started", State.WAITING)
        return replace(self, state=State.RUNNING, import_id=import_id, start_time=now)

    def finish(
        self, state: State, figures: Figures, now: datetime, *, reason: str | None = None, detail: str | None = None
    ) -> "FeedDelivery":
        """Its import has ended, of a failed one with the reason."""
        self._require("finished", State.RUNNING)
        counts = {name: getattr(figures, name) for name in Figures.__slots__}
        return replace(self, state=state, finish_time=now, failure_reason=reason, failure=detail, **counts)

    def fail(self, error: CrmError, now: datetime) -> "FeedDelivery":
        """It cannot be imported."""
        self._require("failed", *NOT_BEGUN)
        ended = replace(self, state=State.FAILED, held_reason=None, finish_time=now)
        return replace(ended, failure_reason=error.reason, failure=error.detail)

    def _require(self, done: str, *legal: State) -> None:
        if self.state not in legal:
            raise wrong_state(NOUN, self.state, done, legal=legal)


@dataclass(frozen=True, slots=True)
class Turns:
    """What comes next of the deliveries of a feed: which are over, which come too late, and which one begins."""

    expired: tuple[FeedDelivery, ...] = ()
    out_of_order: tuple[FeedDelivery, ...] = ()
    next: FeedDelivery | None = None


def turns_of(deliveries: Iterable[FeedDelivery], *, last_data_date: date | None, active: bool, now: datetime) -> Turns:
    """What comes next of the open deliveries of a feed; `last_data_date` is the newest of which values are in.

    One is carried out at a time, the earliest day first, and those of a day as they arrived. It waits for an earlier
    one that is not counted yet, or that is held and may still be released. What is older than `last_data_date` is held;
    released, it creates only, so it need not be waited for, and waits for nobody but the one under way.
    """
    waited = sorted(deliveries, key=lambda each: each.turn)
    expired = tuple(each for each in waited if each.state in NOT_BEGUN and now >= each.expire_time)
    left = [each for each in waited if each not in expired]
    late = tuple(each for each in left if each.state is State.WAITING and is_past(each, last_data_date))
    running = any(each.state is State.RUNNING for each in left)
    first = next((each for each in left if each not in late and not is_aside(each, last_data_date)), None)
    following = first if first is not None and first.state is State.WAITING else released(left)
    return Turns(expired, late, None if running or not active else following)


def is_past(delivery: FeedDelivery, last_data_date: date | None) -> bool:
    """Whether it would overwrite what is newer."""
    return last_data_date is not None and delivery.data_date < last_data_date and not delivery.only_creates


def is_aside(delivery: FeedDelivery, last_data_date: date | None) -> bool:
    """Whether others need not wait for it: it will be held, or is, since a newer day is in, or creates only."""
    return delivery.only_creates or is_past(delivery, last_data_date) or delivery.held_reason is HeldReason.OUT_OF_ORDER


def released(deliveries: Iterable[FeedDelivery]) -> FeedDelivery | None:
    """The first that only creates, which is carried out where nothing else is to be."""
    return next((each for each in deliveries if each.only_creates and each.state is State.WAITING), None)


def expired_error() -> CrmError:
    """Why a delivery fails that did not have its turn in time."""
    detail = "its file was kept for 7 days, and it was not its turn by then; send the delivery anew under another id"
    return CrmError(detail, reason="UPLOAD_NOT_FOUND")
