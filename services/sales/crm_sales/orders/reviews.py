"""Where the orders of an account are looked at again whose credit became free: from the first that waits to the last.

How far that has come is kept, so it goes on from there whatever happens, and has an end: what becomes free meanwhile
begins another round, and cuts none short.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.identity.access import Scope
from crm_kit.money import Money
from crm_kit.plumbing import access_tenants
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Uuid,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.types import Interval

from crm_sales.opportunities.model import OpportunityState
from crm_sales.opportunities.tables import opportunities
from crm_sales.orders.model import OrderState, ReleaseCause
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.tables import hold_reviews, orders

# Of all tenants, and of one of them.
MAX_FOUND = 200
A_TENANTS_SHARE = 20
# Orders that are read at once; most of them are passed over where one was refused.
BATCH = 200
FIRST_WAIT, LAST_WAIT = timedelta(seconds=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order on hold, as far as the review of its account minds it."""

    id: UUID
    place_time: datetime
    amount: Money


@dataclass(frozen=True, slots=True)
class Review:
    """How far the orders on hold of an account have been looked at; `refused` is the smallest amount by currency."""

    account_id: UUID
    cause: ReleaseCause
    failures: int = 0
    after_place_time: datetime | None = None
    after_id: UUID | None = None
    refused: Mapping[str, Decimal] = field(default_factory=dict)

    def may_fit(self, order: HeldOrder) -> bool:
        """Only what is smaller than what was refused can fit where that did not."""
        refused = self.refused.get(order.amount.currency_code)
        return refused is None or order.amount.amount < refused

    def past(self, order: HeldOrder) -> "Review":
        """With an order that was looked at."""
        return replace(self, after_place_time=order.place_time, after_id=order.id)

    def refuse(self, order: HeldOrder) -> "Review":
        """With an order that does not fit."""
        return replace(self, refused={**self.refused, order.amount.currency_code: order.amount.amount})

    def wait(self) -> timedelta:
        """How long to wait since an order could not be checked: the longer, the more often that was so."""
        # Doubled sixteen times it is more than the longest.
        return min(FIRST_WAIT * (1 << min(self.failures, 16)), LAST_WAIT)


def note_freed(work: UnitOfWork, account_id: UUID, cause: ReleaseCause) -> None:
    """Gather that credit of an account has become free, or may have."""
    work.execute(note(), account_id=account_id, cause=cause)


def review_from(row: Record) -> Review:
    refused = {code: Decimal(amount) for code, amount in row["refused"].items()}
    names = ("account_id", "failures", "after_place_time", "after_id")
    return Review(cause=ReleaseCause(row["cause"]), refused=refused, **{name: row[name] for name in names})


def go_on(work: UnitOfWork, review: Review) -> None:
    """Gather that the review has come so far and goes on."""
    work.execute(put_position(), **_position(review))


def pause(work: UnitOfWork, review: Review) -> None:
    """Gather that the review has come so far, though one could not be checked: it goes on later, and begins anew."""
    work.execute(put_failure(), **_position(review), wait=review.wait())


def end(work: UnitOfWork, account_id: UUID) -> None:
    """Gather that all have been looked at: the review is over, or begins anew."""
    work.execute(remove(), account_id=account_id)
    work.execute(begin_anew(), account_id=account_id)


def _position(review: Review) -> dict[str, Any]:
    refused = {code: str(amount) for code, amount in review.refused.items()}
    names = ("account_id", "after_place_time", "after_id")
    return {name: getattr(review, name) for name in names} | {"refused": refused}


async def held_after(reader: Reader, review: Review) -> list[HeldOrder]:
    """The next orders of an account that are on hold, in the order in which they were placed.

    Those of lost opportunities are left out: nothing releases them.
    """
    query = held_orders(from_the_first=review.after_id is None)
    names = ("account_id", "after_place_time", "after_id")
    rows = await reader.all(query, **{name: getattr(review, name) for name in names}, batch=BATCH)
    return [HeldOrder(row["id"], row["place_time"], Money(row["gross_amount"], row["currency_code"])) for row in rows]


@statement
def held_orders(from_the_first: bool) -> Select[Any]:
    position = tuple_(bindparam("after_place_time", type_=DateTime(timezone=True)), bindparam("after_id", type_=Uuid))
    deals = opportunities
    found = (
        ORDERS.rows(Scope.ALL)
        .with_only_columns(orders.c.id, orders.c.place_time, orders.c.gross_amount, orders.c.currency_code)
        .outerjoin(deals, (deals.c.tenant_id == orders.c.tenant_id) & (deals.c.id == orders.c.opportunity_id))
        .where(
            orders.c.account_id == bindparam("account_id"),
            orders.c.state == OrderState.ON_HOLD.value,
            or_(deals.c.id.is_(None), deals.c.state != OpportunityState.LOST.value),
        )
        .order_by(orders.c.place_time, orders.c.id)
        .limit(bindparam("batch", type_=Integer))
    )
    return found if from_the_first else found.where(tuple_(orders.c.place_time, orders.c.id) > position)


@statement
def due_reviews() -> Select[Any]:
    """Of each tenant those first that have waited longest. Across tenants, so of the plumbing only."""
    table, tenant = hold_reviews, access_tenants
    due = (
        select(table)
        .where(table.c.tenant_id == tenant.c.tenant_id, table.c.look_time <= func.now())
        .order_by(table.c.look_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    found = select(due, tenant.c.clock_offset).join_from(tenant, due, true())
    return found.order_by(due.c.look_time).limit(MAX_FOUND)


@statement
def note() -> Any:
    fresh = insert(hold_reviews).values({name: bindparam(name) for name in ("tenant_id", "account_id", "cause")})
    # That it was found free when it was checked again does not say by what: it replaces no cause that does.
    is_said = fresh.excluded.cause != ReleaseCause.CREDIT_CHECKED.value
    cause = case((is_said, fresh.excluded.cause), else_=hold_reviews.c.cause)
    return fresh.on_conflict_do_update(
        index_elements=[hold_reviews.c.tenant_id, hold_reviews.c.account_id],
        set_={"cause": cause, "again": True, "failures": 0},
    )


@statement
def claim() -> Any:
    """Take a step of a review, unless somebody else has: when it ends in the middle, another goes on later."""
    table = hold_reviews
    until = func.clock_timestamp() + bindparam("duration", type_=Interval)
    return (
        update(table)
        .where(*_is_review(), table.c.look_time == bindparam("seen_time", type_=DateTime(timezone=True)))
        .values(look_time=until)
        .returning(table.c.account_id)
    )


def _is_review() -> tuple[ColumnElement[bool], ...]:
    table = hold_reviews
    return (
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.account_id == bindparam("account_id", type_=Uuid),
    )


def _reached() -> dict[str, Any]:
    return {
        "after_place_time": bindparam("after_place_time", type_=DateTime(timezone=True)),
        "after_id": bindparam("after_id", type_=Uuid),
        "refused": bindparam("refused", type_=JSONB),
    }


@statement
def put_position() -> Any:
    return update(hold_reviews).where(*_is_review()).values(**_reached(), look_time=func.clock_timestamp())


@statement
def put_failure() -> Any:
    later = func.clock_timestamp() + bindparam("wait", type_=Interval)
    values = _reached() | {"again": True, "failures": hold_reviews.c.failures + 1, "look_time": later}
    return update(hold_reviews).where(*_is_review()).values(values)


@statement
def remove() -> Any:
    return delete(hold_reviews).where(*_is_review(), ~hold_reviews.c.again)


@statement
def begin_anew() -> Any:
    none = {"after_place_time": null(), "after_id": null(), "refused": literal_column("'{}'::jsonb")}
    changed = update(hold_reviews).where(*_is_review(), hold_reviews.c.again)
    return changed.values(**none, again=False, look_time=func.clock_timestamp())
